//! TLS: what the server shows its clients, and what it asks of them (core/ID-11).
//!
//! Owns the protocol's settings and the handshake. Which files there are is said by whoever starts the server, they are read by
//! `material`, and what a client's certificate lets it do is known to `certificate_identity`. Start at [`Tls::load`].

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::NoServerSessionStorage;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::authority::{Authorities, Validity, provider};
use crate::certificate_identity::CertificateIdentity;
use crate::client_authorities::ClientAuthorities;
use crate::expiry::{Expiry, Role};
use crate::material::ClientMaterial;
pub use crate::material::{ClientFiles, Files, Material};
use crate::pem::PemFile;

/// The only protocol that is spoken here, as clients must name it in the handshake.
const HTTP2: &[u8] = b"h2";

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
}

impl Error {
    pub(crate) fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::Unreadable { path: path.into(), source }
    }
}

/// What is needed to answer handshakes, and to judge who has come through one. Cloning is cheap.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    clients: Option<Arc<Clients>>,
    expiries: Arc<[Expiry]>,
}

/// Whose clients get in, and what they prove.
#[derive(Debug)]
struct Clients {
    /// All authorities, of every organization and of the server.
    trusted: Arc<Authorities>,
    /// Who may vouch for which organization, if the identity check is on.
    organizations: Option<ClientAuthorities>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("clients", &self.clients).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads all files, and uses what is in them; later changes to them have no effect.
    ///
    /// # Errors
    /// [`Error`], with the name of the file where the fault is that of one file.
    pub fn load(files: &Files) -> Result<Self, Error> {
        Self::new(&files.read()?)
    }

    /// Uses what was read.
    ///
    /// # Errors
    /// As for [`Self::load`].
    pub fn new(material: &Material) -> Result<Self, Error> {
        let Material { certificate, key, clients } = material;
        let mut expiries = expiries(certificate)?;
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(Error::Protocol)?;
        let clients = clients.as_ref().map(|clients| Clients::new(clients, &mut expiries)).transpose()?;
        let builder = match &clients {
            None => builder.with_no_client_auth(),
            Some(clients) => builder.with_client_cert_verifier(Arc::clone(&clients.trusted) as _),
        };
        let mut config =
            builder.with_single_cert(certificate.certificates()?, key.key()?).map_err(|error| {
                let certificate = certificate.path().display();
                key.unusable(&format!("together with {certificate}: {error}"))
            })?;
        config.alpn_protocols = vec![HTTP2.to_vec()];
        // A resumed session is not verified again: a certificate that has expired meanwhile would still be good.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { acceptor, clients: clients.map(Arc::new), expiries: expiries.into() })
    }

    /// When the certificates end that the server was given.
    pub fn expiries(&self) -> &[Expiry] {
        &self.expiries
    }

    /// Whether callers must prove the organization that they name (core/ID-5, ID-6).
    pub(crate) fn verifies_organizations(&self) -> bool {
        self.clients.as_ref().is_some_and(|clients| clients.organizations.is_some())
    }

    /// Answers a handshake, and keeps the certificates that the client has presented in it; none if it was not asked.
    ///
    /// # Errors
    /// The client does not speak TLS and HTTP/2, or its certificate is not good enough (core/ID-11).
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, Vec<CertificateDer<'static>>)> {
        let stream = self.acceptor.accept(stream).await?;
        let (_stream, session) = stream.get_ref();
        if session.alpn_protocol() != Some(HTTP2) {
            return Err(io::Error::other("the client did not ask for HTTP/2"));
        }
        let chain = session.peer_certificates().unwrap_or_default().to_vec();
        Ok((stream, chain))
    }

    /// What a client proves that has presented this chain in a handshake.
    ///
    /// # Errors
    /// The chain would not be good enough now.
    pub(crate) fn examine(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<CertificateIdentity, rustls::Error> {
        let Some(clients) = &self.clients else {
            return Ok(CertificateIdentity::default());
        };
        let (leaf, others) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        clients.trusted.verify(leaf, others, now)?;
        let organizations = clients.organizations.as_ref();
        let identity = organizations.map(|organizations| CertificateIdentity::of(chain, organizations, now));
        Ok(identity.unwrap_or_default())
    }
}

impl Clients {
    /// Notes when the authorities end.
    fn new(material: &ClientMaterial, expiries: &mut Vec<Expiry>) -> Result<Self, Error> {
        let ClientMaterial { server_authorities, organizations, verify_organization } = material;
        let server_authorities = server_authorities.authorities()?;
        let organizations = ClientAuthorities::new(organizations)?;
        let of_server = server_authorities.iter().map(|authority| (Role::ServerAuthority, authority));
        let of_clients = organizations
            .all()
            .map(|(organization, authority)| (Role::ClientAuthority(organization.clone()), authority));
        let mut trusted = Vec::new();
        for (role, authority) in of_server.chain(of_clients) {
            expiries.push(Expiry::new(role, authority.validity.clone()));
            trusted.push(authority.clone());
        }
        let trusted = Arc::new(Authorities(trusted));
        Ok(Self { trusted, organizations: verify_organization.then_some(organizations) })
    }
}

/// When the certificates of the server's file end.
fn expiries(file: &PemFile) -> Result<Vec<Expiry>, Error> {
    let validity = |certificate| Validity::of(&certificate).map_err(|problem| file.unusable(&problem));
    let expiry = |certificate| Ok(Expiry::new(Role::Server, validity(certificate)?));
    file.certificates()?.into_iter().map(expiry).collect()
}
