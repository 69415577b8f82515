//! The executable: commands, configuration, telemetry, and the one place where a store is chosen for each of them.
//!
//! `serve` runs a consortium's server on PostgreSQL, `dev` the same server on the embedded store for one machine, `demo` a whole federated
//! training on it, `migrate` brings a database up to date, `certs` makes certificates for a try. Start at [`Command`]; each command has a file of its own.

mod bench;
mod certs;
mod configuration;
mod demo;
mod dev;
mod migrate;
mod reload;
mod serve;
mod standalone;
mod stop;
mod telemetry;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// A control plane for federated learning, wire-compatible with Substra orchestrator 1.0.0.
///
/// Without a command it serves, if ORCHESTRATOR_DATABASE_URL is set.
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
    /// Put a server of this API under load and measure it; leaves its assets behind.
    Bench(bench::Bench),
    /// Bring a PostgreSQL database to the newest schema; safe to run again and at the same time as another.
    Migrate(migrate::Migrate),
    /// Make certificates for trying mutual TLS: an authority and a pair for each organization, and for the server.
    Certs(certs::Certs),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let command = match arguments.command {
        Some(command) => command,
        None if std::env::var_os("ORCHESTRATOR_DATABASE_URL").is_some() => Command::Serve,
        None => return print_help(),
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            return telemetry::failed(&anyhow::Error::new(error).context("cannot start the runtime"));
        }
    };
    runtime.block_on(run(command))
}

async fn run(command: Command) -> ExitCode {
    let outcome = match command {
        Command::Demo(demo) => return demo::run(demo).await,
        Command::Dev(dev) => dev::run(dev).await,
        Command::Serve => serve::run().await,
        Command::Bench(bench) => bench::run(bench).await,
        Command::Migrate(migrate) => migrate::run(migrate).await,
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
