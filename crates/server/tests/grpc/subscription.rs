//! Subscriptions (core/SUB-1 … SUB-18).

use proto::event_service_client::EventServiceClient;
use tonic::{Code, Status, Streaming};

use crate::events::events;
use crate::running_server::{RunningServer, by};

/// Subscribes as an organization in a channel after an event, or from the beginning.
pub(crate) async fn subscribe(
    server: &RunningServer,
    organization: &str,
    channel: &str,
    start_event_id: &str,
) -> Result<Streaming<proto::Event>, Status> {
    let mut client = EventServiceClient::new(server.connect());
    let message = proto::SubscribeToEventsParam { start_event_id: start_event_id.to_owned() };
    client.subscribe_to_events(by(organization, channel, message)).await.map(tonic::Response::into_inner)
}

async fn next(stream: &mut Streaming<proto::Event>) -> proto::Event {
    stream.message().await.unwrap().unwrap()
}

#[tokio::test]
async fn a_subscription_brings_stored_events_and_then_new_ones() {
    // SUB-2, SUB-5 … SUB-10
    let server = RunningServer::start().await;
    server.register("OrgA", "north").await.unwrap();
    server.register("OrgC", "south").await.unwrap();
    let mut stream = subscribe(&server, "OrgA", "north", "").await.unwrap();
    let stored = next(&mut stream).await;
    server.register("OrgB", "north").await.unwrap();
    let new = next(&mut stream).await;
    assert_eq!([stored.asset_key.as_str(), new.asset_key.as_str()], ["OrgA", "OrgB"]);
    assert_eq!(vec![stored, new], events(&server).await);
}

#[tokio::test]
async fn a_subscription_goes_on_after_an_event() {
    // SUB-3: the id may be spelled in any way that a look-up may (core/VAL-16).
    let server = RunningServer::start().await;
    server.register("OrgA", "north").await.unwrap();
    server.register("OrgB", "north").await.unwrap();
    let [first, second] = events(&server).await.try_into().unwrap();
    for start in [first.id.clone(), first.id.to_uppercase()] {
        let mut stream = subscribe(&server, "OrgB", "north", &start).await.unwrap();
        assert_eq!(next(&mut stream).await, second);
    }
}

#[tokio::test]
async fn a_start_that_is_unknown_is_refused_before_any_event() {
    // SUB-4, S-47
    let server = RunningServer::start().await;
    server.register("OrgA", "north").await.unwrap();
    server.register("OrgB", "south").await.unwrap();
    let foreign = {
        let mut stream = subscribe(&server, "OrgB", "south", "").await.unwrap();
        next(&mut stream).await.id
    };
    let invented = "3f1c9a52-0b7e-4c7d-9a33-5d2f8e6b1a40".to_owned();
    for id in [foreign, invented] {
        let status = subscribe(&server, "OrgA", "north", &id).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        assert_eq!(status.message(), format!("OE0002: event with key {id:?} not found"));
    }
    for id in ["abc", " ", "3f1c9a52-0b7e-4c7d-9a33-5d2f8e6b1a4"] {
        let status = subscribe(&server, "OrgA", "north", id).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{id}");
        assert!(status.message().starts_with("OE0101: "), "{status:?}");
    }
}

#[tokio::test]
async fn many_subscribers_of_one_connection_get_the_same() {
    // SUB-18, S-50
    let server = RunningServer::start().await;
    let client = EventServiceClient::new(server.connect());
    let mut streams = Vec::new();
    for _ in 0..300 {
        let message = by("OrgA", "north", proto::SubscribeToEventsParam::default());
        streams.push(client.clone().subscribe_to_events(message).await.unwrap().into_inner());
    }
    server.register("OrgA", "north").await.unwrap();
    server.register("OrgB", "north").await.unwrap();
    let expected = events(&server).await;
    for stream in &mut streams {
        assert_eq!(vec![next(stream).await, next(stream).await], expected);
    }
}
