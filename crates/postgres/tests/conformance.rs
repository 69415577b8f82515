//! The storage contract, on a real database. What only this store promises is tested beside it.

#![expect(clippy::unwrap_used, reason = "a test whose store cannot be made has failed")]

use std::sync::Arc;

use persistence::Store;
use postgres::testing::{Cluster, TestDatabase};
use postgres::{Postgres, PostgresOptions};

async fn fresh() -> (Arc<dyn Store>, TestDatabase) {
    let database = Cluster::shared().await.fresh_database().await;
    let store = Postgres::connect(database.url(), PostgresOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    (Arc::new(store), database)
}

persistence::conformance_tests!(fresh);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_there_after_reopening() -> persistence::Result<()> {
    let (store, database) = fresh().await;
    drop(store);
    let open = async || {
        let store = Postgres::connect(database.url(), PostgresOptions::default()).await?;
        Ok(Arc::new(store) as Arc<dyn Store>)
    };
    persistence::conformance::durability::everything_is_there_after_reopening(open).await
}
