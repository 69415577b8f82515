//! How the server stops (core/OPS-4, SUB-11; S-52).

use std::time::Duration;

use asset::{ChannelName, Facts, Needs};
use futures::FutureExt;
use futures::future::BoxFuture;
use persistence::{Batch, Store};
use proto::info_service_client::InfoServiceClient;
use proto::organization_service_client::OrganizationServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::running_server::{RunningServer, by_a};
use crate::subscription::subscribe;

/// Holds the channel, so that calls which write wait.
pub(crate) async fn hold_north(store: &dyn Store) -> Box<dyn Batch> {
    store.begin(&ChannelName::new("north"), &Needs::default(), &mut Facts::default()).await.unwrap()
}

#[tokio::test]
async fn streams_end_as_unavailable_and_the_server_ends() {
    // core/SUB-11, DEF-15
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
    ended.await.unwrap().unwrap();
    tokio::net::TcpStream::connect(address).await.unwrap_err();
}

#[tokio::test]
async fn a_running_call_finishes() {
    let server = RunningServer::start().await;
    let mut stream = subscribe(&server, "OrgB", "north", "").await.unwrap();
    let held = hold_north(&*server.store).await;
    let call = call_that_waits(server.connect()).await;
    let mut health = HealthClient::new(server.connect());
    let mut statuses = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let mut status = async || statuses.message().await.unwrap().unwrap().status();
    assert_eq!(status().await, ServingStatus::Serving);
    let ended = server.stop();
    // core/HLT-2: while the call still runs.
    assert_eq!(status().await, ServingStatus::NotServing);
    assert_eq!(stream.message().await.unwrap_err().code(), Code::Unavailable);
    drop(held);
    call.await.unwrap();
    ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_call_that_does_not_finish_is_told_so() {
    let at_once = Duration::from_millis(1);
    let server = RunningServer::start_with(|options| options.limits.shutdown_timeout = at_once).await;
    let _held = hold_north(&*server.store).await;
    let call = call_that_waits(server.connect()).await;
    let ended = server.stop();
    let refused = call.await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::Unavailable, "the server is shutting down"));
    ended.await.unwrap().unwrap();
}

/// A registration of OrgA that has reached the server and cannot be decided while the test holds the channel in the store.
pub(crate) async fn call_that_waits(
    connection: Channel,
) -> BoxFuture<'static, Result<Response<proto::Organization>, Status>> {
    let mut version = InfoServiceClient::new(connection.clone());
    let mut ask = async || version.query_version(by_a(proto::QueryVersionParam {})).await.unwrap();
    ask().await; // from now on there is a connection
    let mut client = OrganizationServiceClient::new(connection);
    let register = by_a(proto::RegisterOrganizationParam::default());
    let mut call = async move { client.register_organization(register).await }.boxed();
    assert!((&mut call).now_or_never().is_none());
    ask().await; // calls of one connection arrive in their order, so the one before is there as well
    assert!((&mut call).now_or_never().is_none());
    call
}
