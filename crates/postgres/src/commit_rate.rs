//! How fast the database commits, with next to nothing to commit: the limit of everything that must be durable.
//!
//! It works in a schema of its own, which it drops again, and knows nothing of the store. Start at [`commit_rate`].

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use persistence::Result;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::error;
use crate::pool::Connections;
use crate::store::PostgresOptions;

/// The commits that were made.
#[derive(Clone, Debug)]
pub struct Commits {
    /// From the first to the last.
    pub elapsed: Duration,
    /// How long each took its connection, in no order.
    pub durations: Vec<Duration>,
}

/// Commits transactions of one row each, for so long, on so many connections at the same time and one after the other on each.
///
/// # Errors
/// If the database cannot be reached, its role may not create a schema, or there are not as many connections to be had.
pub async fn commit_rate(url: &str, connections: usize, duration: Duration) -> Result<Commits> {
    let connections = connect(url, connections.max(1)).await?;
    let schema = format!("orchestrator_commit_rate_{}", Uuid::new_v4().simple());
    let create = format!(
        "-- commit_rate::create
        CREATE SCHEMA {schema};
        CREATE TABLE {schema}.committed (key uuid NOT NULL)"
    );
    execute(&connections[0], &create).await?;
    let committed = commit(&connections, &schema, duration).await;
    let drop_schema = format!("-- commit_rate::drop\nDROP SCHEMA {schema} CASCADE");
    execute(&connections[0], &drop_schema).await?;
    committed
}

async fn connect(url: &str, count: usize) -> Result<Vec<Client>> {
    let connections = Connections::new(url, &PostgresOptions::default())?;
    let clients = (0..count).map(|_| connections.connector().client());
    try_join_all(clients).await.map_err(|error| error::of(&error))
}

async fn execute(client: &Client, sql: &str) -> Result<()> {
    client.batch_execute(sql).await.map_err(|error| error::of(&error))
}

async fn commit(connections: &[Client], schema: &str, duration: Duration) -> Result<Commits> {
    let insert = format!("-- commit_rate::insert\nINSERT INTO {schema}.committed (key) VALUES ($1)");
    let start = Instant::now();
    let each = connections.iter().map(|client| commit_until(client, &insert, start + duration));
    let durations = try_join_all(each).await.map_err(|error| error::of(&error))?;
    Ok(Commits { elapsed: start.elapsed(), durations: durations.concat() })
}

/// A statement outside a transaction is one.
async fn commit_until(
    client: &Client,
    insert: &str,
    end: Instant,
) -> std::result::Result<Vec<Duration>, tokio_postgres::Error> {
    let insert = client.prepare(insert).await?;
    let mut durations = Vec::new();
    while Instant::now() < end {
        let start = Instant::now();
        client.execute(&insert, &[&Uuid::new_v4()]).await?;
        durations.push(start.elapsed());
    }
    Ok(durations)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_postgres::NoTls;

    use super::commit_rate;
    use crate::testing::Cluster;

    #[tokio::test]
    async fn commits_are_counted_and_nothing_is_left_behind() {
        let database = Cluster::shared().await.fresh_database().await;
        let commits = commit_rate(database.url(), 2, Duration::from_millis(200)).await.unwrap();
        assert!(commits.durations.len() >= 2, "{commits:?}");
        assert!(commits.elapsed >= Duration::from_millis(200));

        let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        let sql = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'orchestrator%'";
        let schemas: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
        assert_eq!(schemas, 0);
    }
}
