//! `orchestrator migrate`: brings a database to the newest schema, and adopts one of Substra orchestrator 1.0.0 (docs/adoption.md).

use std::io::stdout;

use anyhow::{Context, bail};
use clap::Args;
use postgres::{Postgres, PostgresOptions};

use crate::{adoption, telemetry};

#[derive(Args)]
pub(crate) struct Migrate {
    /// The database, as `serve` takes it; may hold a password, so prefer the variable.
    #[arg(long, value_name = "URL", env = "ORCHESTRATOR_DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// Only say what would be adopted of Substra orchestrator, and what could not be; changes and locks nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Migrate {
    /// The migration of this database.
    pub(crate) fn of(database_url: String) -> Self {
        Self { database_url, dry_run: false }
    }
}

/// Does as asked, and says so.
///
/// # Errors
/// The database cannot be reached, has a schema that this program does not know, or cannot be adopted.
pub(crate) async fn run(migrate: Migrate) -> anyhow::Result<()> {
    telemetry::for_people();
    let Migrate { database_url, dry_run } = migrate;
    if dry_run { survey(&database_url).await } else { bring_up_to_date(&database_url).await }
}

/// Brings a database to the newest schema and adopts what Substra orchestrator keeps in it.
///
/// # Errors
/// See [`run`].
pub(crate) async fn bring_up_to_date(database_url: &str) -> anyhow::Result<()> {
    let store = connect(database_url).await?;
    let adoption = adoption::adoption()?;
    let report = store.migrate_and_adopt(&adoption).await;
    drop(adoption); // and its progress bar
    if let Some(report) = report.context("cannot migrate the database")? {
        adoption::write(&report, &mut stdout()).context("cannot write the report")?;
        tracing::info!("the database was adopted; its former tables are left as they were");
    }
    tracing::info!("the database has the newest schema");
    Ok(())
}

async fn survey(database_url: &str) -> anyhow::Result<()> {
    let store = connect(database_url).await?;
    let adoption = adoption::adoption()?;
    let report = store.survey_adoption(&adoption).await;
    drop(adoption);
    match report.context("the database cannot be adopted")? {
        None => tracing::info!("there is nothing to adopt in this database"),
        Some(report) => {
            adoption::write(&report, &mut stdout()).context("cannot write the report")?;
            if report.refused.count > 0 {
                bail!("{} rows cannot be adopted", report.refused.count);
            }
            tracing::info!("the database can be adopted");
        }
    }
    Ok(())
}

async fn connect(database_url: &str) -> anyhow::Result<Postgres> {
    Postgres::connect(database_url, PostgresOptions::default()).await.context("cannot use the database")
}
