//! `migrate`: golang-migrate's command line, as the chart's job uses it; it runs our own migrations.
//!
//! The folder of migrations that it is given is not read: ours are part of the executable. Only the way up is there, and all of it, since a
//! database is of no use to the server before its end. Start at [`run`].

use std::process::ExitCode;

use anyhow::{anyhow, bail, ensure};

use super::go_flags::{Flag, Flags};
use crate::{migrate, telemetry};

const KNOWN: [Flag; 6] = [
    Flag::Value("database"),
    Flag::Value("source"),
    Flag::Value("path"),
    Flag::Value("prefetch"),
    Flag::Value("lock-timeout"),
    Flag::Switch("verbose"),
];

/// Migrates; the status is 0 if the schema is the newest one then.
pub(super) async fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    let outcome = match database(arguments) {
        Ok(url) => migrate::run(migrate::Migrate::of(url)).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => telemetry::failed(&error),
    }
}

/// The database that is to be migrated all the way up.
fn database(arguments: impl Iterator<Item = String>) -> anyhow::Result<String> {
    let flags = Flags::parse(arguments, &KNOWN).map_err(|problem| anyhow!(problem))?;
    match flags.rest.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["up"] => {}
        [] => bail!("no command; there is one, up, as in: migrate -database URL up"),
        ["up", ..] => bail!("up takes no number: all migrations are applied together"),
        [command, ..] => bail!("there is no command {command:?} but up: migrations are never undone"),
    }
    let url = flags.text("database").unwrap_or_default();
    ensure!(!url.is_empty(), "-database is missing");
    Ok(url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> anyhow::Result<String> {
        database(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_command_line_of_the_chart_is_understood() {
        let url = "postgres://u:p@h:5432/d?";
        for line in [
            format!("-source file:///migrations/ -database {url} up"),
            format!("-path /migrations -lock-timeout 15 -verbose -database={url} up"),
        ] {
            assert_eq!(parse(&line).unwrap(), url, "{line}");
        }
    }

    #[test]
    fn nothing_else_is_done() {
        for line in
            ["", "up", "-database= up", "-database d", "-database d up 1", "-database d down", "-help"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
