//! Queries for events (core/EVT-13 … EVT-22, PAG-6).

use std::collections::BTreeSet;

use proto::event_service_client::EventServiceClient;
use tonic::Code;

use crate::running_server::{RunningServer, by, by_a};

/// What a query finds, page after page.
pub(crate) async fn query(server: &RunningServer, query: proto::QueryEventsParam) -> Vec<Vec<proto::Event>> {
    let mut client = EventServiceClient::new(server.connect());
    let mut pages = Vec::new();
    let mut page_token = String::new();
    loop {
        let next = proto::QueryEventsParam { page_token, ..query.clone() };
        let page = client.query_events(by_a(next)).await.unwrap().into_inner();
        pages.push(page.events);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return pages;
        }
    }
}

/// All events of north, oldest first.
pub(crate) async fn events(server: &RunningServer) -> Vec<proto::Event> {
    query(server, proto::QueryEventsParam::default()).await.concat()
}

/// A server on which both organizations of north have registered, and one of south.
async fn server_with_two_events(adjust: impl FnOnce(&mut server::ServerOptions)) -> RunningServer {
    let server = RunningServer::start_with(adjust).await;
    for (organization, channel) in [("OrgA", "north"), ("OrgC", "south"), ("OrgB", "north")] {
        server.register(organization, channel).await.unwrap();
    }
    server
}

#[tokio::test]
async fn an_event_says_what_happened() {
    // core/EVT-1 … EVT-8
    let server = RunningServer::start().await;
    let organization = server.register("OrgA", "north").await.unwrap();
    let [event] = events(&server).await.try_into().unwrap();
    assert_eq!(
        (event.asset_kind(), event.event_kind()),
        (proto::AssetKind::AssetOrganization, proto::EventKind::EventAssetCreated)
    );
    assert_eq!((event.asset_key.as_str(), event.channel.as_str()), ("OrgA", "north"));
    assert_eq!(event.timestamp, organization.creation_date);
    assert_eq!(event.metadata.len(), 0);
    assert_eq!(event.asset, Some(proto::event::Asset::Organization(organization)));
}

