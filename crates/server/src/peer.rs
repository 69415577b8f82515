//! Peers: who is at the other end of a connection, and what its certificate is worth at the moment (core/ID-6, ID-11, DEF-9).
//!
//! A certificate is presented once, in the handshake, but what it proves can end while the connection lives: it expires, or its authority is
//! withdrawn. So it is examined again whenever access has changed, and now and then. Start at [`Peer::certificate`].

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};

use crate::access::Access;
use crate::certificate_identity::CertificateIdentity;

/// The certificate of a peer, if it had to present one, would be refused in a handshake now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotTrusted;

/// Who is at the other end of a connection. Found in the extensions of its requests.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    /// It speaks plain text, and has proved nothing.
    Plain,
    /// It speaks TLS.
    Encrypted(Arc<Presented>),
}

/// What a peer has presented in its handshake.
pub(crate) struct Presented {
    /// Its certificate and those it has sent along; empty if it was not asked.
    chain: Vec<CertificateDer<'static>>,
    /// For how long the outcome of an examination is good.
    examination_interval: Duration,
    examined: Mutex<Option<Examined>>,
}

/// The outcome of an examination.
struct Examined {
    /// By what the certificate was examined.
    access: Weak<Access>,
    at: Instant,
    outcome: Result<CertificateIdentity, NotTrusted>,
}

impl Peer {
    /// A peer that has presented these certificates.
    pub(crate) fn encrypted(chain: Vec<CertificateDer<'static>>, examination_interval: Duration) -> Self {
        Self::Encrypted(Arc::new(Presented { chain, examination_interval, examined: Mutex::default() }))
    }

    /// What the peer has proved, as things stand; `None` in plain text.
    ///
    /// # Errors
    /// [`NotTrusted`].
    pub(crate) fn certificate(
        &self,
        access: &Arc<Access>,
    ) -> Result<Option<CertificateIdentity>, NotTrusted> {
        match self {
            Self::Plain => Ok(None),
            Self::Encrypted(presented) => presented.identity(access).map(Some),
        }
    }
}

impl Presented {
    fn identity(&self, access: &Arc<Access>) -> Result<CertificateIdentity, NotTrusted> {
        let mut examined = self.examined.lock().unwrap_or_else(PoisonError::into_inner);
        match &*examined {
            Some(examined) if examined.counts(access, self.examination_interval) => examined.outcome.clone(),
            _ => {
                let outcome = self.examine(access);
                let access = Arc::downgrade(access);
                *examined = Some(Examined { access, at: Instant::now(), outcome: outcome.clone() });
                outcome
            }
        }
    }

    fn examine(&self, access: &Access) -> Result<CertificateIdentity, NotTrusted> {
        let tls = access.tls.as_ref().ok_or(NotTrusted)?;
        tls.examine(&self.chain, UnixTime::now()).map_err(|error| {
            tracing::info!(%error, "the certificate of an open connection is not trusted any more");
            NotTrusted
        })
    }
}

impl Examined {
    fn counts(&self, access: &Arc<Access>, interval: Duration) -> bool {
        std::ptr::eq(self.access.as_ptr(), Arc::as_ptr(access)) && self.at.elapsed() < interval
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").field("certificates", &self.chain.len()).finish_non_exhaustive()
    }
}
