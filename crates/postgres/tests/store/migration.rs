//! Migrations: repeatable, safe to start together, and in nobody's way.

use futures::future::try_join_all;
use persistence::conformance::samples::{channel, envelope};
use persistence::conformance::steps::append;
use persistence::{Error, Store};
use postgres::testing::Cluster;

use super::{client, connect, migrated};

#[tokio::test]
async fn a_store_works_without_a_schema_but_says_what_is_missing() {
    let database = Cluster::shared().await.fresh_database().await;
    let store = connect(&database).await;
    store.ping().await.unwrap();
    assert!(!store.schema_is_current().await.unwrap());
    for outcome in [append(&store, vec![envelope(1)]).await.map(drop), store.head(&channel()).await.map(drop)]
    {
        let Err(Error::Failed(message)) = outcome else { panic!("{outcome:?}") };
        assert!(message.contains("migration"), "{message}");
    }

    // The same store works as soon as there is one.
    store.migrate().await.unwrap();
    assert!(store.schema_is_current().await.unwrap());
    append(&store, vec![envelope(1)]).await.unwrap();
}

#[tokio::test]
async fn migrating_again_changes_nothing() {
    let database = Cluster::shared().await.fresh_database().await;
    let store = migrated(&database).await;
    append(&store, vec![envelope(1)]).await.unwrap();
    store.migrate().await.unwrap();
    assert_eq!(store.head(&channel()).await.unwrap().position, 1);
}

#[tokio::test]
async fn many_may_migrate_at_once() {
    let database = Cluster::shared().await.fresh_database().await;
    let stores = [connect(&database).await, connect(&database).await, connect(&database).await];
    try_join_all(stores.iter().flat_map(|store| [store.migrate(), store.migrate()])).await.unwrap();
    assert!(stores[0].schema_is_current().await.unwrap());
    let versions = "SELECT count(*) FROM orchestrator.orchestrator_schema";
    assert_eq!(client(&database).await.query_one(versions, &[]).await.unwrap().get::<_, i64>(0), 1);
}

#[tokio::test]
async fn tables_of_the_same_names_elsewhere_do_not_matter() {
    let database = Cluster::shared().await.fresh_database().await;
    let client = client(&database).await;
    client
        .batch_execute("CREATE TABLE public.event (id uuid); CREATE TABLE public.function (id uuid)")
        .await
        .unwrap();
    append(&migrated(&database).await, vec![envelope(1)]).await.unwrap();
    assert_eq!(client.query_one("SELECT count(*) FROM public.event", &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_schema_of_a_later_program_is_left_alone() {
    let database = Cluster::shared().await.fresh_database().await;
    let store = migrated(&database).await;
    client(&database)
        .await
        .batch_execute("INSERT INTO orchestrator.orchestrator_schema (version) VALUES (1000)")
        .await
        .unwrap();
    assert!(!store.schema_is_current().await.unwrap());
    let outcome = store.migrate().await;
    assert!(matches!(&outcome, Err(Error::Failed(message)) if message.contains("1000")), "{outcome:?}");
}
