//! The executable: commands, configuration, telemetry, and the one place where a store is chosen for each of them.
//!
//! `serve` runs a consortium's server on PostgreSQL, `dev` the same server on the embedded store for one machine, `demo` a whole federated
//! training on it, `migrate` brings a database up to date, `verify` checks one, `certs` makes certificates for a try. Start at [`Command`]; each command has a file of
//! its own. Called by another name it is another program, see [`drop_in`].

mod adoption;
mod bench;
mod certs;
mod config;
mod configuration;
mod demo;
mod dev;
mod drop_in;
mod migrate;
mod reload;
mod serve;
mod standalone;
mod stop;
mod telemetry;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use drop_in::Program;

/// Calls allocate much and briefly, on whichever thread they are; with the system's allocator that took a fifth of the server's time.
/// A thread of jemalloc's own gives back to the system what was free for ten seconds, so that a storm does not leave its memory behind.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A control plane for federated learning, wire-compatible with Substra orchestrator 1.0.0.
///
/// Without a command it serves, if a setting such as ORCHESTRATOR_DATABASE_URL is there.
#[derive(Parser)]
#[command(version, about, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Watch organizations train a model together through an orchestrator, on this machine.
    Demo(demo::Demo),
    /// Run a server for development: embedded store, loopback, no encryption unless asked for.
    Dev(dev::Dev),
    /// Run the server on PostgreSQL, configured by environment variables (see docs/configuration.md).
    Serve,
    /// Look at the configuration that `serve` would have.
    Config(config::Config),
    /// Put a server of this API under load and measure it; leaves its assets behind.
    Bench(bench::Bench),
    /// Bring a PostgreSQL database to the newest schema, adopting one of Substra orchestrator 1.0.0; safe to run again and at the
    /// same time as another.
    Migrate(migrate::Migrate),
    /// Replay the event logs of a store, check their hashes, and compare what they tell with the tables.
    Verify(verify::Verify),
    /// Make certificates for trying mutual TLS: an authority and a pair for each organization, and for the server.
    Certs(certs::Certs),
}

fn main() -> ExitCode {
    let called_by = std::env::args_os().next().unwrap_or_default();
    if let Some(program) = Program::called(&called_by) {
        let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
        return block_on(program.run(arguments));
    }
    match Arguments::parse().command {
        Some(command) => block_on(run(command)),
        None if is_configured() => block_on(run(Command::Serve)),
        None => print_help(),
    }
}

/// Whether the environment is that of a server, complete or not: its settings are then missed by name.
fn is_configured() -> bool {
    std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with(configuration::PREFIX))
}

fn block_on(command: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => telemetry::failed(&anyhow::Error::new(error).context("cannot start the runtime")),
    }
}

async fn run(command: Command) -> ExitCode {
    let outcome = match command {
        Command::Demo(demo) => return demo::run(demo).await,
        Command::Dev(dev) => dev::run(dev).await,
        Command::Serve => return serve::run().await,
        Command::Config(config) => config::run(&config),
        Command::Bench(bench) => bench::run(bench).await,
        Command::Migrate(migrate) => migrate::run(migrate).await,
        Command::Verify(verify) => return verify::run(verify).await,
        Command::Certs(certs) => certs::run(&certs),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => telemetry::failed(&error),
    }
}

/// Nothing was asked for: says what could be.
fn print_help() -> ExitCode {
    match Arguments::command().print_help() {
        Ok(()) => ExitCode::from(2),
        Err(_) => ExitCode::FAILURE,
    }
}