#[tokio::test]
async fn ids_are_random_and_unique_over_all_channels() {
    // core/EVT-2
    let server = server_with_two_events(|_| {}).await;
    let mut client = EventServiceClient::new(server.connect());
    let mut ids = BTreeSet::new();
    for (organization, channel) in [("OrgA", "north"), ("OrgC", "south")] {
        let request = by(organization, channel, proto::QueryEventsParam::default());
        for event in client.query_events(request).await.unwrap().into_inner().events {
            let id: uuid::Uuid = event.id.parse().unwrap();
            assert_eq!(id.get_version_num(), 4, "{event:?}");
            assert_eq!(id.hyphenated().to_string(), event.id, "lower case with hyphens");
            ids.insert(id);
        }
    }
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn every_criterion_selects_and_none_is_an_error() {
    // core/EVT-14 … EVT-21, S-42
    let server = server_with_two_events(|_| {}).await;
    let all = events(&server).await;
    let (first, second) = (all[0].timestamp.unwrap(), all[1].timestamp.unwrap());
    assert!(first.seconds < second.seconds || first.nanos < second.nanos, "{all:?}");
    let a_little_later =
        |time: prost_types::Timestamp| prost_types::Timestamp { nanos: time.nanos + 999, ..time };
    let year = |years: i64| prost_types::Timestamp { seconds: (years - 1970) * 31_556_952, nanos: 0 };
    type Adjust = Box<dyn Fn(&mut proto::EventQueryFilter)>;
    let table: Vec<(&str, Adjust, &[&str])> = vec![
        ("none", Box::new(|_| {}), &["OrgA", "OrgB"]),
        ("key", Box::new(|filter| filter.asset_key = "OrgB".into()), &["OrgB"]),
        ("key in another case", Box::new(|filter| filter.asset_key = "orgb".into()), &[]),
        ("kind", Box::new(|filter| filter.asset_kind = 1), &["OrgA", "OrgB"]),
        ("other kind", Box::new(|filter| filter.asset_kind = 3), &[]),
        ("retired kind", Box::new(|filter| filter.asset_kind = 2), &[]),
        ("unknown kind", Box::new(|filter| filter.asset_kind = -99), &[]),
        ("event kind", Box::new(|filter| filter.event_kind = 1), &["OrgA", "OrgB"]),
        ("other event kind", Box::new(|filter| filter.event_kind = 2), &[]),
        ("metadata", Box::new(|filter| filter.metadata = [("reason".into(), "x".into())].into()), &[]),
        ("start", Box::new(move |filter| filter.start = Some(second)), &["OrgB"]),
        ("start is cut", Box::new(move |filter| filter.start = Some(a_little_later(second))), &["OrgB"]),
        ("end", Box::new(move |filter| filter.end = Some(first)), &["OrgA"]),
        (
            "start after end",
            Box::new(move |filter| (filter.start, filter.end) = (Some(second), Some(first))),
            &[],
        ),
        ("epoch", Box::new(|filter| filter.end = Some(prost_types::Timestamp::default())), &[]),
        ("far past", Box::new(move |filter| filter.start = Some(year(-5000))), &["OrgA", "OrgB"]),
        ("far future", Box::new(move |filter| filter.end = Some(year(40_000))), &["OrgA", "OrgB"]),
        (
            "farthest",
            Box::new(|filter| {
                filter.start = Some(prost_types::Timestamp { seconds: i64::MIN, nanos: 0 });
                filter.end = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 });
            }),
            &["OrgA", "OrgB"],
        ),
    ];
    for (name, adjust, expected) in table {
        let mut filter = proto::EventQueryFilter::default();
        adjust(&mut filter);
        for sort in [0, 1, 2, 7] {
            let found = query(
                &server,
                proto::QueryEventsParam { filter: Some(filter.clone()), sort, ..Default::default() },
            );
            let mut keys: Vec<_> = found.await.concat().into_iter().map(|event| event.asset_key).collect();
            if sort == 2 {
                keys.reverse();
            }
            assert_eq!(keys, expected, "{name}, sort {sort}");
        }
    }
}

#[tokio::test]
async fn any_size_of_a_page_is_fine() {
    // core/PAG-6, S-40
    let server = server_with_two_events(|_| {}).await;
    for page_size in [0, 2, 3, 1_000_000, u32::MAX - 1, u32::MAX] {
        let pages = query(&server, proto::QueryEventsParam { page_size, ..Default::default() }).await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2], "{page_size}");
    }
    let pages = query(&server, proto::QueryEventsParam { page_size: 1, ..Default::default() }).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn a_page_ends_before_the_response_is_too_large() {
    // core/PAG-6
    let server = server_with_two_events(|options| options.limits.response_bytes_max = 100).await;
    let pages = query(&server, proto::QueryEventsParam::default()).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
}

#[tokio::test]
async fn channels_stay_apart_and_foreign_tokens_are_refused() {
    // core/EVT-13, PAG-5
    let server = server_with_two_events(|_| {}).await;
    let mut client = EventServiceClient::new(server.connect());
    let south = client.query_events(by("OrgC", "south", proto::QueryEventsParam::default())).await.unwrap();
    let keys: Vec<_> = south.into_inner().events.into_iter().map(|event| event.asset_key).collect();
    assert_eq!(keys, ["OrgC"]);
    let one = proto::QueryEventsParam { page_size: 1, ..Default::default() };
    let token = client.query_events(by_a(one)).await.unwrap().into_inner().next_page_token;
    for page_token in [token, "-1".into(), "abc".into()] {
        let foreign = proto::QueryEventsParam { page_token, ..Default::default() };
        let status = client.query_events(by("OrgC", "south", foreign)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with("OE0101: "), "{status:?}");
    }
}
