//! Telemetry: the log on standard error, readable on a terminal and JSON lines otherwise, and traces if there is a collector for them.
//!
//! Owns what is written and in which form; who says what is the business of every crate. What others' crates say is kept to what matters, for at
//! the finer levels they write down what they send and receive, and some say at any level what a peer likes. Start at [`for_serving`].

mod json_lines;
mod traces;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt, LevelFilter, Targets, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use service::SPANS;

use crate::configuration::environment::{Log, LogLevel};
use json_lines::{JsonFields, JsonLines};
pub(crate) use traces::{Traces, adopt};

/// The crates of this project, by which the targets of their lines begin.
const OURS: [&str; 8] =
    ["asset", "persistence", "postgres", "embedded", "service", "server", "client", "orchestrator"];

/// The crates that carry connections. What they say is what peers do, as often as these like; what matters of it is told by ours.
const CARRIERS: [&str; 5] = ["h2", "hyper", "hyper_util", "rustls", "tonic"];

/// The target of the lines that tell each SQL statement.
const SQL: &str = "sql";

/// The log where nothing else is asked for, as before the settings are known.
const USUAL: Log = Log { level: LogLevel::Info, sql_verbose: false };

/// Readable lines, quiet unless `LOG_LEVEL` asks for more.
pub(crate) fn for_people() {
    let filter =
        EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).with_env_var("LOG_LEVEL");
    let filter = filter.from_env_lossy().and(filter_fn(|metadata| is_for_people(metadata.target())));
    let lines = fmt::layer().with_ansi(wants_colour()).with_writer(std::io::stderr).with_target(false);
    // A second initialisation only happens in tests, where the first one is as good.
    let _initialised_before = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}

fn is_for_people(target: &str) -> bool {
    let krate = target.split("::").next().unwrap_or(target);
    !CARRIERS.contains(&krate) && ![SQL, SPANS].contains(&target)
}

/// The log of a server, and a line for each panic: readable on a terminal, otherwise one JSON object per line with the fields of the operations
/// contract, `level`, `time`, `message`, and more. Without settings, the usual ones count. Spans go to `traces`.
pub(crate) fn for_serving(log: Option<Log>, traces: Option<&Traces>) {
    let filter = filter(log.unwrap_or(USUAL));
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if std::io::stderr().is_terminal() {
        lines.with_target(false).with_ansi(wants_colour()).with_filter(filter).boxed()
    } else {
        lines.fmt_fields(JsonFields::new()).event_format(JsonLines).with_filter(filter).boxed()
    };
    let spans = traces.map(|traces| {
        let spans = tracing_opentelemetry::layer().with_tracer(traces.tracer());
        spans.with_filter(Targets::new().with_target(SPANS, LevelFilter::INFO))
    });
    let _initialised_before = tracing_subscriber::registry().with(lines).with(spans).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(tracing::field::display);
        let error = panic.payload_as_str().unwrap_or("no text");
        tracing::error!(error, place, "a fault in the program");
    }));
}

/// Says why a command failed, with all causes in one line, also where the log is silent; exit status 1.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    // Without standard error there is nobody to tell.
    let _unheard = writeln!(std::io::stderr(), "orchestrator: {error:#}");
    ExitCode::FAILURE
}

/// The same for a server, in the form of its log.
pub(crate) fn failed_to_serve(error: &anyhow::Error) -> ExitCode {
    if std::io::stderr().is_terminal() {
        return failed(error);
    }
    let line = json_lines::fatal("the server cannot go on", &format!("{error:#}"));
    let _unheard = writeln!(std::io::stderr(), "{line}");
    ExitCode::FAILURE
}

fn filter(log: Log) -> Targets {
    let level = level(log.level);
    let targets = Targets::new().with_default(level.min(LevelFilter::INFO));
    let targets = targets.with_targets(OURS.map(|target| (target, level)));
    let targets = targets.with_targets(CARRIERS.map(|target| (target, LevelFilter::OFF)));
    // It passes on the notices of the database: what is there already was skipped, and the like.
    let targets = targets.with_target("tokio_postgres", level.min(LevelFilter::WARN));
    let targets = targets.with_target(SPANS, LevelFilter::OFF);
    targets.with_target(SQL, if log.sql_verbose { level } else { LevelFilter::OFF })
}

const fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Trace => LevelFilter::TRACE,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error | LogLevel::Fatal => LevelFilter::ERROR,
        LogLevel::Disabled => LevelFilter::OFF,
    }
}

/// See <https://no-color.org>.
fn wants_colour() -> bool {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !is_unwanted
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn peers_write_nothing_into_the_log_for_people() {
        let table =
            [("h2::proto::ping_pong", false), ("rustls", false), (SQL, false), ("server::transport", true)];
        for (target, told) in table {
            assert_eq!(is_for_people(target), told, "{target}");
        }
    }

    #[test]
    fn other_crates_never_tell_what_they_send_and_receive() {
        for level in [LogLevel::Trace, LogLevel::Debug, LogLevel::Info] {
            let filter = filter(Log { level, sql_verbose: false });
            assert!(!filter.would_enable("h2::codec", &Level::DEBUG), "{level:?}");
            assert!(!filter.would_enable("tokio_postgres::query", &Level::DEBUG), "{level:?}");
            assert!(filter.would_enable("opentelemetry_sdk", &Level::WARN), "{level:?}");
            assert!(!filter.would_enable("h2::proto::ping_pong", &Level::WARN), "{level:?}");
            assert!(!filter.would_enable("rustls::common_state", &Level::ERROR), "{level:?}");
            assert!(!filter.would_enable(SQL, &Level::INFO), "{level:?}");
        }
        assert!(
            filter(Log { level: LogLevel::Debug, ..USUAL }).would_enable("server::pipeline", &Level::DEBUG)
        );
        assert!(!filter(USUAL).would_enable("server::pipeline", &Level::DEBUG));
        assert!(filter(Log { sql_verbose: true, ..USUAL }).would_enable(SQL, &Level::INFO));
        assert!(
            !filter(Log { level: LogLevel::Disabled, sql_verbose: true }).would_enable(SQL, &Level::ERROR)
        );
    }
}
