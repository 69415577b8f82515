//! Every method of the application answers what the contract knows (core/ERR-2, DEF-29; compute/DEF-21).

use std::time::Duration;

use prost::Message;
use prost_types::FileDescriptorSet;
use proto::compute_plan_service_client::ComputePlanServiceClient;
use proto::model_service_client::ModelServiceClient;
use tonic::Code;

use crate::running_server::{RunningServer, by_a};
use crate::wire::{self, BY_A};

const ABSENT_KEY: &str = "3f1c9a52-0b7e-4c7d-9a33-5d2f8e6b1a40";

#[tokio::test]
async fn no_method_is_missing() {
    let server = RunningServer::start().await;
    server.register("OrgA", "north").await.unwrap();
    let set = FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
    let services = set.file.iter().flat_map(|file| &file.service);
    let mut called = 0;
    for service in services {
        for method in &service.method {
            let path = format!("/orchestrator.{}/{}", service.name(), method.name());
            let answer = wire::call(server.connect(), &path, BY_A, "");
            match tokio::time::timeout(Duration::from_secs(10), answer).await.expect(&path) {
                Ok(message) => assert!(message.is_some(), "{path} ended without an answer"),
                Err(status) => {
                    let refused = [Code::InvalidArgument, Code::FailedPrecondition, Code::AlreadyExists];
                    assert!(refused.contains(&status.code()), "{path} {status:?}");
                    assert!(status.message().starts_with("OE"), "{path} {status:?}");
                }
            }
            called += 1;
        }
    }
    assert_eq!(called, 40);
}

#[tokio::test]
async fn registering_no_model_is_refused() {
    // compute/MODEL-2
    let server = RunningServer::start().await;
    let mut client = ModelServiceClient::new(server.connect());
    let status =
        client.register_models(by_a(proto::RegisterModelsParam { models: vec![] })).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().starts_with("OE0003: "), "{status:?}");
}

#[tokio::test]
async fn an_unknown_plan_is_not_found() {
    // compute/PLAN-50
    let server = RunningServer::start().await;
    let mut client = ComputePlanServiceClient::new(server.connect());
    let request = proto::IsPlanRunningParam { key: ABSENT_KEY.to_owned() };
    let status = client.is_plan_running(by_a(request)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert!(status.message().starts_with("OE0002: ") && status.message().contains(ABSENT_KEY), "{status:?}");
}
