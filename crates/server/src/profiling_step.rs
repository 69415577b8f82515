//! Profiling steps over gRPC (compute/PROF-1 … PROF-3).

use asset::ProfilingStep;
use asset::profiling_step::RegisterProfilingStep;
use proto::profiling_service_server::ProfilingService;
use tonic::{Request, Response, Status, async_trait};

use crate::handler::{Handler, handle};

/// The message of a profiling step.
pub(crate) fn message(measured: &ProfilingStep) -> proto::ProfilingStep {
    let ProfilingStep { asset_key, step, duration } = measured;
    proto::ProfilingStep { duration: *duration, asset_key: asset_key.to_string(), step: step.clone() }
}

#[async_trait]
impl ProfilingService for Handler {
    async fn register_profiling_step(
        &self,
        request: Request<proto::ProfilingStep>,
    ) -> Result<Response<()>, Status> {
        handle(request, |caller, proto::ProfilingStep { duration, asset_key, step }| async move {
            self.execute(&caller, RegisterProfilingStep::new(&asset_key, step, duration, self.policy)?).await
        })
        .await
    }
}
