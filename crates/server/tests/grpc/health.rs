//! The health service (core/HLT-1 … HLT-4).

use tonic::{Code, Streaming};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::running_server::RunningServer;

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

async fn next(statuses: &mut Streaming<HealthCheckResponse>) -> ServingStatus {
    statuses.message().await.unwrap().unwrap().status()
}

#[tokio::test]
async fn check_needs_no_headers_and_knows_one_name() {
    let server = RunningServer::start().await;
    let mut health = HealthClient::new(server.connect());
    let serving = health.check(of("")).await.unwrap().into_inner();
    assert_eq!(serving.status(), ServingStatus::Serving);
    for name in ["x", "orchestrator.InfoService"] {
        let status = health.check(of(name)).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "unknown service"));
    }
}

#[tokio::test]
async fn watch_tells_the_status_and_its_change_and_never_ends_with_ok() {
    // core/HLT-3, DEF-10: without any header; core/HLT-2: the change comes before the end.
    let server = RunningServer::start().await;
    let mut health = HealthClient::new(server.connect());
    let mut known = health.watch(of("")).await.unwrap().into_inner();
    let mut unknown = health.watch(of("x")).await.unwrap().into_inner();
    assert_eq!(next(&mut known).await, ServingStatus::Serving);
    assert_eq!(next(&mut unknown).await, ServingStatus::ServiceUnknown);
    let ended = server.stop();
    assert_eq!(next(&mut known).await, ServingStatus::NotServing);
    assert_eq!(known.message().await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(unknown.message().await.unwrap_err().code(), Code::Unavailable);
    ended.await.unwrap().unwrap();
}
