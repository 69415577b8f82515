//! The log: lines for people on a terminal, JSON lines for programs; both on standard error.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::configuration::environment::LogLevel;

/// Readable lines, quiet unless `LOG_LEVEL` asks for more.
pub(crate) fn for_people() {
    let filter =
        EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).with_env_var("LOG_LEVEL");
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter.from_env_lossy())
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A second initialisation only happens in tests, where the first one is as good.
    let _initialised_before = lines.with_target(false).try_init();
}

/// One JSON object per line, with the fields of the operations contract: `level`, `time`, `message`, and more.
pub(crate) fn for_programs(level: Option<LogLevel>) {
    let level = match level {
        Some(LogLevel::Trace) => LevelFilter::TRACE,
        Some(LogLevel::Debug) => LevelFilter::DEBUG,
        Some(LogLevel::Info) | None => LevelFilter::INFO,
        Some(LogLevel::Warn) => LevelFilter::WARN,
        Some(LogLevel::Error | LogLevel::Fatal) => LevelFilter::ERROR,
        Some(LogLevel::Disabled) => LevelFilter::OFF,
    };
    let lines =
        tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).event_format(JsonLines);
    let _initialised_before = lines.try_init();
}

/// Says why a command failed, with all causes in one line, also where the log is silent; exit status 1.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    // Without standard error there is nobody to tell.
    let _unheard = writeln!(std::io::stderr(), "orchestrator: {error:#}");
    ExitCode::FAILURE
}

struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = serde_json::Map::new();
        line.insert("level".to_owned(), level_name(*event.metadata().level()).into());
        let now = jiff::Timestamp::now();
        line.insert(
            "time".to_owned(),
            jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string().into(),
        );
        event.record(&mut JsonFields(&mut line));
        writeln!(writer, "{}", serde_json::Value::Object(line))
    }
}

const fn level_name(level: Level) -> &'static str {
    match level {
        Level::TRACE => "trace",
        Level::DEBUG => "debug",
        Level::INFO => "info",
        Level::WARN => "warn",
        Level::ERROR => "error",
    }
}

struct JsonFields<'a>(&'a mut serde_json::Map<String, serde_json::Value>);

impl Visit for JsonFields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}
