//! The version of the server over gRPC; it needs an identified caller and no storage (core/INF-1).

use proto::info_service_server::InfoService;
use tonic::{Request, Response, Status, async_trait};

use crate::handler::{Handler, handle};

#[async_trait]
impl InfoService for Handler {
    async fn query_version(
        &self,
        request: Request<proto::QueryVersionParam>,
    ) -> Result<Response<proto::QueryVersionResponse>, Status> {
        handle(request, |_caller, proto::QueryVersionParam {}| async move {
            Ok(proto::QueryVersionResponse { orchestrator: self.version.clone() })
        })
        .await
    }
}
