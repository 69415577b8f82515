//! `orchestrator migrate`: brings a database to the newest schema.

use anyhow::Context;
use clap::Args;
use postgres::{Postgres, PostgresOptions};

use crate::telemetry;

#[derive(Args)]
pub(crate) struct Migrate {
    /// The database, as `serve` takes it; may hold a password, so prefer the variable.
    #[arg(long, value_name = "URL", env = "ORCHESTRATOR_DATABASE_URL", hide_env_values = true)]
    database_url: String,
}

impl Migrate {
    /// The migration of this database.
    pub(crate) fn of(database_url: String) -> Self {
        Self { database_url }
    }
}

/// Migrates and says so.
///
/// # Errors
/// The database cannot be reached, or has a schema that this program does not know.
pub(crate) async fn run(migrate: Migrate) -> anyhow::Result<()> {
    telemetry::for_people();
    let store = Postgres::connect(&migrate.database_url, PostgresOptions::default()).await;
    let store = store.context("cannot use the database")?;
    store.migrate().await.context("cannot migrate the database")?;
    tracing::info!("the database has the newest schema");
    Ok(())
}
