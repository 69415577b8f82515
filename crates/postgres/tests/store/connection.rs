//! Connecting: settings from the connection string, bounded waiting, and errors that keep secrets.

use std::time::Duration;

use persistence::conformance::samples::{channel, other_channel};
use persistence::conformance::steps::begin;
use persistence::{Error, Store};
use postgres::testing::Cluster;
use postgres::{Postgres, PostgresOptions};

use super::{client, connect, migrated};

#[tokio::test]
async fn errors_do_not_contain_the_password() {
    let database = Cluster::shared().await.fresh_database().await;
    let (scheme, rest) = database.url().split_once("://").unwrap();
    let (_, address) = rest.rsplit_once('@').unwrap();
    for url in [
        format!("{scheme}://orchestrator:hunter2@{address}"),
        format!("{scheme}://hunter2:hunter2@{address}"),
        "postgres://orchestrator:hunter2@127.0.0.1:1/orchestrator".to_owned(),
        "postgres://orchestrator:hunter2@host.invalid/orchestrator".to_owned(),
    ] {
        let Err(error) = Postgres::connect(&url, PostgresOptions::default()).await else { panic!("{url}") };
        let message = error.to_string();
        // The role's name, which is hunter2 in one of them, is no secret.
        let message = message.replace("for user \"hunter2\"", "");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_unavailable_and_a_wrong_password_is_not() {
    let Err(error) = Postgres::connect("postgres://u@127.0.0.1:1/d", PostgresOptions::default()).await else {
        panic!("nobody is there");
    };
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");

    let database = Cluster::shared().await.fresh_database().await;
    let wrong = database.url().replacen("orchestrator:", "orchestrator:wrong", 1);
    let Err(error) = Postgres::connect(&wrong, PostgresOptions::default()).await else {
        panic!("the password is wrong");
    };
    assert!(matches!(error, Error::Failed(_)), "{error:?}");
}

#[tokio::test]
async fn settings_of_the_operator_win() {
    let database = Cluster::shared().await.fresh_database().await;
    migrated(&database).await;
    let url = format!("{}?pool_max_conns=3&application_name=mine&statement_timeout=1min", database.url());
    let store = Postgres::connect(&url, PostgresOptions::default()).await.unwrap();
    let client = client(&database).await;
    // The store's own connections tell their settings through a function that the store runs for us.
    client
        .batch_execute(
            "CREATE FUNCTION settings() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                RAISE EXCEPTION '%, %, %', current_setting('application_name'), current_setting('statement_timeout'),
                    current_setting('idle_in_transaction_session_timeout');
            END $$;
            CREATE TRIGGER settings BEFORE INSERT ON orchestrator.channel EXECUTE FUNCTION settings()",
        )
        .await
        .unwrap();
    let Err(error) = begin(&store, &channel()).await else { panic!("the trigger did not fire") };
    assert!(error.to_string().contains("mine, 1min, 10s"), "{error}");
}

#[tokio::test]
async fn waiting_for_a_connection_has_an_end() {
    // core/DEF-27
    let database = Cluster::shared().await.fresh_database().await;
    migrated(&database).await;
    let options =
        PostgresOptions { writers_max: 1, wait_max: Duration::from_millis(50), ..Default::default() };
    let store = Postgres::connect(database.url(), options).await.unwrap();
    let batch = begin(&store, &channel()).await.unwrap();
    let Err(error) = begin(&store, &other_channel()).await else { panic!("there is only one connection") };
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    // Reading does not wait for writers.
    store.head(&channel()).await.unwrap();
    drop(batch);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_unavailable() {
    // core/DEF-27
    let database = Cluster::shared().await.fresh_database().await;
    let blocking = migrated(&database).await;
    let _batch = begin(&blocking, &channel()).await.unwrap();
    let url = format!("{}?statement_timeout=50ms", database.url());
    let store = Postgres::connect(&url, PostgresOptions::default()).await.unwrap();
    let Err(error) = begin(&store, &channel()).await else { panic!("the channel is locked") };
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    // Nothing is left of it: the connection works.
    begin(&store, &other_channel()).await.unwrap();
}

#[tokio::test]
async fn connections_end_with_the_store() {
    const CONNECTED: &str = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'orchestrator'";
    let database = Cluster::shared().await.fresh_database().await;
    let client = client(&database).await;
    let count = async || client.query_one(CONNECTED, &[]).await.unwrap().get::<_, i64>(0);
    let store = connect(&database).await;
    store.migrate().await.unwrap();
    assert!(count().await > 0);
    drop(store);
    super::eventually(async || count().await == 0).await;
}
