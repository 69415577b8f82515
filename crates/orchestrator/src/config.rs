//! `orchestrator config check`: what `serve` would make of its environment, and everything that is wrong with it.
//!
//! It reads the same variables and the same files as `serve` and connects to nothing. Secrets are not shown.

use std::io::{self, Write};

use anyhow::ensure;
use clap::{Args, Subcommand};

use crate::configuration::ServeConfiguration;
use crate::configuration::effective::Effective;
use crate::configuration::environment::Examination;
use crate::serve;

#[derive(Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Show every setting, where its value comes from, and everything that is wrong; exit status 1 if anything is.
    Check,
}

/// Shows the configuration.
///
/// # Errors
/// It cannot be used; why, is shown with it.
pub(crate) fn run(config: &Config) -> anyhow::Result<()> {
    let Action::Check = config.action;
    let examination = ServeConfiguration::examine(std::env::vars_os());
    let problems = problems(&examination);
    show(&examination, &problems)?;
    ensure!(problems.is_empty(), "the configuration cannot be used");
    Ok(())
}

/// What is wrong with the environment, or else with the files that it names.
fn problems(Examination { outcome, .. }: &Examination) -> Vec<String> {
    match outcome {
        Err(problems) => problems.notices().iter().map(ToString::to_string).collect(),
        Ok(configuration) => {
            let problems = serve::access_files(configuration).problems();
            problems.iter().map(|problem| format!("{problem:#}")).collect()
        }
    }
}

fn show(Examination { settings, warnings, .. }: &Examination, problems: &[String]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let width = settings.iter().map(|setting| setting.name.len()).max().unwrap_or_default();
    for Effective { name, value, source } in settings {
        let value = value.as_deref().unwrap_or_default();
        writeln!(out, "{name:width$}  {source:11}  {value}")?;
    }
    for warning in warnings {
        writeln!(out, "warning: {warning}")?;
    }
    for problem in problems {
        writeln!(out, "problem: {problem}")?;
    }
    if problems.is_empty() {
        writeln!(out, "The configuration can be used.")?;
    }
    out.flush()
}
