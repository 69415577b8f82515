//! `grpc_health_probe`: asks a server whether it serves, once, and tells by its exit status (core/HLT-1).
//!
//! Owns the command line, the two time limits, and which failure has which status; a probe of Kubernetes looks at nothing else. It speaks
//! to any server with the health service of gRPC. Start at [`run`].

mod tls;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use tokio::time::timeout;
use tonic::codec::CompressionEncoding;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tower::service_fn;

use self::tls::Tls;
use super::go_flags::{Flag, Flags};
use crate::configuration::{BOOLEAN, DURATION};

/// All of the original but those for identities that only one provider of machines has: `-alts` and `-spiffe`.
const KNOWN: [Flag; 14] = [
    Flag::Value("addr"),
    Flag::Value("service"),
    Flag::Value("user-agent"),
    Flag::Value("connect-timeout"),
    Flag::Value("rpc-timeout"),
    Flag::Value("rpc-header"),
    Flag::Switch("gzip"),
    Flag::Switch("tls"),
    Flag::Switch("tls-no-verify"),
    Flag::Value("tls-ca-cert"),
    Flag::Value("tls-client-cert"),
    Flag::Value("tls-client-key"),
    Flag::Value("tls-server-name"),
    Flag::Switch("v"),
];

/// Why the status is not 0.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Arguments(String),
    #[error("failed to connect to {0}: {1}")]
    Connection(String, String),
    #[error("health rpc failed: {0}")]
    Call(String),
    #[error("service unhealthy: {0}")]
    NotServing(&'static str),
}

impl Failure {
    const fn status(&self) -> u8 {
        match self {
            Self::Arguments(_) => 1,
            Self::Connection(..) => 2,
            Self::Call(_) => 3,
            Self::NotServing(_) => 4,
        }
    }
}

/// What the command line asks for.
struct Probe {
    address: String,
    service: String,
    user_agent: String,
    connect_timeout: Duration,
    call_timeout: Duration,
    headers: Vec<(AsciiMetadataKey, AsciiMetadataValue)>,
    compressed: bool,
    tls: Option<Tls>,
    verbose: bool,
}

/// Probes; the status is 0 if and only if the answer is SERVING.
pub(super) async fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    let (status, message) = match probe(arguments).await {
        Ok(()) => (ExitCode::SUCCESS, "status: SERVING".to_owned()),
        Err(failure) => (ExitCode::from(failure.status()), failure.to_string()),
    };
    // Without standard error the status still tells.
    let _unheard = writeln!(std::io::stderr(), "{message}");
    status
}

async fn probe(arguments: impl Iterator<Item = String>) -> Result<(), Failure> {
    let probe = Probe::parse(arguments).map_err(Failure::Arguments)?;
    if probe.verbose {
        let _unheard = writeln!(
            std::io::stderr(),
            "addr={} conn-timeout={:?} rpc-timeout={:?} tls={}",
            probe.address,
            probe.connect_timeout,
            probe.call_timeout,
            probe.tls.is_some()
        );
    }
    let connection = probe.connect().await?;
    match probe.ask(connection).await? {
        ServingStatus::Serving => Ok(()),
        other => Err(Failure::NotServing(other.as_str_name())),
    }
}

