//! Encryption: whom to believe, and what to prove with which key.
//!
//! Everything is PEM text; where it comes from is the caller's business. The server's certificate is always verified, its name included.

use std::fmt;

use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// How to encrypt a connection.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The authorities that the server's certificate may come from, PEM.
    pub authorities: String,
    /// The name that the server's certificate must bear; `None`: the host of the address.
    pub server_name: Option<String>,
    /// What to prove; `None`: nothing, which is enough without mutual TLS.
    pub pair: Option<Pair>,
}

/// A certificate and its key. The key is not shown by `Debug`.
#[derive(Clone)]
pub struct Pair {
    /// The certificate, followed by those between it and its authority, if there are any; PEM.
    pub certificates: String,
    /// The private key, not encrypted, PEM.
    pub key: String,
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("certificates", &self.certificates).finish_non_exhaustive()
    }
}

impl Tls {
    pub(crate) fn config(&self) -> ClientTlsConfig {
        let mut config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&self.authorities));
        if let Some(name) = &self.server_name {
            config = config.domain_name(name);
        }
        if let Some(Pair { certificates, key }) = &self.pair {
            config = config.identity(Identity::from_pem(certificates, key));
        }
        config
    }
}
