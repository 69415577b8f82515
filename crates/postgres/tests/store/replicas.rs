//! Several processes on one database: they take turns in a channel, and tell each other about new events.

use asset::{Change, ChannelName};
use persistence::conformance::samples::{channel, compute_plan, envelope, other_channel};
use persistence::conformance::steps::{append, apply, assert_intact, begin, log};
use persistence::{Hint, Store};
use postgres::testing::{Cluster, TestDatabase};
use tokio::time::timeout;

use super::{TIME_MAX, client, connect, eventually, migrated};

/// So many connections of the database wait for a lock.
async fn waiting(database: &TestDatabase, expected: i64) {
    const QUESTION: &str = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let client = client(database).await;
    eventually(async || client.query_one(QUESTION, &[]).await.unwrap().get::<_, i64>(0) == expected).await;
}

#[tokio::test]
async fn batches_of_a_channel_wait_for_each_other_and_for_no_other_channel() {
    // core/CHN-5, DEF-19, compute/DEF-33
    let database = Cluster::shared().await.fresh_database().await;
    let (one, other) = (migrated(&database).await, connect(&database).await);
    append(&one, vec![envelope(1)]).await.unwrap();

    let batch = begin(&one, &channel()).await.unwrap();
    let second = tokio::spawn(async move { append(&other, vec![envelope(2)]).await });
    waiting(&database, 1).await;
    // Another channel does not wait, and the waiting batch has got nowhere.
    begin(&one, &other_channel()).await.unwrap();
    assert!(!second.is_finished());

    // Dropping the first batch lets the second go on.
    drop(batch);
    let events = timeout(TIME_MAX, second).await.unwrap().unwrap().unwrap();
    assert_eq!(events[0].position, 2);
}

#[tokio::test]
async fn a_channel_that_two_make_at_once_is_made_once() {
    let database = Cluster::shared().await.fresh_database().await;
    let (one, other) = (migrated(&database).await, connect(&database).await);

    let mut batch = begin(&one, &channel()).await.unwrap();
    let second = tokio::spawn(async move { append(&other, vec![envelope(2)]).await });
    waiting(&database, 1).await;
    batch.load(&Default::default(), &mut Default::default()).await.unwrap();
    let mut head = batch.head().clone();
    let events = vec![head.append(envelope(1))];
    batch.apply(Default::default(), events, head).await.unwrap();

    timeout(TIME_MAX, second).await.unwrap().unwrap().unwrap();
    assert_intact(&log(&one, &channel()).await.unwrap(), &one.head(&channel()).await.unwrap());
}

#[tokio::test]
async fn a_dropped_batch_frees_its_connection() {
    let database = Cluster::shared().await.fresh_database().await;
    let store = migrated(&database).await;
    // More often than there are connections.
    for _ in 0..20 {
        let batch = timeout(TIME_MAX, begin(&store, &channel())).await.unwrap().unwrap();
        assert_eq!(batch.head().position, 0);
    }
    let changes = vec![Change::ComputePlanRegistered(compute_plan(1).into())];
    timeout(TIME_MAX, apply(&store, changes)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_hint_reaches_the_other_processes() {
    let database = Cluster::shared().await.fresh_database().await;
    let (one, other) = (migrated(&database).await, connect(&database).await);
    let mut hints = other.hints();
    let hint = Hint { channel: ChannelName::new("a channel"), position: 7 };
    // Hints may be lost, above all while the other does not listen yet.
    let mut heard = None;
    while heard.is_none() {
        one.announce(hint.clone());
        heard = timeout(super::A_MOMENT, hints.recv()).await.ok();
    }
    assert_eq!(heard.unwrap().unwrap(), hint);
}
