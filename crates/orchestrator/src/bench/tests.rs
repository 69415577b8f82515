//! Every workload, a little of each, on a real server over a store in memory: counts add up, nothing fails, subscribers agree.

use std::net::{Ipv4Addr, SocketAddr};

use clap::Parser;
use server::Membership;

use super::report::{Check, Report, Row};
use super::session::Session;
use super::settings::{Bench, Workload};
use super::{measure, run};
use crate::dev::default_channels;
use crate::standalone::Standalone;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    bench: Bench,
}

fn bench(arguments: &str, server: &Standalone) -> Bench {
    let address = format!("http://{}", server.address);
    let arguments = ["bench", "--address", &address].into_iter().chain(arguments.split(' '));
    Arguments::parse_from(arguments).bench
}

async fn start() -> Standalone {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let members = Membership::new(default_channels(1));
    Standalone::start(None, members, listen).await.unwrap()
}

async fn report(arguments: &str) -> Report {
    let server = start().await;
    let report = measure(bench(arguments, &server)).await.unwrap();
    server.stop().await.unwrap();
    report
}

/// What must be the same in each run: variant, clients, calls, items.
fn counts(rows: &[Row]) -> Vec<(&str, usize, usize, u64)> {
    rows.iter()
        .map(|row| {
            let items = row.items.as_ref().map_or(0, |items| items.count);
            (row.variant.as_str(), row.clients, row.calls, items)
        })
        .collect()
}

async fn check(arguments: &str, expected: &[(&str, usize, usize, u64)]) -> Report {
    let report = report(arguments).await;
    assert_eq!(counts(&report.rows), expected, "{arguments}");
    for row in &report.rows {
        assert!(row.failures.is_empty(), "{arguments}: {row:?}");
    }
    report
}

#[tokio::test]
async fn register() {
    let arguments = "register --clients 1,3 --batch 1,4 --count 6 --own --warm-up 1";
    let expected = [
        ("batch 1, own plans", 1, 6, 6),
        ("batch 1, own plans", 3, 6, 6),
        ("batch 4, own plans", 1, 6, 24),
        ("batch 4, own plans", 3, 6, 24),
    ];
    check(arguments, &expected).await;
}

#[tokio::test]
async fn lifecycle() {
    let arguments = "lifecycle --clients 1,3 --count 7 --shared --own --warm-up 2";
    let expected =
        [("one plan", 1, 21, 7), ("one plan", 3, 21, 7), ("own plans", 1, 21, 7), ("own plans", 3, 21, 7)];
    check(arguments, &expected).await;
}

#[tokio::test]
async fn a_lifecycle_ends_when_no_task_is_left() {
    let server = start().await;
    let session = Session::open(bench("lifecycle --clients 3 --count 5", &server)).await.unwrap();
    let rows = Workload::Lifecycle.run(&session).await.unwrap();
    assert_eq!(counts(&rows), [("one plan", 3, 15, 5)]);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn cascade() {
    let arguments = "cascade --waiting 3,20 --count 2";
    let expected = [
        ("DONE, 3 children", 1, 2, 0),
        ("BUILDING, 3 tasks", 1, 2, 0),
        ("READY, 3 tasks", 1, 2, 0),
        ("DONE, 20 children", 1, 2, 0),
        ("BUILDING, 20 tasks", 1, 2, 0),
        ("READY, 20 tasks", 1, 2, 0),
    ];
    check(arguments, &expected).await;
}

#[tokio::test]
async fn replay() {
    let expected = [("20 events each", 1, 0, 20), ("20 events each", 3, 0, 60)];
    check("replay --clients 1,3 --count 20", &expected).await;
}

#[tokio::test]
async fn paging() {
    // The root of the plan is a task, too.
    let report = report("paging --count 1100").await;
    let walks: Vec<_> = report.rows.iter().step_by(3).collect();
    let rows: Vec<_> = walks.iter().map(|row| row.items.as_ref().unwrap().count).collect();
    assert_eq!(rows[..2], [1_101, 1_101]);
    assert!(rows[2] > 1_101, "{rows:?}");
    assert!(report.rows.iter().all(|row| row.calls > 0 && row.failures.is_empty()));
}

#[tokio::test]
async fn reads() {
    let expected = [("one plan of 1000 tasks", 1, 50, 0), ("one plan of 1000 tasks", 3, 50, 0)];
    check("reads --clients 1,3 --count 50", &expected).await;
}

#[tokio::test]
async fn fan_out() {
    let report = report("fan-out --subscribers 3 --rate 100 --duration 200ms").await;
    let [writes, receipts] = report.rows.as_slice() else { panic!("{report:?}") };
    assert!(writes.calls > 0 && writes.failures.is_empty(), "{writes:?}");
    // The last event, which ends the listening, is received as well.
    let received = receipts.items.as_ref().unwrap().count;
    assert_eq!(received, 3 * (writes.calls as u64 + 1));
    assert!(matches!(receipts.check, Some(Check::Passed(_))), "{receipts:?}");
}

#[tokio::test]
async fn mixed() {
    let report = report("mixed --clients 4 --subscribers 3 --count 300 --seed 7").await;
    let [calls, receipts] = report.rows.as_slice() else { panic!("{report:?}") };
    assert_eq!((calls.calls, calls.failed), (300, 0), "{calls:?}");
    assert!(calls.items.as_ref().unwrap().count > 0);
    assert!(receipts.items.as_ref().unwrap().count > 0);
    assert!(matches!(receipts.check, Some(Check::Passed(_))), "{receipts:?}");
}

#[tokio::test]
async fn failing_calls_are_counted_and_end_nothing() {
    let server = start().await;
    let mut settings = bench("register --count 5 --clients 2", &server);
    // The command line refuses this, and so does the server.
    settings.batch = vec![0];
    let report = measure(settings).await.unwrap();
    let [row] = report.rows.as_slice() else { panic!("{report:?}") };
    assert_eq!((row.calls, row.failed), (0, 5));
    let counts: Vec<_> = row.failures.values().map(|failures| failures.count).collect();
    assert_eq!(counts, [5], "{row:?}");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn the_table_and_the_document_are_written() {
    let server = start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = bench("reads --count 5 --clients 2", &server);
    let path = folder.path().join("bench.json");
    settings.json = Some(path.clone());
    run(settings).await.unwrap();
    let document: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(document["rows"][0]["calls"], 5);
    assert_eq!(document["rows"][0]["workload"], "reads");
    server.stop().await.unwrap();
}

#[tokio::test]
async fn nobody_at_the_address_is_an_error() {
    let server = start().await;
    let settings = bench("reads --count 5", &server);
    server.stop().await.unwrap();
    let error = measure(settings).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot reach the server under load");
}
