//! What the environment says about the server, as types in which only usable combinations exist (core/OPS-2).
//!
//! Owns the settings of `serve` and the conditions between them; it does not read the files that paths point to, nor does it connect to
//! anything. Start at [`ServeConfiguration::from_environment`]; what needs more than a line is in `tls` and `limits`.

mod limits;
mod tls;

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use server::Limits;

use super::effective::Effective;
use super::format::{BOOLEAN, DURATION, LEVEL, PATH, POSITIVE_INTEGER, POSTGRES_URL, SOCKET_ADDRESS};
use super::reader::{Notice, Problems, Reader};
use super::settings::{
    CHANNEL_CONFIG, DATABASE_URL, GRPC_LISTEN, HTTP_LISTEN, LOG_LEVEL, LOG_SQL_VERBOSE, METRICS_ENABLED,
    MIGRATE_ON_START, REFUSE_ASSETS_THAT_STOP_CONSUMERS, RELOAD_INTERVAL, REPLAY_EVENTS_BATCH_SIZE,
    TX_RETRY_BUDGET, WRITE_QUEUE_LENGTH,
};
pub(crate) use tls::Tls;

/// Everything that the server is told by its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServeConfiguration {
    /// The database.
    pub database_url: DatabaseUrl,
    /// Whether to bring the schema up to date before serving.
    pub migrate_on_start: bool,
    /// The channel file (core/CHN-7).
    pub channel_file: PathBuf,
    /// How long after its first attempt a transaction that met a conflict may be tried again; zero: never.
    pub retry_budget: Duration,
    /// How many calls of one organization may wait in a channel to be decided; further ones are refused.
    pub write_queue_length: NonZeroUsize,
    /// How many stored events a replay should read at once, a hint (core/SUB-9).
    pub replay_events_batch_size: NonZeroUsize,
    /// Whether to refuse assets that are valid but stop the consumers of known backends (core/DEF-61).
    pub refuse_assets_that_stop_consumers: bool,
    /// How often the files are read that say who gets in; `None`: only when the operator asks for it.
    pub reload_interval: Option<Duration>,
    /// The gRPC port.
    pub grpc: Grpc,
    /// The HTTP port.
    pub http: Http,
    /// The log.
    pub log: Log,
    /// What the operator should be told although the server can start.
    pub warnings: Vec<Notice>,
}

/// A PostgreSQL URL or keyword string, not yet parsed. It may hold a password, so it is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Takes the text as it is.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, password included.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(..)")
    }
}

/// The settings of the gRPC port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grpc {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What clients may send, hold, and take time for.
    pub limits: Limits,
    /// How to encrypt; `None`: plain text.
    pub tls: Option<Tls>,
}

/// The settings of the HTTP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Http {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Whether to offer `/metrics`.
    pub metrics_enabled: bool,
}

/// The settings of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    /// What a line must at least be to be written.
    pub level: LogLevel,
    /// Whether to log every SQL statement.
    pub sql_verbose: bool,
}

/// What a log line must at least be to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogLevel {
    /// Everything.
    Trace,
    /// Also successful calls.
    Debug,
    /// The usual level.
    Info,
    /// What deserves attention, and errors.
    Warn,
    /// Errors.
    Error,
    /// Only what ends the process; also called `panic`.
    Fatal,
    /// Nothing at all.
    Disabled,
}

impl Grpc {
    /// Whether callers must prove which organization they act as.
    pub(crate) fn verifies_callers(&self) -> bool {
        let mutual = self.tls.as_ref().and_then(|tls| tls.mutual.as_ref());
        mutual.is_some_and(|mutual| mutual.verify_client_msp_id)
    }
}

impl ServeConfiguration {
    /// Reads the variables of an environment, usually [`std::env::vars_os`].
    ///
    /// # Errors
    ///
    /// Every variable that is missing, malformed or in contradiction to another one.
    pub(crate) fn from_environment(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Problems> {
        Self::examine(environment).outcome
    }

    /// Reads the variables of an environment, and tells everything about them.
    pub(crate) fn examine(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Examination {
        let mut reader = Reader::new(environment);
        let configuration = serve(&mut reader);
        let (settings, warnings) = (reader.effective(), reader.warnings());
        Examination { settings, warnings, outcome: reader.finish(configuration) }
    }
}

/// Everything that can be told about an environment.
#[derive(Clone, Debug)]
pub(crate) struct Examination {
    /// Every setting as it counts.
    pub settings: Vec<Effective>,
    /// What the operator should know although the server can start.
    pub warnings: Vec<Notice>,
    /// The configuration, or all that is wrong.
    pub outcome: Result<ServeConfiguration, Problems>,
}

// Each function below reads all its settings before it gives up on one of them, so that no problem hides another.

fn serve(reader: &mut Reader) -> Option<ServeConfiguration> {
    let database_url = reader.read(DATABASE_URL, &POSTGRES_URL);
    let migrate_on_start = reader.read(MIGRATE_ON_START, &BOOLEAN);
    let channel_file = reader.read(CHANNEL_CONFIG, &PATH);
    let retry_budget = reader.read(TX_RETRY_BUDGET, &DURATION);
    let write_queue_length = reader.read(WRITE_QUEUE_LENGTH, &POSITIVE_INTEGER);
    let replay_events_batch_size = reader.read(REPLAY_EVENTS_BATCH_SIZE, &POSITIVE_INTEGER);
    let refuse_assets_that_stop_consumers = reader.read(REFUSE_ASSETS_THAT_STOP_CONSUMERS, &BOOLEAN);
    let reload_interval = reader.read(RELOAD_INTERVAL, &DURATION);
    let grpc = grpc(reader);
    let http = http(reader);
    let log = log(reader);
    Some(ServeConfiguration {
        database_url: database_url?,
        migrate_on_start: migrate_on_start?,
        channel_file: channel_file?,
        retry_budget: retry_budget?,
        write_queue_length: write_queue_length?,
        replay_events_batch_size: replay_events_batch_size?,
        refuse_assets_that_stop_consumers: refuse_assets_that_stop_consumers?,
        reload_interval: Some(reload_interval?).filter(|interval| !interval.is_zero()),
        grpc: grpc?,
        http: http?,
        log: log?,
        warnings: reader.warnings(),
    })
}

fn grpc(reader: &mut Reader) -> Option<Grpc> {
    let tls = tls::tls(reader);
    let listen = reader.read(GRPC_LISTEN, &SOCKET_ADDRESS);
    let limits = limits::limits(reader);
    Some(Grpc { listen: listen?, limits: limits?, tls: tls? })
}

fn http(reader: &mut Reader) -> Option<Http> {
    let listen = reader.read(HTTP_LISTEN, &SOCKET_ADDRESS);
    let metrics_enabled = reader.read_leniently(METRICS_ENABLED, &BOOLEAN);
    Some(Http { listen: listen?, metrics_enabled: metrics_enabled? })
}

fn log(reader: &mut Reader) -> Option<Log> {
    let level = reader.read_leniently(LOG_LEVEL, &LEVEL);
    let sql_verbose = reader.read_leniently(LOG_SQL_VERBOSE, &BOOLEAN);
    Some(Log { level: level?, sql_verbose: sql_verbose? })
}

#[cfg(test)]
mod tests;
