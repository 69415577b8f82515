//! Every environment variable that the server reads, with its default: the one list of their names.
//!
//! Owns names and defaults; formats and conditions are in `environment`, the explanation for operators in `docs/configuration.md`, and a
//! test keeps that page equal to this list. Start at [`ALL`].

/// The prefix of our variables; what else begins with it is probably a typing error.
pub(crate) const PREFIX: &str = "ORCHESTRATOR_";

/// One environment variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// The whole name.
    pub(super) name: &'static str,
    /// The text that counts if the variable is not set; `None`: it must be set wherever it is needed.
    pub(super) default: Option<&'static str>,
    /// The value must never be shown.
    pub(super) secret: bool,
}

impl Setting {
    const fn required(name: &'static str) -> Self {
        Self { name, default: None, secret: false }
    }

    const fn optional(name: &'static str, default: &'static str) -> Self {
        Self { name, default: Some(default), secret: false }
    }

    const fn secret(name: &'static str) -> Self {
        Self { name, default: None, secret: true }
    }
}

pub(super) const DATABASE_URL: Setting = Setting::secret("ORCHESTRATOR_DATABASE_URL");
pub(super) const MIGRATE_ON_START: Setting = Setting::optional("ORCHESTRATOR_MIGRATE_ON_START", "true");
pub(super) const CHANNEL_CONFIG: Setting = Setting::required("ORCHESTRATOR_CHANNEL_CONFIG");
pub(super) const TX_RETRY_BUDGET: Setting = Setting::required("ORCHESTRATOR_TX_RETRY_BUDGET");
pub(super) const WRITE_QUEUE_LENGTH: Setting = Setting::optional("ORCHESTRATOR_WRITE_QUEUE_LENGTH", "4096");
pub(super) const REPLAY_EVENTS_BATCH_SIZE: Setting =
    Setting::optional("ORCHESTRATOR_REPLAY_EVENTS_BATCH_SIZE", "100");
pub(super) const REFUSE_ASSETS_THAT_STOP_CONSUMERS: Setting =
    Setting::optional("ORCHESTRATOR_REFUSE_ASSETS_THAT_STOP_CONSUMERS", "false");
pub(super) const TLS_ENABLED: Setting = Setting::required("ORCHESTRATOR_TLS_ENABLED");
pub(super) const TLS_CERT_PATH: Setting = Setting::required("ORCHESTRATOR_TLS_CERT_PATH");
pub(super) const TLS_KEY_PATH: Setting = Setting::required("ORCHESTRATOR_TLS_KEY_PATH");
pub(super) const MTLS_ENABLED: Setting = Setting::required("ORCHESTRATOR_MTLS_ENABLED");
pub(super) const TLS_SERVER_CA_CERT: Setting = Setting::required("ORCHESTRATOR_TLS_SERVER_CA_CERT");
pub(super) const TLS_CLIENT_CA_CERT_DIR: Setting = Setting::required("ORCHESTRATOR_TLS_CLIENT_CA_CERT_DIR");
pub(super) const VERIFY_CLIENT_MSP_ID: Setting = Setting::required("ORCHESTRATOR_VERIFY_CLIENT_MSP_ID");
pub(super) const RELOAD_INTERVAL: Setting = Setting::optional("ORCHESTRATOR_RELOAD_INTERVAL", "10s");
pub(super) const STREAM_GRACE: Setting = Setting::optional("ORCHESTRATOR_STREAM_GRACE", "30s");
pub(super) const GRPC_LISTEN: Setting = Setting::optional("ORCHESTRATOR_GRPC_LISTEN", "[::]:9000");
pub(super) const GRPC_MAX_MESSAGE_SIZE: Setting =
    Setting::optional("ORCHESTRATOR_GRPC_MAX_MESSAGE_SIZE", "4194304");
pub(super) const GRPC_MAX_HEADER_LIST_SIZE: Setting =
    Setting::optional("ORCHESTRATOR_GRPC_MAX_HEADER_LIST_SIZE", "65536");
pub(super) const GRPC_MAX_CONNECTIONS: Setting =
    Setting::optional("ORCHESTRATOR_GRPC_MAX_CONNECTIONS", "4096");
pub(super) const GRPC_MAX_CONNECTIONS_PER_ADDRESS: Setting =
    Setting::optional("ORCHESTRATOR_GRPC_MAX_CONNECTIONS_PER_ADDRESS", "256");
pub(super) const GRPC_MAX_STREAMS_PER_CONNECTION: Setting =
    Setting::optional("ORCHESTRATOR_GRPC_MAX_STREAMS_PER_CONNECTION", "1024");
pub(super) const GRPC_MAX_PENDING_RESETS: Setting =
    Setting::optional("ORCHESTRATOR_GRPC_MAX_PENDING_RESETS", "20");
pub(super) const GRPC_MAX_CALLS_PER_ORGANIZATION: Setting =
    Setting::optional("ORCHESTRATOR_GRPC_MAX_CALLS_PER_ORGANIZATION", "256");
pub(super) const GRPC_MAX_STREAMS_PER_ORGANIZATION: Setting =
    Setting::optional("ORCHESTRATOR_GRPC_MAX_STREAMS_PER_ORGANIZATION", "4096");
pub(super) const GRPC_MAX_REQUEST_BYTES_PER_ORGANIZATION: Setting =
    Setting::optional("ORCHESTRATOR_GRPC_MAX_REQUEST_BYTES_PER_ORGANIZATION", "67108864");
pub(super) const GRPC_MAX_ANSWER_BYTES_PER_ORGANIZATION: Setting =
    Setting::optional("ORCHESTRATOR_GRPC_MAX_ANSWER_BYTES_PER_ORGANIZATION", "67108864");
