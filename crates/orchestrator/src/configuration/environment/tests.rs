//! What environments are accepted and rejected, and with which words.

use std::collections::BTreeMap;

use server::KeepalivePolicy;

use super::super::settings;
use super::tls::MutualTls;
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
    // core/OPS-1, OPS-2
    let expected = ServeConfiguration {
        database_url: DatabaseUrl::new("postgres://u:hunter2@db/o?"),
        migrate_on_start: true,
        channel_file: "/channels.yaml".into(),
        retry_budget: Duration::from_millis(500),
        write_queue_length: NonZeroUsize::new(4096).unwrap(),
        replay_events_batch_size: NonZeroUsize::new(100).unwrap(),
        refuse_assets_that_stop_consumers: false,
        reload_interval: Some(Duration::from_secs(10)),
        grpc: Grpc { listen: "[::]:9000".parse().unwrap(), limits: Limits::default(), tls: None },
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
            ("ORCHESTRATOR_WRITE_QUEUE_LENGTH", "8"),
            ("ORCHESTRATOR_REPLAY_EVENTS_BATCH_SIZE", "7"),
            ("ORCHESTRATOR_REFUSE_ASSETS_THAT_STOP_CONSUMERS", "T"),
            ("ORCHESTRATOR_RELOAD_INTERVAL", "0"),
            ("ORCHESTRATOR_STREAM_GRACE", "1m"),
            ("ORCHESTRATOR_GRPC_LISTEN", "127.0.0.1:1"),
            ("ORCHESTRATOR_GRPC_MAX_MESSAGE_SIZE", "65536"),
            ("ORCHESTRATOR_GRPC_MAX_HEADER_LIST_SIZE", "4096"),
            ("ORCHESTRATOR_GRPC_MAX_CONNECTIONS", "11"),
            ("ORCHESTRATOR_GRPC_MAX_CONNECTIONS_PER_ADDRESS", "12"),
            ("ORCHESTRATOR_GRPC_MAX_STREAMS_PER_CONNECTION", "13"),
            ("ORCHESTRATOR_GRPC_MAX_PENDING_RESETS", "14"),
            ("ORCHESTRATOR_GRPC_MAX_CALLS_PER_ORGANIZATION", "15"),
            ("ORCHESTRATOR_GRPC_MAX_STREAMS_PER_ORGANIZATION", "16"),
            ("ORCHESTRATOR_GRPC_MAX_REQUEST_BYTES_PER_ORGANIZATION", "65537"),
            ("ORCHESTRATOR_GRPC_MAX_ANSWER_BYTES_PER_ORGANIZATION", "65538"),
            ("ORCHESTRATOR_GRPC_MAX_BYTES_UNDER_WAY", "65539"),
            ("ORCHESTRATOR_GRPC_HANDSHAKE_TIMEOUT", "17s"),
            ("ORCHESTRATOR_GRPC_IDLE_TIMEOUT", "0"),
            ("ORCHESTRATOR_GRPC_CALL_TIMEOUT", "18s"),
            ("ORCHESTRATOR_GRPC_PING_INTERVAL", "19s"),
            ("ORCHESTRATOR_GRPC_PING_TIMEOUT", "20ms"),
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
        write_queue_length: NonZeroUsize::new(8).unwrap(),
        replay_events_batch_size: NonZeroUsize::new(7).unwrap(),
        refuse_assets_that_stop_consumers: true,
        reload_interval: None,
        grpc: Grpc {
            listen: "127.0.0.1:1".parse().unwrap(),
            limits: Limits {
                message_bytes_max: 65_536,
                header_list_bytes_max: 4096,
                connections_max: 11,
                connections_per_address_max: 12,
                streams_per_connection_max: 13,
                pending_resets_max: 14,
                calls_per_organization_max: 15,
                streams_per_organization_max: 16,
                request_bytes_per_organization_max: 65_537,
                answer_bytes_per_organization_max: 65_538,
                bytes_under_way_max: 65_539,
                handshake_timeout: Duration::from_secs(17),
                idle_timeout: None,
                call_timeout: Duration::from_secs(18),
                ping_interval: Duration::from_secs(19),
                ping_timeout: Duration::from_millis(20),
                keepalive_policy: KeepalivePolicy {
                    min_time: Duration::from_secs(90),
                    permit_without_stream: true,
                },
                stream_grace: Duration::from_secs(60),
                ..Limits::default()
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
    let nonsense: Vec<_> = ["TLS_CERT_PATH", "TLS_KEY_PATH", "TLS_SERVER_CA_CERT", "TLS_CLIENT_CA_CERT_DIR"]
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
    (CHECKED, &[("ORCHESTRATOR_TLS_CLIENT_CA_CERT_DIR", UNSET)], &["ORCHESTRATOR_TLS_CLIENT_CA_CERT_DIR"]),
    // Malformed.
    (PLAIN, &[("ORCHESTRATOR_TX_RETRY_BUDGET", "500")], &["ORCHESTRATOR_TX_RETRY_BUDGET"]),
    (PLAIN, &[("ORCHESTRATOR_TLS_ENABLED", "yes")], &["ORCHESTRATOR_TLS_ENABLED"]),
    (CHECKED, &[("ORCHESTRATOR_MTLS_ENABLED", "on")], &["ORCHESTRATOR_MTLS_ENABLED"]),
    (PLAIN, &[("ORCHESTRATOR_REPLAY_EVENTS_BATCH_SIZE", "0")], &["ORCHESTRATOR_REPLAY_EVENTS_BATCH_SIZE"]),
    (PLAIN, &[("ORCHESTRATOR_REPLAY_EVENTS_BATCH_SIZE", "-1")], &["ORCHESTRATOR_REPLAY_EVENTS_BATCH_SIZE"]),
    (PLAIN, &[("ORCHESTRATOR_GRPC_LISTEN", "9000")], &["ORCHESTRATOR_GRPC_LISTEN"]),
    (PLAIN, &[("ORCHESTRATOR_GRPC_CALL_TIMEOUT", "0")], &["ORCHESTRATOR_GRPC_CALL_TIMEOUT"]),
    (
        PLAIN,
        &[
            ("ORCHESTRATOR_GRPC_MAX_HEADER_LIST_SIZE", "4095"),
            ("ORCHESTRATOR_GRPC_MAX_STREAMS_PER_CONNECTION", "0"),
            ("ORCHESTRATOR_GRPC_HANDSHAKE_TIMEOUT", "-1s"),
        ],
        &[
            "ORCHESTRATOR_GRPC_MAX_HEADER_LIST_SIZE",
            "ORCHESTRATOR_GRPC_MAX_STREAMS_PER_CONNECTION",
            "ORCHESTRATOR_GRPC_HANDSHAKE_TIMEOUT",
        ],
    ),
    // No request of the largest size could be sent.
    (
        PLAIN,
        &[("ORCHESTRATOR_GRPC_MAX_REQUEST_BYTES_PER_ORGANIZATION", "4194303")],
        &["ORCHESTRATOR_GRPC_MAX_REQUEST_BYTES_PER_ORGANIZATION"],
    ),
    (
        PLAIN,
        &[("ORCHESTRATOR_GRPC_MAX_BYTES_UNDER_WAY", "4194303")],
        &["ORCHESTRATOR_GRPC_MAX_BYTES_UNDER_WAY"],
    ),
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
    // core/OPS-2, DEF-11, DEF-54
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
        let warned: Vec<_> = configuration.warnings.iter().map(|warning| warning.variable.as_str()).collect();
        assert_eq!(warned, [name]);
        assert_eq!(ServeConfiguration { warnings: Vec::new(), ..configuration }, accepted(PLAIN, &[]));
    }
}

#[test]
fn an_unknown_variable_is_a_warning() {
    let warnings = accepted(PLAIN, &[("ORCHESTRATOR_TLS_ENABLE", "true")]).warnings;
    assert_eq!(warnings.len(), 1);
    assert_eq!(
        warnings[0].to_string(),
        "ORCHESTRATOR_TLS_ENABLE: is not a known setting; ignored; is ORCHESTRATOR_TLS_ENABLED meant?"
    );
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
    let page = include_str!("../../../../../docs/configuration.md");
    assert!(page.contains(&format!("```text\n{problems}\n```\n")), "{problems}");
}
