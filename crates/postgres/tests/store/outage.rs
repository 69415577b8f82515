//! Outages: what a store says while its database is away, and that it finds back by itself.

use asset::{Facts, Needs};
use persistence::conformance::samples::{channel, envelope, key};
use persistence::conformance::steps::{append, assert_intact, begin, log};
use persistence::{Error, Hint, Store};
use postgres::testing::Cluster;
use postgres::{Postgres, PostgresOptions};
use tokio::time::timeout;

use super::{A_MOMENT, TIME_MAX, client, eventually, migrated};

#[tokio::test]
async fn a_store_outlives_its_database() {
    let mut cluster = Cluster::start().await;
    let database = cluster.fresh_database().await;
    let store = migrated(&database).await;
    append(&store, vec![envelope(1)]).await.unwrap();

    cluster.stop().await;
    for outcome in [
        store.ping().await,
        store.head(&channel()).await.map(drop),
        append(&store, vec![envelope(2)]).await.map(drop),
    ] {
        assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
    }

    cluster.restart().await;
    eventually(async || store.ping().await.is_ok()).await;
    append(&store, vec![envelope(2)]).await.unwrap();
    assert_intact(&log(&store, &channel()).await.unwrap(), &store.head(&channel()).await.unwrap());

    // Hints find their way again, too.
    let mut hints = store.hints();
    let hint = Hint { channel: channel(), position: 2 };
    let again = async {
        loop {
            store.announce(hint.clone());
            if let Ok(heard) = timeout(A_MOMENT, hints.recv()).await {
                break heard;
            }
        }
    };
    assert_eq!(timeout(TIME_MAX, again).await.unwrap().unwrap(), hint);
}

#[tokio::test]
async fn a_store_moves_to_the_standby_that_was_promoted() {
    let mut primary = Cluster::start().await;
    let database = primary.fresh_database().await;
    let standby = primary.standby().await;
    let url = database.url_with_standby(&standby);
    let store = Postgres::connect(&url, PostgresOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    append(&store, vec![envelope(1)]).await.unwrap();

    primary.kill().await;
    let outcome = append(&store, vec![envelope(2)]).await;
    // A standby is connected to, and then left: it cannot be written to.
    assert!(matches!(outcome, Err(Error::Unavailable(_) | Error::OutcomeUnknown(_))), "{outcome:?}");
    standby.promote().await;
    eventually(async || append(&store, vec![envelope(3)]).await.is_ok()).await;
    let log = log(&store, &channel()).await.unwrap();
    assert_intact(&log, &store.head(&channel()).await.unwrap());
    assert_eq!((log[0].asset_key.as_str(), log.len()), (envelope(1).asset_key.as_str(), 2));
}

#[tokio::test]
async fn nothing_happens_if_the_connection_of_a_batch_breaks() {
    const BREAK: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle in transaction'";
    let database = Cluster::shared().await.fresh_database().await;
    let store = migrated(&database).await;
    append(&store, vec![envelope(1)]).await.unwrap();
    let client = client(&database).await;

    let mut batch = begin(&store, &channel()).await.unwrap();
    assert_eq!(client.query_one(BREAK, &[]).await.unwrap().get::<_, i64>(0), 1);
    let needs = Needs { functions: [key(1)].into(), ..Needs::default() };
    let outcome = batch.load(&needs, &mut Facts::default()).await;
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
    drop(batch);

    let batch = begin(&store, &channel()).await.unwrap();
    assert_eq!(client.query_one(BREAK, &[]).await.unwrap().get::<_, i64>(0), 1);
    let mut head = batch.head().clone();
    let events = vec![head.append(envelope(2))];
    let outcome = batch.apply(Default::default(), events, head).await;
    // Whether the database's last words are still heard is a matter of luck.
    assert!(matches!(outcome, Err(Error::Unavailable(_) | Error::OutcomeUnknown(_))), "{outcome:?}");
    assert_eq!(store.head(&channel()).await.unwrap().position, 1);
    append(&store, vec![envelope(2)]).await.unwrap();
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash_and_what_was_not_is_whole_or_absent() {
    let mut cluster = Cluster::start().await;
    let database = cluster.fresh_database().await;
    let store = std::sync::Arc::new(migrated(&database).await);
    let writing = tokio::spawn({
        let store = std::sync::Arc::clone(&store);
        async move {
            let mut acknowledged = 0;
            loop {
                let next = acknowledged + 1;
                match append(&*store, vec![envelope(2 * next), envelope(2 * next + 1)]).await {
                    Ok(_) => acknowledged = next,
                    Err(error) => return (acknowledged, error),
                }
            }
        }
    });
    eventually(async || store.head(&channel()).await.unwrap().position >= 100).await;
    cluster.kill().await;
    let (acknowledged, error) = writing.await.unwrap();
    assert!(matches!(error, Error::Unavailable(_) | Error::OutcomeUnknown(_)), "{error:?}");

    cluster.restart().await;
    eventually(async || store.ping().await.is_ok()).await;
    let log = log(&*store, &channel()).await.unwrap();
    assert_intact(&log, &store.head(&channel()).await.unwrap());
    let batches = u32::try_from(log.len()).unwrap() / 2;
    let possible = if matches!(error, Error::OutcomeUnknown(_)) { acknowledged + 1 } else { acknowledged };
    assert!((acknowledged..=possible).contains(&batches), "{batches} of {acknowledged}");
    assert_eq!(log.len() % 2, 0);
}