pub(super) const GRPC_MAX_BYTES_UNDER_WAY: Setting =
    Setting::optional("ORCHESTRATOR_GRPC_MAX_BYTES_UNDER_WAY", "1073741824");
pub(super) const GRPC_HANDSHAKE_TIMEOUT: Setting =
    Setting::optional("ORCHESTRATOR_GRPC_HANDSHAKE_TIMEOUT", "10s");
pub(super) const GRPC_IDLE_TIMEOUT: Setting = Setting::optional("ORCHESTRATOR_GRPC_IDLE_TIMEOUT", "2h");
pub(super) const GRPC_CALL_TIMEOUT: Setting = Setting::optional("ORCHESTRATOR_GRPC_CALL_TIMEOUT", "60s");
pub(super) const GRPC_PING_INTERVAL: Setting = Setting::optional("ORCHESTRATOR_GRPC_PING_INTERVAL", "60s");
pub(super) const GRPC_PING_TIMEOUT: Setting = Setting::optional("ORCHESTRATOR_GRPC_PING_TIMEOUT", "20s");
pub(super) const GRPC_KEEPALIVE_POLICY_MIN_TIME: Setting =
    Setting::optional("ORCHESTRATOR_GRPC_KEEPALIVE_POLICY_MIN_TIME", "30s");
pub(super) const GRPC_KEEPALIVE_POLICY_PERMIT_WITHOUT_STREAM: Setting =
    Setting::optional("ORCHESTRATOR_GRPC_KEEPALIVE_POLICY_PERMIT_WITHOUT_STREAM", "false");
pub(super) const HTTP_LISTEN: Setting = Setting::optional("ORCHESTRATOR_HTTP_LISTEN", "[::]:8484");
pub(super) const METRICS_ENABLED: Setting = Setting::optional("METRICS_ENABLED", "false");
pub(super) const LOG_LEVEL: Setting = Setting::optional("LOG_LEVEL", "info");
pub(super) const LOG_SQL_VERBOSE: Setting = Setting::optional("LOG_SQL_VERBOSE", "false");

/// Every setting, in the order of the page for operators.
pub(super) const ALL: [Setting; 39] = [
    DATABASE_URL,
    MIGRATE_ON_START,
    CHANNEL_CONFIG,
    TX_RETRY_BUDGET,
    WRITE_QUEUE_LENGTH,
    REPLAY_EVENTS_BATCH_SIZE,
    REFUSE_ASSETS_THAT_STOP_CONSUMERS,
    TLS_ENABLED,
    TLS_CERT_PATH,
    TLS_KEY_PATH,
    MTLS_ENABLED,
    TLS_SERVER_CA_CERT,
    TLS_CLIENT_CA_CERT_DIR,
    VERIFY_CLIENT_MSP_ID,
    RELOAD_INTERVAL,
    STREAM_GRACE,
    GRPC_LISTEN,
    GRPC_MAX_MESSAGE_SIZE,
    GRPC_MAX_HEADER_LIST_SIZE,
    GRPC_MAX_CONNECTIONS,
    GRPC_MAX_CONNECTIONS_PER_ADDRESS,
    GRPC_MAX_STREAMS_PER_CONNECTION,
    GRPC_MAX_PENDING_RESETS,
    GRPC_MAX_CALLS_PER_ORGANIZATION,
    GRPC_MAX_STREAMS_PER_ORGANIZATION,
    GRPC_MAX_REQUEST_BYTES_PER_ORGANIZATION,
    GRPC_MAX_ANSWER_BYTES_PER_ORGANIZATION,
    GRPC_MAX_BYTES_UNDER_WAY,
    GRPC_HANDSHAKE_TIMEOUT,
    GRPC_IDLE_TIMEOUT,
    GRPC_CALL_TIMEOUT,
    GRPC_PING_INTERVAL,
    GRPC_PING_TIMEOUT,
    GRPC_KEEPALIVE_POLICY_MIN_TIME,
    GRPC_KEEPALIVE_POLICY_PERMIT_WITHOUT_STREAM,
    HTTP_LISTEN,
    METRICS_ENABLED,
    LOG_LEVEL,
    LOG_SQL_VERBOSE,
];

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../docs/configuration.md");

    /// Name and default of every table row that begins with a variable: `` | `NAME` | needed | format | `default` | meaning | ``.
    fn rows_of_the_page() -> Vec<(&'static str, Option<&'static str>)> {
        let cells = |line: &'static str| line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        PAGE.lines()
            .map(cells)
            .filter(|cells: &Vec<_>| cells.len() == 7 && is_variable(cells[1]))
            .map(|cells| (cells[1], Some(cells[4]).filter(|default| *default != "none")))
            .collect()
    }

    fn is_variable(text: &str) -> bool {
        text.contains('_') && text.chars().all(|c| c.is_ascii_uppercase() || c == '_')
    }

    #[test]
    fn the_page_lists_every_setting_with_its_default_and_no_other() {
        let settings: Vec<_> = ALL.iter().map(|setting| (setting.name, setting.default)).collect();
        assert_eq!(rows_of_the_page(), settings);
    }

    #[test]
    fn the_page_mentions_no_variable_that_nobody_reads() {
        let words = PAGE.split(|c: char| !c.is_ascii_uppercase() && c != '_');
        let stale: Vec<_> = words
            .filter(|word| word.len() > PREFIX.len() && word.starts_with(PREFIX))
            .filter(|word| ALL.iter().all(|setting| setting.name != *word))
            .collect();
        assert_eq!(stale, Vec::<&str>::new());
    }
}
