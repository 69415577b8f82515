//! TLS: what the server shows its clients, and what it asks of them (core/ID-11).
//!
//! Owns the protocol's settings and the handshake. Which files there are is said by whoever starts the server, what is in them is read by
//! `pem` and `client_authorities`, and what a client's certificate lets it do is known to `certificate_identity`. Start at [`Tls::load`].

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::UnixTime;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::certificate_identity::CertificateIdentity;
use crate::client_authorities::ClientAuthorities;
use crate::pem;

/// The only protocol that is spoken here, as clients must name it in the handshake.
const HTTP2: &[u8] = b"h2";

/// Where certificates and keys are; all files are PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The server's certificate, followed by those between it and its authority, if there are any.
    pub certificate: PathBuf,
    /// The private key of that certificate, not encrypted.
    pub key: PathBuf,
    /// Whom to require certificates from; `None`: no client is asked for one.
    pub clients: Option<ClientFiles>,
}

/// Where the authorities of clients are, and what their certificates are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFiles {
    /// The authorities of the server's own certificate. Clients with a certificate of theirs may connect, but prove no organization.
    pub server_authorities: PathBuf,
    /// A directory with one directory for each organization, named as the organization, with files of authorities (core/ID-12).
    pub client_authorities: PathBuf,
    /// Whether the organization that a caller names must be that of its certificate (core/ID-6).
    pub verify_organization: bool,
}

/// TLS cannot be offered as configured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory cannot be read, or is larger than a megabyte.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Its name.
        path: PathBuf,
        /// What prevents it.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("cannot use {}: {problem}", path.display())]
    Unusable {
        /// Its name.
        path: PathBuf,
        /// What is wrong with its contents.
        problem: String,
    },
    /// The files are fine, each by itself, but not together.
    #[error("cannot offer TLS")]
    Protocol(#[source] rustls::Error),
    /// Clients cannot be verified with these authorities.
    #[error("cannot verify clients")]
    Verifier(#[from] VerifierBuilderError),
}

impl Error {
    pub(crate) fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::Unreadable { path: path.into(), source }
    }

    pub(crate) fn unusable(path: &Path, problem: &impl ToString) -> Self {
        Self::Unusable { path: path.into(), problem: problem.to_string() }
    }
}

/// What is needed to answer handshakes. Cloning is cheap.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    /// Who may vouch for which organization, if the identity check is on.
    organizations: Option<Arc<ClientAuthorities>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("organizations", &self.organizations).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads all files; later changes to them have no effect.
    ///
    /// # Errors
    /// [`Error`], with the name of the file where the fault is that of one file.
    pub fn load(files: &Files) -> Result<Self, Error> {
        let chain = pem::certificates(&files.certificate)?;
        let key = pem::key(&files.key)?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(Error::Protocol)?;
        let (builder, organizations) = match &files.clients {
            None => (builder.with_no_client_auth(), None),
            Some(clients) => {
                let authorities = ClientAuthorities::load(&clients.client_authorities)?;
                let mut trusted = pem::authorities(&clients.server_authorities)?;
                trusted.roots.extend(authorities.all());
                let organizations = clients.verify_organization.then(|| Arc::new(authorities));
                (builder.with_client_cert_verifier(verifier(trusted)?), organizations)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| {
            let certificate = files.certificate.display();
            Error::unusable(&files.key, &format!("together with {certificate}: {error}"))
        })?;
        config.alpn_protocols = vec![HTTP2.to_vec()];
        // A resumed session is not verified again: a certificate that has expired meanwhile would still be good.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), organizations })
    }

    /// Whether callers must prove the organization that they name (core/ID-5, ID-6).
    pub(crate) fn verifies_organizations(&self) -> bool {
        self.organizations.is_some()
    }

    /// Answers a handshake, and finds out what the client has proved by it.
    ///
    /// # Errors
    /// The client does not speak TLS and HTTP/2, or its certificate is not good enough (core/ID-11).
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, CertificateIdentity)> {
        let stream = self.acceptor.accept(stream).await?;
        let (_stream, session) = stream.get_ref();
        if session.alpn_protocol() != Some(HTTP2) {
            return Err(io::Error::other("the client did not ask for HTTP/2"));
        }
        let identity = match (&self.organizations, session.peer_certificates()) {
            (Some(organizations), Some(chain)) => {
                CertificateIdentity::of(chain, organizations, UnixTime::now())
            }
            _ => CertificateIdentity::default(),
        };
        Ok((stream, identity))
    }
}

/// Accepts client certificates that one of these authorities has issued, directly or through others that the client sends along.
///
/// Signatures, times, and the purpose of each certificate are checked (core/ID-11); key identifiers count for nothing (core/DEF-3).
///
/// # Errors
/// There is no authority.
pub(crate) fn verifier(authorities: RootCertStore) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider());
    // Strangers are not told the names of the authorities, which are those of the members.
    Ok(builder.clear_root_hint_subjects().build()?)
}

/// The implementation of the cryptography.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
