//! The health service `grpc.health.v1.Health` (core/HLT-1 … HLT-4).
//!
//! It knows one name, the empty one, which serves from the moment the port is open until the server stops, whatever the state of the
//! storage: the packaged deployment uses it as a liveness probe.

use futures::stream::{self, BoxStream, StreamExt};
use tonic::{Request, Response, Status, async_trait};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::stopping::Stopping;

/// Tells whether the server serves.
pub(crate) struct HealthService(pub(crate) Stopping);

fn message(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

fn status_of(stopping: &Stopping) -> ServingStatus {
    if stopping.is_now() { ServingStatus::NotServing } else { ServingStatus::Serving }
}

/// The status now, and the one after it; then nothing, without ending.
fn changes(stopping: Stopping) -> impl futures::Stream<Item = ServingStatus> {
    let now = status_of(&stopping);
    let later = async move {
        stopping.wait().await;
        ServingStatus::NotServing
    };
    let later = stream::once(later).filter(move |status| std::future::ready(*status != now));
    stream::iter([now]).chain(later).chain(stream::pending())
}

#[async_trait]
impl Health for HealthService {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let HealthCheckRequest { service } = request.into_inner();
        match service.as_str() {
            "" => Ok(Response::new(message(status_of(&self.0)))),
            _ => Err(Status::not_found("unknown service")),
        }
    }

    /// An unknown name is told as a message and the stream stays open (core/HLT-3).
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let HealthCheckRequest { service } = request.into_inner();
        let statuses = match service.as_str() {
            "" => changes(self.0.clone()).boxed(),
            _ => stream::iter([ServingStatus::ServiceUnknown]).chain(stream::pending()).boxed(),
        };
        Ok(Response::new(statuses.map(|status| Ok(message(status))).boxed()))
    }
}
