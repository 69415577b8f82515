//! Server reflection (core/RFL-1).

use std::collections::BTreeSet;

use prost::Message;
use prost_types::FileDescriptorProto;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1alpha;

use crate::running_server::{RunningServer, by_a};

const SERVICES: [&str; 16] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
    "orchestrator.ComputePlanService",
    "orchestrator.ComputeTaskService",
    "orchestrator.DataManagerService",
    "orchestrator.DataSampleService",
    "orchestrator.DatasetService",
    "orchestrator.EventService",
    "orchestrator.FailureReportService",
    "orchestrator.FunctionService",
    "orchestrator.InfoService",
    "orchestrator.ModelService",
    "orchestrator.OrganizationService",
    "orchestrator.PerformanceService",
    "orchestrator.ProfilingService",
];

async fn ask(server: &RunningServer, question: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let questions = futures::stream::iter([request]);
    let mut client = ServerReflectionClient::new(server.connect());
    let mut answers = client.server_reflection_info(by_a(questions)).await.unwrap().into_inner();
    answers.message().await.unwrap().unwrap().message_response.unwrap()
}

#[tokio::test]
async fn both_versions_list_all_services() {
    let server = RunningServer::start().await;
    let MessageResponse::ListServicesResponse(list) =
        ask(&server, MessageRequest::ListServices(String::new())).await
    else {
        panic!("no list")
    };
    let names: BTreeSet<_> = list.service.into_iter().map(|service| service.name).collect();
    assert_eq!(names, SERVICES.map(str::to_owned).into());

    let question = v1alpha::server_reflection_request::MessageRequest::ListServices(String::new());
    let request = v1alpha::ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(server.connect());
    let questions = futures::stream::iter([request]);
    let mut answers = client.server_reflection_info(by_a(questions)).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let v1alpha::server_reflection_response::MessageResponse::ListServicesResponse(list) = answer else {
        panic!("no list")
    };
    let names: BTreeSet<_> = list.service.into_iter().map(|service| service.name).collect();
    assert_eq!(names, SERVICES.map(str::to_owned).into());
}

#[tokio::test]
async fn a_tool_finds_the_file_of_a_service_and_all_its_imports() {
    let server = RunningServer::start().await;
    let symbol = "orchestrator.EventService".to_owned();
    let mut open = vec![MessageRequest::FileContainingSymbol(symbol)];
    let mut files = BTreeSet::new();
    while let Some(question) = open.pop() {
        let MessageResponse::FileDescriptorResponse(found) = ask(&server, question).await else {
            panic!("no file")
        };
        for encoded in found.file_descriptor_proto {
            let file = FileDescriptorProto::decode(encoded.as_slice()).unwrap();
            if files.insert(file.name().to_owned()) {
                open.extend(file.dependency.into_iter().map(MessageRequest::FileByFilename));
            }
        }
    }
    assert!(files.contains("event.proto") && files.contains("google/protobuf/timestamp.proto"), "{files:?}");
}
