//! How the server stops (core/OPS-4, SUB-11; S-52).

use std::time::Duration;

use asset::ChannelName;
use persistence::Store;
use tonic::Code;

use crate::running_server::RunningServer;
use crate::subscription::subscribe;

#[tokio::test]
async fn streams_end_as_unavailable_and_the_server_ends() {
    let server = RunningServer::start().await;
    server.register("OrgA", "north").await.unwrap();
    let mut waiting = subscribe(&server, "OrgA", "north", "").await.unwrap();
    waiting.message().await.unwrap().unwrap();
    let mut unread = subscribe(&server, "OrgB", "north", "").await.unwrap();
    let address = server.address;
    let ended = server.stop();
    assert_eq!(waiting.message().await.unwrap_err().code(), Code::Unavailable);
    unread.message().await.unwrap().unwrap();
    assert_eq!(unread.message().await.unwrap_err().code(), Code::Unavailable);
    drop((waiting, unread));
    ended.await.unwrap().unwrap();
    tokio::net::TcpStream::connect(address).await.unwrap_err();
}

#[tokio::test]
async fn a_running_call_finishes() {
    let server = RunningServer::start().await;
    let mut stream = subscribe(&server, "OrgB", "north", "").await.unwrap();
    // While the test holds the channel, no write of it can be decided.
    let held = server.store.begin(&ChannelName::new("north")).await.unwrap();
    let connection = server.connect();
    let mut call = tokio::spawn(async move {
        let mut client = proto::organization_service_client::OrganizationServiceClient::new(connection);
        let message = proto::RegisterOrganizationParam::default();
        client
            .register_organization(crate::running_server::by_a(message))
            .await
    });
    // The call is at the server once it is slower than a call that needs no lock, sent after it.
    let early = tokio::time::timeout(Duration::from_millis(300), &mut call).await;
    assert!(early.is_err(), "the call did not wait: {early:?}");
    let ended = server.stop();
    assert_eq!(stream.message().await.unwrap_err().code(), Code::Unavailable);
    drop(held);
    call.await.unwrap().unwrap();
    ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_call_that_does_not_finish_is_cut_off() {
    let server =
        RunningServer::start_with(|options| options.shutdown_timeout = Duration::from_millis(50)).await;
    let _held = server.store.begin(&ChannelName::new("north")).await.unwrap();
    let connection = server.connect();
    let mut call = tokio::spawn(async move {
        let mut client = proto::organization_service_client::OrganizationServiceClient::new(connection);
        let message = proto::RegisterOrganizationParam::default();
        client
            .register_organization(crate::running_server::by_a(message))
            .await
    });
    let early = tokio::time::timeout(Duration::from_millis(300), &mut call).await;
    assert!(early.is_err(), "the call did not wait: {early:?}");
    server.stop().await.unwrap().unwrap();
    call.abort();
}
