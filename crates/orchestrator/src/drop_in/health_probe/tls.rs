//! TLS of the probe: which servers it believes, what it shows of itself, and how it connects.
//!
//! It has a configuration of its own, because the transport's always verifies the server and a probe may be told not to. Start at
//! [`Tls::of`].

use std::io;
use std::path::Path;
use std::sync::Arc;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WantsClientCert, WebPkiServerVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::super::go_flags::Flags;
use crate::configuration::BOOLEAN;

/// Where Debian's packages keep the authorities that a machine trusts.
const TRUSTED_BY_THE_MACHINE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Flags that mean nothing without `-tls`.
const DETAILS: [&str; 4] = ["tls-ca-cert", "tls-client-cert", "tls-client-key", "tls-server-name"];

/// How the probe speaks TLS.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
    /// The name that the server's certificate must have, if not that of its address.
    server_name: Option<ServerName<'static>>,
}

impl Tls {
    /// What the command line asks for; `None`: plain text.
    ///
    /// # Errors
    /// What is wrong with it, or with a file that it names.
    pub(super) fn of(flags: &Flags) -> Result<Option<Self>, String> {
        let is_on = |name| Ok::<_, String>(flags.value(name, &BOOLEAN)?.unwrap_or(false));
        let given = |name: &'static str| flags.text(name).is_some();
        let (tls, no_verify) = (is_on("tls")?, is_on("tls-no-verify")?);
        let useless = |names: &[&'static str]| names.iter().copied().find(|name| given(name));
        let detail = useless(&DETAILS).or(no_verify.then_some("tls-no-verify"));
        match (tls, detail) {
            (false, None) => return Ok(None),
            (false, Some(name)) => return Err(format!("specified -{name} without specifying -tls")),
            (true, _) => {}
        }
        if no_verify && let Some(name) = useless(&["tls-ca-cert", "tls-server-name"]) {
            return Err(format!("-{name} would not be used with -tls-no-verify"));
        }
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match no_verify {
            true => Arc::new(Anybody(Arc::clone(&provider))),
            false => verifier(flags.text("tls-ca-cert").unwrap_or(TRUSTED_BY_THE_MACHINE), &provider)?,
        };
        let server_name = flags.text("tls-server-name").map(server_name).transpose()?;
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config
            .map_err(|problem| problem.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = with_identity(config, flags)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Some(Self { connector: Arc::new(config).into(), server_name }))
    }

    /// A connection to the server at this address.
    pub(super) async fn connect(self, address: Uri) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
        let host = address.host().unwrap_or_default();
        let port = address.port_u16().unwrap_or(443);
        let server_name = match self.server_name {
            Some(name) => name,
            None => server_name(host).map_err(io::Error::other)?,
        };
        let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
        self.connector.connect(server_name, stream).await.map(TokioIo::new)
    }
}

/// Believes whoever one of these authorities vouches for.
fn verifier(authorities: &str, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(authorities)?);
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    verifier.build().map_err(|problem| format!("cannot use {authorities}: {problem}"))
}

fn with_identity(
    config: ConfigBuilder<ClientConfig, WantsClientCert>,
    flags: &Flags,
) -> Result<ClientConfig, String> {
    match (flags.text("tls-client-cert"), flags.text("tls-client-key")) {
        (Some(certificate), Some(key)) => {
            let key =
                PrivateKeyDer::from_pem_file(Path::new(key)).map_err(|problem| unreadable(key, &problem))?;
            config
                .with_client_auth_cert(certificates(certificate)?, key)
                .map_err(|problem| problem.to_string())
        }
        (None, None) => Ok(config.with_no_client_auth()),
        _ => Err("-tls-client-cert and -tls-client-key must be given together".to_owned()),
    }
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_file_iter(Path::new(path)).and_then(Iterator::collect);
    certificates.map_err(|problem| unreadable(path, &problem))
}

fn server_name(name: &str) -> Result<ServerName<'static>, String> {
    let unbracketed = name.trim_matches(['[', ']']).to_owned();
    ServerName::try_from(unbracketed).map_err(|problem| format!("{name:?} is no name of a server: {problem}"))
}

fn unreadable(path: &str, problem: &dyn std::fmt::Display) -> String {
    format!("cannot read {path}: {problem}")
}

/// Believes everybody who has the key of whatever certificate it shows.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
