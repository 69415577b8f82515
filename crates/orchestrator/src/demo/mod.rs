//! `orchestrator demo`: organizations that train a model together through a real server, on one machine.
//!
//! The server, its store and all organizations run in this process, but they only meet over gRPC, as they would anywhere. [`plan`] says
//! what is computed, [`plan_owner`] registers and watches it, an [`organization`] does the work, [`operation`] and [`learning`] are the
//! work. Start at [`run`].

mod learning;
mod operation;
mod organization;
mod plan;
mod plan_owner;
mod progress;
mod report;
mod storage;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use client::{Client, ClientOptions};
use server::Membership;
use tokio::task::JoinSet;

use self::organization::Organization;
use self::plan::Plan;
use self::plan_owner::{PlanOwner, Seen};
use self::progress::Progress;
use self::storage::Storage;
use crate::dev::CHANNEL;
use crate::standalone::Standalone;
use crate::{stop, telemetry};

/// The folder of the embedded store, inside the demo's folder.
const STORE: &str = "orchestrator";
/// The channel file within the folder of a demo.
const CHANNELS: &str = "channels.yaml";

/// The exit status of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

#[derive(Args)]
pub(crate) struct Demo {
    /// How many organizations learn together.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=20))]
    organizations: u16,
    /// How many times the organizations train, aggregate and test.
    #[arg(long, value_name = "R", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// The folder to put everything in, new or empty; without it: a temporary folder, which is kept.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The seed of all chance: with the same seed, everything is learned again with the same numbers.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
}

impl Demo {
    fn plan(&self) -> Plan {
        Plan { organizations: self.organizations.into(), rounds: self.rounds.into(), seed: self.seed }
    }
}

/// Runs the demo until it is finished, fails, or is told to stop.
pub(crate) async fn run(demo: Demo) -> ExitCode {
    match perform(&demo).await {
        Ok(ending) => ending,
        Err(error) => telemetry::failed(&error),
    }
}

/// How the demo ended, unless it failed.
enum Ending {
    Finished(Finished),
    Interrupted,
}

/// What came out of it.
struct Finished {
    seen: Seen,
    calls: u64,
    duration: Duration,
}

async fn perform(demo: &Demo) -> anyhow::Result<ExitCode> {
    // The log would tear the progress apart, so there is one only for those who ask for it.
    if std::env::var_os("LOG_LEVEL").is_some() {
        telemetry::for_people();
    }
    let folder = make_folder(demo.data.as_deref())?;
    let ending = play(demo.plan(), &folder).await;
    let ending = ending.with_context(|| format!("the demo failed, its files are in {}", folder.display()))?;
    let mut out = std::io::stdout().lock();
    match ending {
        Ending::Finished(finished) => {
            report::write(&mut out, demo.plan(), &finished)?;
            report::write_folder(&mut out, &folder)?;
            Ok(ExitCode::SUCCESS)
        }
        Ending::Interrupted => {
            writeln!(out, "Interrupted.")?;
            report::write_folder(&mut out, &folder)?;
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

/// The folder to put everything in.
fn make_folder(wanted: Option<&Path>) -> anyhow::Result<PathBuf> {
    let Some(folder) = wanted else {
        let temporary = tempfile::Builder::new().prefix("orchestrator-demo-").tempdir();
        return Ok(temporary.context("cannot make a temporary folder")?.keep());
    };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    ensure!(entries.next().is_none(), "{} is not empty: use another --data", folder.display());
    Ok(folder.to_owned())
}

/// Starts the server, lets the organizations learn until they are finished or the operator wants the process to end, and stops it.
async fn play(plan: Plan, folder: &Path) -> anyhow::Result<Ending> {
    let progress = Progress::start(plan)?;
    let server = start_server(plan, folder).await?;
    let ending = tokio::select! {
        finished = learn(plan, Storage::new(folder), server.address, progress) => finished.map(Ending::Finished),
        () = stop::requested() => Ok(Ending::Interrupted),
    };
    let stopped = server.stop().await;
    let ending = ending?;
    stopped?;
    Ok(ending)
}

/// A server that lets in exactly the organizations of the plan.
async fn start_server(plan: Plan, folder: &Path) -> anyhow::Result<Standalone> {
    let members: BTreeSet<String> = plan.organization_ids().collect();
    write_channels(&folder.join(CHANNELS), &members)?;
    let members = BTreeMap::from([(CHANNEL.to_owned(), members)]);
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Standalone::start(Some(&folder.join(STORE)), Membership::new(members), listen).await
}

/// The channel file with which the store can be served afterwards.
fn write_channels(path: &Path, members: &BTreeSet<String>) -> anyhow::Result<()> {
    let members: Vec<String> = members.iter().map(|member| format!("    - {member}\n")).collect();
    let text = format!("channels:\n  {CHANNEL}:\n{}", members.concat());
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Connects the organizations and waits until the owner of the plan has seen all tasks done. Then, or when this is dropped, they stop.
async fn learn(
    plan: Plan,
    storage: Storage,
    server: SocketAddr,
    progress: Progress,
) -> anyhow::Result<Finished> {
    let start = Instant::now();
    let connect = |id| Client::connect(ClientOptions::new(format!("http://{server}"), id, CHANNEL));
    let mut clients = vec![connect(plan.owner()).await?];
    let owner = PlanOwner::new(plan, clients[0].clone(), storage.clone(), progress);
    let mut organizations = JoinSet::new();
    for (index, id) in plan.organization_ids().enumerate() {
        let client = connect(id).await?;
        organizations.spawn(Organization::new(index, plan, client.clone(), storage.clone()).run());
        clients.push(client);
    }
    let seen = tokio::select! {
        seen = owner.run() => seen?,
        error = first_failure(&mut organizations) => return Err(error),
    };
    organizations.shutdown().await;
    Ok(Finished { seen, calls: clients.iter().map(Client::calls).sum(), duration: start.elapsed() })
}

/// Organizations never end by themselves, so the first one that ends has failed.
async fn first_failure(organizations: &mut JoinSet<anyhow::Result<Infallible>>) -> anyhow::Error {
    match organizations.join_next().await {
        Some(Ok(Err(error))) => error,
        Some(Err(error)) => anyhow::Error::new(error).context("an organization broke down"),
        None => anyhow::anyhow!("there are no organizations"),
    }
}
