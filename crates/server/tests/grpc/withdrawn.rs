//! A channel whose lock is another's: who waits for it, who does not, and who gives up.

use std::time::Duration;

use proto::data_sample_service_client::DataSampleServiceClient;
use proto::info_service_client::InfoServiceClient;
use proto::organization_service_client::OrganizationServiceClient;
use tonic::Code;

use crate::events::events;
use crate::running_server::{RunningServer, by_a};
use crate::shutdown::{call_that_waits, hold_north};

/// Everything that the server has been sent on this connection has been seen.
async fn settle(server: &RunningServer, connection: &tonic::transport::Channel) {
    let mut version = InfoServiceClient::new(connection.clone());
    for _ in 0..3 {
        version.query_version(by_a(proto::QueryVersionParam {})).await.unwrap();
    }
    assert_eq!(events(server).await, [], "reading waits for no lock");
}

#[tokio::test]
async fn a_call_given_up_while_it_waits_has_no_effect() {
    // core/TX-10
    let server = RunningServer::start().await;
    let held = hold_north(&*server.store).await;
    let connection = server.connect();
    let call = call_that_waits(connection.clone()).await;
    drop(call);
    settle(&server, &connection).await;

    let mut in_a_hurry = by_a(proto::RegisterOrganizationParam::default());
    in_a_hurry.metadata_mut().insert("grpc-timeout", "20m".parse().unwrap());
    let mut client = OrganizationServiceClient::new(connection.clone());
    let late = client.register_organization(in_a_hurry).await.unwrap_err();
    assert!(matches!(late.code(), Code::Cancelled | Code::DeadlineExceeded), "{late:?}");
    settle(&server, &connection).await;

    drop(held);
    server.register("OrgB", "north").await.unwrap();
    let keys: Vec<_> = events(&server).await.into_iter().map(|event| event.asset_key).collect();
    assert_eq!(keys, ["OrgB"]);
}

#[tokio::test]
async fn an_empty_list_of_samples_waits_for_nobody() {
    // core/DS-2, DEF-38
    let server = RunningServer::start().await;
    let _held = hold_north(&*server.store).await;
    let mut client = DataSampleServiceClient::new(server.connect());
    let call = client.register_data_samples(by_a(proto::RegisterDataSamplesParam::default()));
    let answer = tokio::time::timeout(Duration::from_secs(10), call).await.unwrap();
    assert_eq!(answer.unwrap().into_inner(), proto::RegisterDataSamplesResponse::default());
}
