//! What only this store promises: several processes on one database, migrations, outages, and how it
//! connects.
//!
//! What every store promises is in `conformance.rs`. Two stores on one database stand for two processes.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod connection;
mod corruption;
mod migration;
mod outage;
mod pages;
mod replicas;
mod tls;

use std::time::Duration;

use postgres::testing::TestDatabase;
use postgres::{Postgres, PostgresOptions};
use tokio_postgres::{Client, NoTls};

/// Many times longer than anything here takes; only a failing test waits that long.
const TIME_MAX: Duration = Duration::from_secs(30);

/// How long to listen for something that may have been lost before saying it again.
const A_MOMENT: Duration = Duration::from_millis(100);

/// A store on the database, which may have no schema.
async fn connect(database: &TestDatabase) -> Postgres {
    Postgres::connect(database.url(), PostgresOptions::default()).await.unwrap()
}

/// A store on a database with a schema.
async fn migrated(database: &TestDatabase) -> Postgres {
    let store = connect(database).await;
    store.migrate().await.unwrap();
    store
}

/// A connection past the store.
async fn client(database: &TestDatabase) -> Client {
    let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Asks again and again until the answer is yes.
async fn eventually(question: impl AsyncFn() -> bool) {
    let asking = async {
        while !question().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(TIME_MAX, asking).await.unwrap();
}
