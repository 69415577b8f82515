//! Pages and streams in the numbers of the contract: thousands of assets and events, while others write (S-40, S-41, S-45, S-46).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::join_all;
use proto::data_sample_service_client::DataSampleServiceClient;
use proto::event_service_client::EventServiceClient;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::events::query;
use crate::running_server::{RunningServer, by};
use crate::subscription::subscribe;

/// Samples registered in one call.
const BATCH: u32 = 500;
/// Longer than any event may take (core/SUB-10), on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(5);

fn sample_key(number: u32) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

/// OrgB registers samples with these numbers in a channel.
async fn register_samples(connection: &Channel, channel: &str, numbers: std::ops::Range<u32>) {
    let sample = |number| proto::NewDataSample {
        key: sample_key(number),
        checksum: "0a".repeat(32),
        ..Default::default()
    };
    let request = proto::RegisterDataSamplesParam { samples: numbers.map(sample).collect() };
    let mut client = DataSampleServiceClient::new(connection.clone());
    client.register_data_samples(by("OrgB", channel, request)).await.unwrap();
}

/// A server on which OrgB is registered in both channels, which makes one event in each.
async fn server() -> RunningServer {
    let server = RunningServer::start().await;
    for channel in ["north", "south"] {
        server.register("OrgB", channel).await.unwrap();
    }
    server
}

/// Registers samples one by one until as many are there; numbers begin at `from`.
fn keep_writing(server: &RunningServer, from: u32, count: u32) -> tokio::task::JoinHandle<()> {
    let connection = server.connect();
    tokio::spawn(async move {
        for number in from..from + count {
            register_samples(&connection, "north", number..number + 1).await;
        }
    })
}

async fn read(stream: &mut Streaming<proto::Event>, count: usize) -> Vec<proto::Event> {
    let mut events = Vec::new();
    while events.len() < count {
        let next = tokio::time::timeout(PATIENCE, stream.message()).await;
        events.push(next.unwrap().unwrap().unwrap());
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn extreme_page_sizes_give_everything_once_in_answers_that_clients_accept() {
    // core/PAG-6, DEF-45, DEF-46: the generated client refuses answers above 4 MiB, as most do.
    const EVENTS: usize = 20_000;
    let server = server().await;
    let connection = server.connect();
    for batch in 0..40 {
        register_samples(&connection, "north", batch * BATCH..(batch + 1) * BATCH).await;
    }
    let sizes = [u32::MAX, u32::MAX - 1, 1_000_000, 10_000, 10_001];
    let queries = (0..20).map(|number| {
        let page_size = sizes[number % sizes.len()];
        query(&server, proto::QueryEventsParam { page_size, ..Default::default() })
    });
    for pages in join_all(queries).await {
        assert!(pages[0].len() >= 10_000, "existing clients ask for so many");
        assert!(pages.iter().all(|page| !page.is_empty()));
        let ids: BTreeSet<_> = pages.iter().flatten().map(|event| event.id.clone()).collect();
        assert_eq!((ids.len(), pages.concat().len()), (EVENTS + 1, EVENTS + 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_skipped_or_repeated_in_a_hundred_pages_while_others_write() {
    // core/PAG-8, DEF-47
    const SAMPLES: u32 = 5_000;
    let server = server().await;
    let connection = server.connect();
    for batch in 0..SAMPLES / BATCH {
        register_samples(&connection, "north", batch * BATCH..(batch + 1) * BATCH).await;
    }
    // Keys in front of and between those that are there already.
    let writer = keep_writing(&server, 0x8000_0000, 200);
    let mut client = DataSampleServiceClient::new(connection);
    let mut seen = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = proto::QueryDataSamplesParam { page_token, page_size: 50, filter: None };
        let page = client.query_data_samples(by("OrgA", "north", request)).await.unwrap().into_inner();
        seen.extend(page.data_samples.into_iter().map(|sample| sample.key));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    writer.await.unwrap();
    let distinct: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len(), "nothing is repeated");
    assert!((0..SAMPLES).all(|number| distinct.contains(&sample_key(number))), "nothing is skipped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_ten_thousand_events_goes_over_into_new_ones_without_a_gap() {
    // core/SUB-2, SUB-5, SUB-6, SUB-7, SUB-8, SUB-9, SUB-10
    const STORED: u32 = 10_000;
    const NEW: u32 = 100;
    let server = server().await;
    let connection = server.connect();
    for batch in 0..STORED / BATCH {
        for (channel, from) in [("north", 0), ("south", 1 << 24)] {
            register_samples(&connection, channel, from + batch * BATCH..from + (batch + 1) * BATCH).await;
        }
    }
    let mut stream = subscribe(&server, "OrgA", "north", "").await.unwrap();
    let writers = [1 << 25, 1 << 26].map(|from| keep_writing(&server, from, NEW));
    let mut seen = read(&mut stream, 1 + usize::try_from(STORED + 2 * NEW).unwrap()).await;
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(seen.iter().all(|event| event.channel == "north"));

    register_samples(&connection, "north", 1 << 27..(1 << 27) + 1).await;
    let answered = Instant::now();
    seen.extend(read(&mut stream, 1).await);
    assert!(answered.elapsed() < PATIENCE);
    let stored = query(&server, proto::QueryEventsParam { page_size: 10_000, ..Default::default() }).await;
    assert_eq!(seen, stored.concat(), "every event once, in the order of the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_resumed_anywhere_and_its_start_is_never_sent_again() {
    // core/SUB-3, SUB-7, SUB-15, DEF-52
    const EVENTS: usize = 300;
    let server = server().await;
    let connection = server.connect();
    register_samples(&connection, "north", 1..u32::try_from(EVENTS).unwrap()).await;
    let all =
        query(&server, proto::QueryEventsParam { page_size: 1_000, ..Default::default() }).await.concat();
    assert_eq!(all.len(), EVENTS);
    for number in 0..EVENTS - 2 {
        let mut stream = subscribe(&server, "OrgA", "north", &all[number].id).await.unwrap();
        assert_eq!(read(&mut stream, 2).await, all[number + 1..number + 3]);
    }
    let mut at_the_end = subscribe(&server, "OrgA", "north", &all[EVENTS - 1].id).await.unwrap();
    let quiet = tokio::time::timeout(Duration::from_millis(50), at_the_end.message()).await;
    assert!(quiet.is_err(), "{quiet:?}");

    let writer = keep_writing(&server, 1_000, 200);
    let mut newest = read(&mut at_the_end, 1).await.remove(0);
    for _ in 0..50 {
        let mut stream = subscribe(&server, "OrgA", "north", &newest.id).await.unwrap();
        let next = read(&mut stream, 1).await.remove(0);
        assert_ne!(next.id, newest.id);
        newest = next;
    }
    writer.await.unwrap();
    let newest_first = proto::QueryEventsParam { page_size: 1, sort: 2, ..Default::default() };
    let mut client = EventServiceClient::new(connection.clone());
    let last = client.query_events(by("OrgA", "north", newest_first)).await.unwrap().into_inner();
    let mut stream = subscribe(&server, "OrgA", "north", &last.events[0].id).await.unwrap();
    register_samples(&connection, "north", 5_000..5_001).await;
    assert_eq!(read(&mut stream, 1).await[0].asset_key, sample_key(5_000));
}
