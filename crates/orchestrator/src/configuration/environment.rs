//! What the environment says about the server, as types in which only usable combinations exist (core/OPS-2).
//!
//! Owns the settings of `serve` and the conditions between them; it does not read the files that paths point to, nor does it connect to
//! anything. Start at [`ServeConfiguration::from_environment`].

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::format::{
    BOOLEAN, DURATION, LEVEL, MESSAGE_SIZE, PATH, POSITIVE_INTEGER, POSTGRES_URL, SOCKET_ADDRESS,
};
use super::reader::{Notice, Problems, Reader};
use super::settings::{
    CHANNEL_CONFIG, DATABASE_URL, GRPC_KEEPALIVE_POLICY_MIN_TIME,
    GRPC_KEEPALIVE_POLICY_PERMIT_WITHOUT_STREAM, GRPC_LISTEN, GRPC_MAX_MESSAGE_SIZE, HTTP_LISTEN, LOG_LEVEL,
    LOG_SQL_VERBOSE, METRICS_ENABLED, MIGRATE_ON_START, MTLS_ENABLED, REFUSE_ASSETS_THAT_STOP_CONSUMERS,
    RELOAD_INTERVAL, REPLAY_EVENTS_BATCH_SIZE, STREAM_GRACE, TLS_CERT_PATH, TLS_CLIENT_CA_CERT_DIR,
    TLS_ENABLED, TLS_KEY_PATH, TLS_SERVER_CA_CERT, TX_RETRY_BUDGET, VERIFY_CLIENT_MSP_ID,
};

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
    /// How many stored events a replay should read at once, a hint (core/SUB-9).
    pub replay_events_batch_size: NonZeroUsize,
    /// Whether to refuse assets that are valid but stop the consumers of known backends (core/DEF-61).
    pub refuse_assets_that_stop_consumers: bool,
    /// How changes of the files take effect that say who gets in.
    pub reload: Reload,
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

/// How changes of certificates, authorities and channels take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reload {
    /// How often the files are read; `None`: only when the operator asks for it.
    pub interval: Option<Duration>,
    /// How long a stream goes on whose caller would not get in any more.
    pub stream_grace: Duration,
}

/// The settings of the gRPC port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grpc {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The largest request, in bytes: 64 KiB to 256 MiB.
    pub message_size_bytes_max: usize,
    /// Which pings are too many.
    pub keepalive_policy: KeepalivePolicy,
    /// How to encrypt; `None`: plain text.
    pub tls: Option<Tls>,
}

/// Which pings of a client are too many (core/OPS-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeepalivePolicy {
    /// The least time between two pings; zero: no ping is too early.
    pub min_time: Duration,
    /// Whether this time also holds while no call is open.
    pub permit_without_stream: bool,
}

/// The settings of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    /// The server's certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// Whom to require certificates from; `None`: no client is asked for one.
    pub mutual: Option<MutualTls>,
}

/// The settings of mutual TLS. The identity check is one of them, for it is impossible without client certificates (core/DEF-11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MutualTls {
    /// The authorities of the server's certificate, PEM, which are trusted for clients too.
    pub server_ca: PathBuf,
    /// The directory with one directory of client authorities for each organization.
    pub client_ca_directory: PathBuf,
    /// Whether the organization that a caller names must be that of its certificate.
    pub verify_client_msp_id: bool,
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

