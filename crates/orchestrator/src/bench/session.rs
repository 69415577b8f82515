//! What all workloads of a run have in common: the settings, the server, its database, and somebody who waits for news.
//!
//! It runs no load itself. Start at [`Session::open`].

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use client::Client;
use proto::QueryVersionParam;

use super::assets::{Materials, Plan, prepare};
use super::load::{Caller, Limits, Measurement, Work, alone, drive};
use super::measured::Measured;
use super::report::{Report, Row};
use super::settings::{Bench, Plans};
use super::target::Target;

/// How long the database's own limit is measured, each time.
const COMMITS_DURATION: Duration = Duration::from_secs(2);

/// One run of the benchmark.
pub(super) struct Session {
    pub(super) bench: Bench,
    pub(super) target: Target,
    /// Prepares; never under load.
    pub(super) client: Client,
    pub(super) materials: Materials,
    server_version: String,
}

impl Session {
    /// Connects and registers what all tasks work with.
    ///
    /// # Errors
    /// Nobody answers at the address, or the server refuses something.
    pub(super) async fn open(bench: Bench) -> anyhow::Result<Self> {
        let target = bench.target();
        let client = target.connect().await?;
        let version = prepare(&client, QueryVersionParam {}).await?.orchestrator;
        Ok(Self {
            materials: Materials::register(&client, &target.organization).await?,
            bench,
            target,
            client,
            server_version: version,
        })
    }

    /// A plan for each client: new ones, or the same one.
    ///
    /// # Errors
    /// The server refuses something or is gone.
    pub(super) async fn register_plans(&self, plans: Plans, clients: usize) -> anyhow::Result<Vec<Plan>> {
        let first = self.materials.register_plan(&self.client).await?;
        if plans == Plans::Shared {
            return Ok(vec![first; clients]);
        }
        let mut own = vec![first];
        while own.len() < clients {
            own.push(self.materials.register_plan(&self.client).await?);
        }
        Ok(own)
    }

    /// Says on standard error what happens next.
    pub(super) fn announce(&self, what: &str) {
        // Without standard error there is nobody to tell.
        let _unheard = writeln!(std::io::stderr(), "{what}");
    }

    /// Lets new clients do their work within these limits.
    ///
    /// # Errors
    /// A client cannot connect, or the server's process is gone.
    pub(super) async fn drive<W: Work>(&self, works: Vec<W>, limits: Limits) -> anyhow::Result<Measurement> {
        let clients = self.target.connect_clients(works.len()).await?;
        drive(clients, works, limits, self.bench.process()).await
    }

    /// Lets one client do something, once.
    ///
    /// # Errors
    /// The server's process is gone.
    pub(super) async fn alone<T>(
        &self,
        activity: impl AsyncFnOnce(&mut Caller) -> T,
    ) -> anyhow::Result<(Measurement, T)> {
        alone(self.client.clone(), self.bench.process(), activity).await
    }

    /// Sets a row against what the database can commit, if the database is known.
    ///
    /// # Errors
    /// The database cannot be used.
    pub(super) async fn against_commits(&self, row: Row) -> anyhow::Result<Row> {
        let Some(url) = self.bench.database_url.as_deref() else {
            return Ok(row);
        };
        let commits = postgres::commit_rate(url, row.clients, COMMITS_DURATION).await;
        let commits = commits.context("cannot measure how fast the database commits")?;
        let per_second = commits.durations.len() as f64 / commits.elapsed.as_secs_f64();
        let distribution = commits.durations.into_iter().collect::<Measured>().distribution();
        Ok(row.with_commits(distribution.map(|distribution| (per_second, distribution.p50_ms))))
    }

    pub(super) fn report(self, rows: Vec<Row>) -> Report {
        Report {
            address: self.target.address,
            server_version: self.server_version,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            rows,
        }
    }
}