impl Probe {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let flags = Flags::parse(arguments, &KNOWN)?;
        if let Some(unexpected) = flags.rest.first() {
            return Err(format!("{unexpected:?} is no flag"));
        }
        let address = flags.text("addr").ok_or("-addr not specified")?;
        Ok(Self {
            address: with_host(address),
            service: flags.text("service").unwrap_or_default().to_owned(),
            user_agent: flags.text("user-agent").unwrap_or("grpc_health_probe").to_owned(),
            connect_timeout: time_limit(&flags, "connect-timeout")?,
            call_timeout: time_limit(&flags, "rpc-timeout")?,
            headers: flags.all("rpc-header").map(header).collect::<Result<_, _>>()?,
            compressed: flags.value("gzip", &BOOLEAN)?.unwrap_or(false),
            tls: Tls::of(&flags)?,
            verbose: flags.value("v", &BOOLEAN)?.unwrap_or(false),
        })
    }

    async fn connect(&self) -> Result<Channel, Failure> {
        let failed = |problem: String| Failure::Connection(self.address.clone(), problem);
        let endpoint = self.endpoint().map_err(|error| Failure::Arguments(with_causes(&error)))?;
        let connected = async {
            match self.tls.clone() {
                None => endpoint.connect().await,
                Some(tls) => {
                    let connector = service_fn(move |address| tls.clone().connect(address));
                    endpoint.connect_with_connector(connector).await
                }
            }
        };
        let connected = timeout(self.connect_timeout, connected).await;
        let connected = connected.map_err(|_| failed(format!("not within {:?}", self.connect_timeout)))?;
        connected.map_err(|error| failed(with_causes(&error)))
    }

    fn endpoint(&self) -> Result<Endpoint, tonic::transport::Error> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address))?;
        endpoint.user_agent(&self.user_agent)
    }

    async fn ask(&self, connection: Channel) -> Result<ServingStatus, Failure> {
        let mut request = tonic::Request::new(HealthCheckRequest { service: self.service.clone() });
        for (name, value) in &self.headers {
            request.metadata_mut().append(name.clone(), value.clone());
        }
        let mut health = HealthClient::new(connection);
        if self.compressed {
            health = health
                .send_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Gzip);
        }
        let answered = timeout(self.call_timeout, health.check(request)).await;
        let answer = answered
            .map_err(|_| Failure::Call(format!("timeout: not within {:?}", self.call_timeout)))?
            .map_err(|status| Failure::Call(format!("{:?}: {}", status.code(), status.message())))?;
        Ok(answer.into_inner().status())
    }
}

/// A port alone is one of this machine.
fn with_host(address: &str) -> String {
    match address.strip_prefix(':') {
        Some(port) => format!("localhost:{port}"),
        None => address.to_owned(),
    }
}

fn time_limit(flags: &Flags, name: &'static str) -> Result<Duration, String> {
    match flags.value(name, &DURATION)? {
        None => Ok(Duration::from_secs(1)),
        Some(Duration::ZERO) => Err(format!("-{name} must be greater than zero")),
        Some(limit) => Ok(limit),
    }
}

fn header(text: &str) -> Result<(AsciiMetadataKey, AsciiMetadataValue), String> {
    let parsed = text.split_once(':').and_then(|(name, value)| {
        Some((name.trim().to_ascii_lowercase().parse().ok()?, value.trim().parse().ok()?))
    });
    parsed.ok_or_else(|| format!("-rpc-header is {text:?}, expected \"name: value\""))
}

/// The transport's errors say little themselves.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Probe, String> {
        Probe::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn what_is_not_said_is_as_in_the_original() {
        let probe = parse("-addr=:9000").unwrap();
        assert_eq!((probe.address.as_str(), probe.service.as_str()), ("localhost:9000", ""));
        let second = Duration::from_secs(1);
        assert_eq!((probe.connect_timeout, probe.call_timeout), (second, second));
        assert!(probe.tls.is_none() && !probe.verbose);
    }

    #[test]
    fn a_wrong_command_line_is_refused() {
        for line in [
            "",
            "-addr=:9000 -alts",
            "-addr=:9000 now",
            "-addr=:9000 -connect-timeout=0s",
            "-addr=:9000 -rpc-timeout=soon",
            "-addr=:9000 -rpc-header=none",
            "-addr=:9000 -tls-server-name=name",
            "-addr=:9000 -tls-no-verify",
            "-addr=:9000 -tls -tls-ca-cert=/nonexistent",
            "-addr=:9000 -tls -tls-client-cert=/nonexistent",
            "-addr=:9000 -tls -tls-no-verify -tls-ca-cert=/nonexistent",
            "-addr=:9000 -tls -tls-no-verify -tls-server-name=name",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