impl ServeConfiguration {
    /// Reads the variables of an environment, usually [`std::env::vars_os`].
    ///
    /// # Errors
    ///
    /// Every variable that is missing, malformed or in contradiction to another one.
    pub(crate) fn from_environment(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Problems> {
        let mut reader = Reader::new(environment);
        let configuration = serve(&mut reader);
        reader.finish(configuration)
    }
}

// Each function below reads all its settings before it gives up on one of them, so that no problem hides another.

fn serve(reader: &mut Reader) -> Option<ServeConfiguration> {
    let database_url = reader.read(DATABASE_URL, &POSTGRES_URL);
    let migrate_on_start = reader.read(MIGRATE_ON_START, &BOOLEAN);
    let channel_file = reader.read(CHANNEL_CONFIG, &PATH);
    let retry_budget = reader.read(TX_RETRY_BUDGET, &DURATION);
    let replay_events_batch_size = reader.read(REPLAY_EVENTS_BATCH_SIZE, &POSITIVE_INTEGER);
    let refuse_assets_that_stop_consumers = reader.read(REFUSE_ASSETS_THAT_STOP_CONSUMERS, &BOOLEAN);
    let reload = reload(reader);
    let grpc = grpc(reader);
    let http = http(reader);
    let log = log(reader);
    Some(ServeConfiguration {
        database_url: database_url?,
        migrate_on_start: migrate_on_start?,
        channel_file: channel_file?,
        retry_budget: retry_budget?,
        replay_events_batch_size: replay_events_batch_size?,
        refuse_assets_that_stop_consumers: refuse_assets_that_stop_consumers?,
        reload: reload?,
        grpc: grpc?,
        http: http?,
        log: log?,
        warnings: reader.warnings(),
    })
}

fn reload(reader: &mut Reader) -> Option<Reload> {
    let interval = reader.read(RELOAD_INTERVAL, &DURATION);
    let stream_grace = reader.read(STREAM_GRACE, &DURATION);
    Some(Reload {
        interval: Some(interval?).filter(|interval| !interval.is_zero()),
        stream_grace: stream_grace?,
    })
}

fn grpc(reader: &mut Reader) -> Option<Grpc> {
    let tls = tls(reader);
    let listen = reader.read(GRPC_LISTEN, &SOCKET_ADDRESS);
    let message_size_bytes_max = reader.read(GRPC_MAX_MESSAGE_SIZE, &MESSAGE_SIZE);
    let keepalive_policy = keepalive_policy(reader);
    Some(Grpc {
        listen: listen?,
        message_size_bytes_max: message_size_bytes_max?,
        keepalive_policy: keepalive_policy?,
        tls: tls?,
    })
}

fn keepalive_policy(reader: &mut Reader) -> Option<KeepalivePolicy> {
    let min_time = reader.read(GRPC_KEEPALIVE_POLICY_MIN_TIME, &DURATION);
    let permit_without_stream = reader.read(GRPC_KEEPALIVE_POLICY_PERMIT_WITHOUT_STREAM, &BOOLEAN);
    Some(KeepalivePolicy { min_time: min_time?, permit_without_stream: permit_without_stream? })
}

/// `Some(None)` is a server without TLS. A switch that cannot be read makes nothing else needed: only what is certainly wrong is told.
fn tls(reader: &mut Reader) -> Option<Option<Tls>> {
    let tls_enabled = reader.read(TLS_ENABLED, &BOOLEAN);
    let tls = tls_enabled == Some(true);
    let certificate = reader.read_if(tls, TLS_CERT_PATH, &PATH);
    let key = reader.read_if(tls, TLS_KEY_PATH, &PATH);
    let mtls_enabled = reader.read_if(tls, MTLS_ENABLED, &BOOLEAN);
    let mutual = mtls_enabled == Some(true);
    let verify_client_msp_id = reader.read(VERIFY_CLIENT_MSP_ID, &BOOLEAN);
    let verify = verify_client_msp_id == Some(true);
    let server_ca = reader.read_if(mutual, TLS_SERVER_CA_CERT, &PATH);
    let client_ca_directory = reader.read_if(mutual || verify, TLS_CLIENT_CA_CERT_DIR, &PATH);
    if verify && [tls_enabled, mtls_enabled].contains(&Some(false)) {
        refuse_impossible_identity_check(reader);
    }
    if !tls_enabled? {
        return Some(None);
    }
    let mutual = if mtls_enabled? {
        Some(MutualTls {
            server_ca: server_ca?,
            client_ca_directory: client_ca_directory?,
            verify_client_msp_id: verify_client_msp_id?,
        })
    } else {
        None
    };
    Some(Some(Tls { certificate: certificate?, key: key?, mutual }))
}

/// core/DEF-11.
fn refuse_impossible_identity_check(reader: &mut Reader) {
    let (tls, mtls) = (TLS_ENABLED.name, MTLS_ENABLED.name);
    reader.problem(
        VERIFY_CLIENT_MSP_ID,
        format!("is true; expected false unless both {tls} and {mtls} are true"),
    );
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
mod tests {
    use std::collections::BTreeMap;

    use super::super::settings;
    use super::*;

    type Variables = &'static [(&'static str, &'static str)];

    const DATABASE: (&str, &str) = ("ORCHESTRATOR_DATABASE_URL", "postgres://u:hunter2@db/o?");
    const CHANNELS: (&str, &str) = ("ORCHESTRATOR_CHANNEL_CONFIG", "/channels.yaml");
    const BUDGET: (&str, &str) = ("ORCHESTRATOR_TX_RETRY_BUDGET", "500ms");

    /// The least that a server in plain text needs.
    const PLAIN: Variables = &[
        DATABASE,
        CHANNELS,
        BUDGET,
        ("ORCHESTRATOR_TLS_ENABLED", "false"),
        ("ORCHESTRATOR_VERIFY_CLIENT_MSP_ID", "false"),
    ];

    /// The least that a server needs that checks everything.
    const CHECKED: Variables = &[
        DATABASE,
        CHANNELS,
        BUDGET,
        ("ORCHESTRATOR_TLS_ENABLED", "true"),
        ("ORCHESTRATOR_TLS_CERT_PATH", "/tls.crt"),
        ("ORCHESTRATOR_TLS_KEY_PATH", "/tls.key"),
        ("ORCHESTRATOR_MTLS_ENABLED", "true"),
        ("ORCHESTRATOR_TLS_SERVER_CA_CERT", "/ca.crt"),
        ("ORCHESTRATOR_TLS_CLIENT_CA_CERT_DIR", "/client"),
        ("ORCHESTRATOR_VERIFY_CLIENT_MSP_ID", "true"),
    ];

    /// An environment like `base`, but with these variables set, or removed where the value is `UNSET`.
    fn read(base: Variables, changes: &[(&str, &str)]) -> Result<ServeConfiguration, Problems> {
        let variables: BTreeMap<_, _> = base.iter().chain(changes).copied().collect();
        let set = variables.into_iter().filter(|(_, value)| *value != UNSET);
        ServeConfiguration::from_environment(set.map(|(name, value)| (name.into(), value.into())))
    }

    const UNSET: &str = "(unset)";

    fn accepted(base: Variables, changes: &[(&str, &str)]) -> ServeConfiguration {
        read(base, changes).unwrap_or_else(|problems| panic!("{changes:?}: {problems}"))
    }

    /// The names of the variables with problems, and the problems.
    fn rejected(base: Variables, changes: &[(&str, &str)]) -> (Vec<String>, String) {
        let problems = read(base, changes).expect_err(&format!("{changes:?}"));
        let names = problems.notices().iter().map(|problem| problem.variable.clone()).collect();
        (names, problems.to_string())
    }

    #[test]
    fn a_plain_server_needs_five_variables_and_has_defaults_for_the_rest() {
        let expected = ServeConfiguration {
            database_url: DatabaseUrl::new("postgres://u:hunter2@db/o?"),
            migrate_on_start: true,
            channel_file: "/channels.yaml".into(),
            retry_budget: Duration::from_millis(500),
            replay_events_batch_size: NonZeroUsize::new(100).unwrap(),
            refuse_assets_that_stop_consumers: false,
            reload: Reload { interval: Some(Duration::from_secs(10)), stream_grace: Duration::from_secs(30) },
            grpc: Grpc {
                listen: "[::]:9000".parse().unwrap(),
                message_size_bytes_max: 4 * 1024 * 1024,
                keepalive_policy: KeepalivePolicy {
                    min_time: Duration::from_secs(30),
                    permit_without_stream: false,
                },
                tls: None,
            },
            http: Http { listen: "[::]:8484".parse().unwrap(), metrics_enabled: false },
            log: Log { level: LogLevel::Info, sql_verbose: false },
            warnings: Vec::new(),
        };
        assert_eq!(accepted(PLAIN, &[]), expected);
    }

    #[test]
    fn every_other_setting_is_read() {
        let configuration = accepted(
            PLAIN,
            &[
                ("ORCHESTRATOR_MIGRATE_ON_START", "0"),
                ("ORCHESTRATOR_TX_RETRY_BUDGET", "-1s"),
                ("ORCHESTRATOR_REPLAY_EVENTS_BATCH_SIZE", "7"),
                ("ORCHESTRATOR_REFUSE_ASSETS_THAT_STOP_CONSUMERS", "T"),
                ("ORCHESTRATOR_RELOAD_INTERVAL", "0"),
                ("ORCHESTRATOR_STREAM_GRACE", "1m"),
                ("ORCHESTRATOR_GRPC_LISTEN", "127.0.0.1:1"),
                ("ORCHESTRATOR_GRPC_MAX_MESSAGE_SIZE", "65536"),
                ("ORCHESTRATOR_GRPC_KEEPALIVE_POLICY_MIN_TIME", "1m30s"),
                ("ORCHESTRATOR_GRPC_KEEPALIVE_POLICY_PERMIT_WITHOUT_STREAM", "true"),
                ("ORCHESTRATOR_HTTP_LISTEN", "127.0.0.1:2"),
                ("METRICS_ENABLED", "true"),
                ("LOG_LEVEL", "DEBUG"),
                ("LOG_SQL_VERBOSE", "t"),
            ],
        );
        let expected = ServeConfiguration {
            migrate_on_start: false,
            retry_budget: Duration::ZERO,
            replay_events_batch_size: NonZeroUsize::new(7).unwrap(),
            refuse_assets_that_stop_consumers: true,
            reload: Reload { interval: None, stream_grace: Duration::from_secs(60) },
            grpc: Grpc {
                listen: "127.0.0.1:1".parse().unwrap(),
                message_size_bytes_max: 65_536,
                keepalive_policy: KeepalivePolicy {
                    min_time: Duration::from_secs(90),
                    permit_without_stream: true,
                },
                tls: None,
            },
            http: Http { listen: "127.0.0.1:2".parse().unwrap(), metrics_enabled: true },
            log: Log { level: LogLevel::Debug, sql_verbose: true },
            ..accepted(PLAIN, &[])
        };
        assert_eq!(configuration, expected);
    }

    #[test]
    fn tls_has_three_levels() {
        let tls = |changes: &[_]| accepted(CHECKED, changes).grpc.tls;
        let mutual = |verify_client_msp_id| {
            Some(MutualTls {
                server_ca: "/ca.crt".into(),
                client_ca_directory: "/client".into(),
                verify_client_msp_id,
            })
        };
        let with = |mutual| Some(Tls { certificate: "/tls.crt".into(), key: "/tls.key".into(), mutual });
        let unchecked = ("ORCHESTRATOR_VERIFY_CLIENT_MSP_ID", "false");
        assert_eq!(tls(&[]), with(mutual(true)));
        assert_eq!(tls(&[unchecked]), with(mutual(false)));
        assert_eq!(tls(&[unchecked, ("ORCHESTRATOR_MTLS_ENABLED", "false")]), with(None));
        assert_eq!(tls(&[unchecked, ("ORCHESTRATOR_TLS_ENABLED", "false")]), None);
    }

    #[test]
    fn settings_are_looked_at_only_where_they_are_needed() {
        let nonsense: Vec<_> =
            ["TLS_CERT_PATH", "TLS_KEY_PATH", "TLS_SERVER_CA_CERT", "TLS_CLIENT_CA_CERT_DIR"]
                .map(|name| format!("ORCHESTRATOR_{name}"))
                .into();
        let mut changes: Vec<_> = nonsense.iter().map(|name| (name.as_str(), "")).collect();
        changes.push(("ORCHESTRATOR_MTLS_ENABLED", "nonsense"));
        assert_eq!(accepted(PLAIN, &changes), accepted(PLAIN, &[]));
    }

    /// Each row: the environment, what is changed in it, and the variables that are then reported.
    const REJECTED: &[(Variables, Variables, &[&str])] = &[
        // Missing, and set but empty.
        (PLAIN, &[("ORCHESTRATOR_DATABASE_URL", UNSET)], &["ORCHESTRATOR_DATABASE_URL"]),
        (PLAIN, &[("ORCHESTRATOR_DATABASE_URL", "")], &["ORCHESTRATOR_DATABASE_URL"]),
        (PLAIN, &[("ORCHESTRATOR_CHANNEL_CONFIG", UNSET)], &["ORCHESTRATOR_CHANNEL_CONFIG"]),
        (PLAIN, &[("ORCHESTRATOR_CHANNEL_CONFIG", "")], &["ORCHESTRATOR_CHANNEL_CONFIG"]),
        (PLAIN, &[("ORCHESTRATOR_TX_RETRY_BUDGET", UNSET)], &["ORCHESTRATOR_TX_RETRY_BUDGET"]),
        (PLAIN, &[("ORCHESTRATOR_TX_RETRY_BUDGET", "")], &["ORCHESTRATOR_TX_RETRY_BUDGET"]),
        (PLAIN, &[("ORCHESTRATOR_TLS_ENABLED", UNSET)], &["ORCHESTRATOR_TLS_ENABLED"]),
        (PLAIN, &[("ORCHESTRATOR_TLS_ENABLED", "")], &["ORCHESTRATOR_TLS_ENABLED"]),
        (PLAIN, &[("ORCHESTRATOR_VERIFY_CLIENT_MSP_ID", UNSET)], &["ORCHESTRATOR_VERIFY_CLIENT_MSP_ID"]),
        (PLAIN, &[("ORCHESTRATOR_VERIFY_CLIENT_MSP_ID", "")], &["ORCHESTRATOR_VERIFY_CLIENT_MSP_ID"]),
        (CHECKED, &[("ORCHESTRATOR_TLS_CERT_PATH", UNSET)], &["ORCHESTRATOR_TLS_CERT_PATH"]),
        (CHECKED, &[("ORCHESTRATOR_TLS_KEY_PATH", UNSET)], &["ORCHESTRATOR_TLS_KEY_PATH"]),
        (CHECKED, &[("ORCHESTRATOR_MTLS_ENABLED", UNSET)], &["ORCHESTRATOR_MTLS_ENABLED"]),
        (CHECKED, &[("ORCHESTRATOR_TLS_SERVER_CA_CERT", UNSET)], &["ORCHESTRATOR_TLS_SERVER_CA_CERT"]),
        (
            CHECKED,
            &[("ORCHESTRATOR_TLS_CLIENT_CA_CERT_DIR", UNSET)],
            &["ORCHESTRATOR_TLS_CLIENT_CA_CERT_DIR"],
        ),
        // Malformed.
        (PLAIN, &[("ORCHESTRATOR_TX_RETRY_BUDGET", "500")], &["ORCHESTRATOR_TX_RETRY_BUDGET"]),
        (PLAIN, &[("ORCHESTRATOR_TLS_ENABLED", "yes")], &["ORCHESTRATOR_TLS_ENABLED"]),
        (CHECKED, &[("ORCHESTRATOR_MTLS_ENABLED", "on")], &["ORCHESTRATOR_MTLS_ENABLED"]),
        (
            PLAIN,
            &[("ORCHESTRATOR_REPLAY_EVENTS_BATCH_SIZE", "0")],
            &["ORCHESTRATOR_REPLAY_EVENTS_BATCH_SIZE"],
        ),
        (
            PLAIN,
            &[("ORCHESTRATOR_REPLAY_EVENTS_BATCH_SIZE", "-1")],
            &["ORCHESTRATOR_REPLAY_EVENTS_BATCH_SIZE"],
        ),
        (PLAIN, &[("ORCHESTRATOR_GRPC_LISTEN", "9000")], &["ORCHESTRATOR_GRPC_LISTEN"]),
        // The identity check without the certificates that it checks.
        (CHECKED, &[("ORCHESTRATOR_TLS_ENABLED", "false")], &["ORCHESTRATOR_VERIFY_CLIENT_MSP_ID"]),
        (CHECKED, &[("ORCHESTRATOR_MTLS_ENABLED", "false")], &["ORCHESTRATOR_VERIFY_CLIENT_MSP_ID"]),
        (
            PLAIN,
            &[("ORCHESTRATOR_VERIFY_CLIENT_MSP_ID", "true")],
            &["ORCHESTRATOR_TLS_CLIENT_CA_CERT_DIR", "ORCHESTRATOR_VERIFY_CLIENT_MSP_ID"],
        ),
        // Several at once; what a malformed switch would have made necessary is not guessed.
        (
            &[],
            &[],
            &[
                "ORCHESTRATOR_DATABASE_URL",
                "ORCHESTRATOR_CHANNEL_CONFIG",
                "ORCHESTRATOR_TX_RETRY_BUDGET",
                "ORCHESTRATOR_TLS_ENABLED",
                "ORCHESTRATOR_VERIFY_CLIENT_MSP_ID",
            ],
        ),
        (
            PLAIN,
            &[
                ("ORCHESTRATOR_TLS_ENABLED", "true"),
                ("ORCHESTRATOR_GRPC_MAX_MESSAGE_SIZE", "4MiB"),
                ("ORCHESTRATOR_HTTP_LISTEN", ":8484"),
            ],
            &[
                "ORCHESTRATOR_TLS_CERT_PATH",
                "ORCHESTRATOR_TLS_KEY_PATH",
                "ORCHESTRATOR_MTLS_ENABLED",
                "ORCHESTRATOR_GRPC_MAX_MESSAGE_SIZE",
                "ORCHESTRATOR_HTTP_LISTEN",
            ],
        ),
        (
            CHECKED,
            &[
                ("ORCHESTRATOR_TLS_ENABLED", "yes"),
                ("ORCHESTRATOR_TLS_CERT_PATH", UNSET),
                ("ORCHESTRATOR_TLS_CLIENT_CA_CERT_DIR", UNSET),
            ],
            &["ORCHESTRATOR_TLS_ENABLED", "ORCHESTRATOR_TLS_CLIENT_CA_CERT_DIR"],
        ),
    ];

    #[test]
    fn all_problems_are_reported_at_once() {
        for (base, changes, expected) in REJECTED {
            let (names, problems) = rejected(base, changes);
            assert_eq!(names, *expected, "{changes:?}: {problems}");
        }
    }

    #[test]
    fn a_variable_with_a_default_must_not_be_empty() {
        let lenient = [settings::METRICS_ENABLED, settings::LOG_LEVEL, settings::LOG_SQL_VERBOSE];
        let with_default = settings::ALL.into_iter().filter(|setting| setting.default.is_some());
        for setting in with_default {
            if lenient.contains(&setting) {
                assert_eq!(accepted(PLAIN, &[(setting.name, "")]), accepted(PLAIN, &[]));
            } else {
                let (names, problems) = rejected(PLAIN, &[(setting.name, "")]);
                assert_eq!(names, [setting.name]);
                assert!(problems.contains("is empty; expected "), "{problems}");
            }
        }
    }

    #[test]
    fn a_malformed_lenient_variable_counts_as_its_default_with_a_warning() {
        for name in ["METRICS_ENABLED", "LOG_LEVEL", "LOG_SQL_VERBOSE"] {
            let configuration = accepted(PLAIN, &[(name, "NOTICE")]);
            let warned: Vec<_> =
                configuration.warnings.iter().map(|warning| warning.variable.as_str()).collect();
            assert_eq!(warned, [name]);
            assert_eq!(ServeConfiguration { warnings: Vec::new(), ..configuration }, accepted(PLAIN, &[]));
        }
    }

    #[test]
    fn an_unknown_variable_is_a_warning() {
        let warnings = accepted(PLAIN, &[("ORCHESTRATOR_TLS_ENABLE", "true")]).warnings;
        assert_eq!(warnings.len(), 1);
        assert_eq!(warnings[0].to_string(), "ORCHESTRATOR_TLS_ENABLE: is not a known setting; ignored");
    }

    #[test]
    fn the_password_is_not_shown() {
        let configuration = format!("{:?}", accepted(PLAIN, &[]));
        assert!(!configuration.contains("hunter2"), "{configuration}");
        let (_, problems) = rejected(PLAIN, &[("ORCHESTRATOR_TLS_ENABLED", "yes")]);
        assert!(!problems.contains("hunter2"), "{problems}");
    }

    #[test]
    fn the_problems_on_the_page_for_operators_are_real() {
        let changes = [
            ("ORCHESTRATOR_DATABASE_URL", UNSET),
            ("ORCHESTRATOR_TX_RETRY_BUDGET", "500"),
            ("ORCHESTRATOR_MTLS_ENABLED", "false"),
            ("ORCHESTRATOR_REPLAY_EVENTS_BATCH_SIZE", ""),
        ];
        let (_, problems) = rejected(CHECKED, &changes);
        let page = include_str!("../../../../docs/configuration.md");
        assert!(page.contains(&format!("```text\n{problems}\n```\n")), "{problems}");
    }
}
