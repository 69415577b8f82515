//! What is asked for on the command line, and what holds if nothing is said.
//!
//! Defaults follow the method of the published tables; `bench all` has smaller ones. It starts nothing. Start at [`Bench`].

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::load::Limits;
use super::process::Process;
use super::target::Target;

/// The options of `orchestrator bench`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Bench {
    /// The kind of load, or `all` for a quick tour.
    #[arg(value_enum)]
    pub(super) workload: Workload,
    /// The server.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9000")]
    pub(super) address: String,
    /// The channel of all calls.
    #[arg(long, value_name = "NAME", default_value = crate::dev::CHANNEL)]
    pub(super) channel: String,
    /// The organization that calls; it must be a member of the channel.
    #[arg(long, value_name = "ID", default_value = "MyOrg1MSP")]
    pub(super) organization: String,
    /// Clients at the same time, one measurement for each number; 1,8,32 if nothing is said.
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = positive)]
    pub(super) clients: Vec<usize>,
    /// How long each measurement takes at most; 10s if nothing is said and no count is given.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) duration: Option<Duration>,
    /// How many operations of all clients, events to replay, tasks to page through or repetitions of a cascade.
    #[arg(long, value_name = "N")]
    pub(super) count: Option<u64>,
    /// Operations of each client before anything is measured.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(super) warm_up: u64,
    /// register: tasks in a call, one measurement for each number; 1,100,500 if nothing is said.
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = positive)]
    pub(super) batch: Vec<usize>,
    /// register, lifecycle: all clients write into one plan; holds if nothing is said.
    #[arg(long)]
    shared: bool,
    /// register, lifecycle: each client writes into a plan of its own.
    #[arg(long)]
    own: bool,
    /// cascade: tasks that wait, one measurement for each number; 1000,5000 if nothing is said.
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = positive)]
    pub(super) waiting: Vec<usize>,
    /// fan-out, mixed: subscribers, one measurement for each number; 20, or 4 in mixed, if nothing is said.
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = positive)]
    pub(super) subscribers: Vec<usize>,
    /// fan-out: writes per second.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) rate: u32,
    /// The server's process, to tell its memory and CPU; it must run on this machine.
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// The server's database, to measure how fast it commits; may hold a password, so prefer the variable.
    #[arg(long, value_name = "URL", env = "ORCHESTRATOR_DATABASE_URL", hide_env_values = true)]
    pub(super) database_url: Option<String>,
    /// Also write everything into this file, as one JSON document.
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// The seed of what clients choose to do; keys are always new.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(super) seed: u64,
}

/// A kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Workload {
    /// Register tasks in batches.
    Register,
    /// Start tasks, register their models, get them done.
    Lifecycle,
    /// Get a task done that many wait for, and build a function that many wait for.
    Cascade,
    /// Write at a steady rate while many subscribe.
    FanOut,
    /// Read old events as fast as possible.
    Replay,
    /// Read long lists page by page.
    Paging,
    /// Look things up.
    Reads,
    /// Everything at once, while some subscribe.
    Mixed,
    /// All of them, a little.
    All,
}

/// Whose plan a client writes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plans {
    /// All clients share one.
    Shared,
    /// Each client has its own.
    Own,
}

impl Plans {
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Shared => "one plan",
            Self::Own => "own plans",
        }
    }
}

impl Bench {
    /// What to run, in order.
    pub(super) fn workloads(&self) -> Vec<Workload> {
        match self.workload {
            Workload::All => Workload::value_variants()
                .iter()
                .copied()
                .filter(|workload| *workload != Workload::All)
                .collect(),
            one => vec![one],
        }
    }

    pub(super) fn target(&self) -> Target {
        Target {
            address: self.address.clone(),
            channel: self.channel.clone(),
            organization: self.organization.clone(),
        }
    }

    pub(super) fn process(&self) -> Option<Process> {
        self.server_pid.map(|pid| Process { pid })
    }

    pub(super) fn limits(&self) -> Limits {
        let duration = match (self.duration, self.count) {
            (None, None) => Some(Duration::from_secs(self.of_tour(2, 10))),
            (given, _) => given,
        };
        Limits { warm_up: self.warm_up, duration, count: self.count }
    }

    /// How long a workload runs that has no other end.
    pub(super) fn duration(&self) -> Duration {
        self.duration.unwrap_or(Duration::from_secs(self.of_tour(2, 10)))
    }

    pub(super) fn plans(&self) -> Vec<Plans> {
        match (self.shared, self.own) {
            (_, false) => vec![Plans::Shared],
            (false, true) => vec![Plans::Own],
            (true, true) => vec![Plans::Shared, Plans::Own],
        }
    }

    pub(super) fn clients(&self) -> Vec<usize> {
        or(&self.clients, self.of_tour(&[8], &[1, 8, 32]))
    }

    pub(super) fn batches(&self) -> Vec<usize> {
        or(&self.batch, &[1, 100, 500])
    }

    pub(super) fn waiting(&self) -> Vec<usize> {
        or(&self.waiting, self.of_tour(&[1_000], &[1_000, 5_000]))
    }

    pub(super) fn subscribers(&self, default: usize) -> Vec<usize> {
        or(&self.subscribers, &[default])
    }

    /// The count, or a default; the quick tour has a smaller one.
    pub(super) fn count_or(&self, tour: u64, otherwise: u64) -> u64 {
        self.count.unwrap_or(self.of_tour(tour, otherwise))
    }

    fn of_tour<T>(&self, tour: T, otherwise: T) -> T {
        match self.workload {
            Workload::All => tour,
            _ => otherwise,
        }
    }
}

fn or(given: &[usize], default: &[usize]) -> Vec<usize> {
    if given.is_empty() { default } else { given }.to_vec()
}

fn positive(text: &str) -> anyhow::Result<usize> {
    match text.parse() {
        Ok(0) | Err(_) => anyhow::bail!("not a positive number"),
        Ok(number) => Ok(number),
    }
}

/// For example `10s`, `1m 30s` or `500ms`.
fn duration(text: &str) -> anyhow::Result<Duration> {
    let duration: jiff::SignedDuration = text.parse().context("not a time, such as 10s")?;
    Duration::try_from(duration).context("a time cannot be negative")
}
