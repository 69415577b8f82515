//! Migrations: the steps that lead from an empty database to the schema of this program, forward only.
//!
//! They are part of the program. All that are missing run in one transaction under a lock, so any number of
//! processes may start them at once and a step that fails leaves nothing behind.

use deadpool_postgres::{Client, Transaction};
use persistence::{Error, Result};
use tokio_postgres::Row;

use crate::adoption::{self, Adoption, AdoptionReport, Standing, UNHURRIED};
use crate::error;
use crate::row::Columns;

/// Also the number of the last one: they are counted from 1.
const MIGRATIONS: &[&str] = &[include_str!("../migrations/V1__initial.sql")];

/// Waits for other migrations, and makes the record of what they did. The number of the lock is made up and
/// must only be the same everywhere.
const PREPARE: &str = "
    SELECT pg_advisory_xact_lock(7221460185);
    CREATE SCHEMA IF NOT EXISTS orchestrator;
    CREATE TABLE IF NOT EXISTS orchestrator.orchestrator_schema (
        version    integer     NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT orchestrator_schema_pkey PRIMARY KEY (version)
    );
    COMMENT ON TABLE orchestrator.orchestrator_schema IS 'The migrations that this schema has gone through.';";

/// How long a server that starts waits for another process to migrate: adoptions take longer than a server may take
/// to become healthy, and it needs no schema for that.
const SHORT_WAIT: &str = "SET LOCAL lock_timeout = '15s'";

const VERSION: &str =
    "SELECT coalesce(max(version), 0)::bigint AS version FROM orchestrator.orchestrator_schema";

/// Brings the schema up to date; with `adoption`, also takes over what the predecessor keeps in this database.
///
/// # Errors
/// If a step fails; nothing has changed then. If the schema is of a later program. If the database is one of the
/// predecessor that cannot be adopted, or that could be, but nobody has asked for it.
pub(crate) async fn migrate(
    mut client: Client,
    adoption: Option<&Adoption>,
) -> Result<Option<AdoptionReport>> {
    let transaction = client.transaction().await.map_err(error::of)?;
    run(&transaction, UNHURRIED).await?;
    if adoption.is_none() {
        run(&transaction, SHORT_WAIT).await?;
    }
    run(&transaction, PREPARE).await?;
    adoption::exclude_golang_migrate(&transaction).await?;
    let standing = adoption::standing(&transaction).await?;
    let report = match (standing, adoption) {
        (Standing::Waiting, None) => {
            return Err(Error::Failed(
                "the database holds data of Substra orchestrator 1.0.0: run `orchestrator migrate` to adopt it".to_owned(),
            ));
        }
        (Standing::Waiting, Some(adoption)) => {
            apply_missing(&transaction).await?;
            Some(adoption::adopt(&transaction, adoption).await?)
        }
        (Standing::Absent | Standing::Adopted, _) => {
            apply_missing(&transaction).await?;
            None
        }
    };
    transaction.commit().await.map_err(error::of_commit)?;
    Ok(report)
}

/// Whether the schema is exactly the one that this program works on; not so in an empty database.
pub(crate) async fn is_current(client: &Client) -> Result<bool> {
    match client.query_one(VERSION, &[]).await {
        Ok(row) => Ok(version(&row)? == MIGRATIONS.len()),
        Err(error) if error::is_missing_schema(&error) => Ok(false),
        Err(error) => Err(error::of(&error)),
    }
}

async fn apply_missing(transaction: &Transaction<'_>) -> Result<()> {
    let row = transaction.query_one(VERSION, &[]).await.map_err(error::of)?;
    let applied = version(&row)?;
    if applied > MIGRATIONS.len() {
        let newest = MIGRATIONS.len();
        return Err(Error::Failed(format!(
            "the schema is at version {applied}, this program knows {newest} at most"
        )));
    }
    for (version, migration) in (1..).zip(MIGRATIONS).skip(applied) {
        tracing::info!(version, "migrating the database");
        run(transaction, migration).await?;
        run(
            transaction,
            &format!("INSERT INTO orchestrator.orchestrator_schema (version) VALUES ({version})"),
        )
        .await?;
    }
    Ok(())
}

async fn run(transaction: &Transaction<'_>, sql: &str) -> Result<()> {
    transaction.batch_execute(sql).await.map_err(error::of)
}

fn version(row: &Row) -> Result<usize> {
    Columns::of("orchestrator_schema", row).count("version")
}
