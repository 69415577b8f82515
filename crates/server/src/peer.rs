//! Peers: who is at the other end of a connection, what its certificate is worth at the moment, and whether it has calls under way (core/ID-6,
//! ID-11, DEF-9).
//!
//! A certificate is presented once, in the handshake, but what it proves can end while the connection lives: it expires, or its authority is
//! withdrawn. So it is examined again whenever access has changed, and now and then. Start at [`Peer::certificate`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};

use crate::access::Access;
use crate::certificate_identity::CertificateIdentity;

/// The certificate of a peer, if it had to present one, would be refused in a handshake now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotTrusted;

/// Who is at the other end of a connection. Found in the extensions of its requests.
#[derive(Clone)]
pub(crate) struct Peer {
    /// `None`: it speaks plain text, and has proved nothing.
    presented: Option<Arc<Presented>>,
    calls: Arc<Mutex<Calls>>,
}

/// Calls of one connection at once that ask for no identity: nobody's allowance counts them.
const EXEMPT_CALLS_MAX: usize = 16;

/// The calls of a connection.
struct Calls {
    open: usize,
    /// Those of them that ask for no identity.
    exempt: usize,
    /// When the last one ended, or the connection began.
    idle_since: Instant,
}

/// A call that is under way until this is dropped.
pub(crate) struct OpenCall(Arc<Mutex<Calls>>);

/// A call that asks for no identity, until this is dropped.
pub(crate) struct ExemptCall(Arc<Mutex<Calls>>);

/// What a peer has presented in its handshake.
struct Presented {
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
    /// A peer that speaks plain text.
    pub(crate) fn plain() -> Self {
        Self::new(None)
    }

    /// A peer that has presented these certificates.
    pub(crate) fn encrypted(chain: Vec<CertificateDer<'static>>, examination_interval: Duration) -> Self {
        Self::new(Some(Presented { chain, examination_interval, examined: Mutex::default() }))
    }

    fn new(presented: Option<Presented>) -> Self {
        let calls = Calls { open: 0, exempt: 0, idle_since: Instant::now() };
        Self { presented: presented.map(Arc::new), calls: Arc::new(Mutex::new(calls)) }
    }

    /// What the peer has proved, as things stand; `None` in plain text.
    ///
    /// # Errors
    /// [`NotTrusted`].
    pub(crate) fn certificate(
        &self,
        access: &Arc<Access>,
    ) -> Result<Option<CertificateIdentity>, NotTrusted> {
        self.presented.as_ref().map(|presented| presented.identity(access)).transpose()
    }

    /// Begins a call.
    pub(crate) fn begin_call(&self) -> OpenCall {
        lock(&self.calls).open += 1;
        OpenCall(Arc::clone(&self.calls))
    }

    /// Begins a call that asks for no identity; nothing if the connection has as many of them as it may.
    pub(crate) fn begin_exempt_call(&self) -> Option<ExemptCall> {
        let mut calls = lock(&self.calls);
        let has_room = calls.exempt < EXEMPT_CALLS_MAX;
        calls.exempt += usize::from(has_room);
        has_room.then(|| ExemptCall(Arc::clone(&self.calls)))
    }

    /// Whether a call is under way.
    pub(crate) fn is_busy(&self) -> bool {
        lock(&self.calls).open > 0
    }

    /// Waits until the connection has had no call for this long; without a `timeout` for ever.
    pub(crate) async fn idle(&self, timeout: Option<Duration>) {
        let Some(timeout) = timeout else { return std::future::pending().await };
        loop {
            let left = match &*lock(&self.calls) {
                Calls { open: 0, idle_since, .. } => timeout.saturating_sub(idle_since.elapsed()),
                _ => timeout,
            };
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let mut calls = lock(&self.0);
        calls.open -= 1;
        calls.idle_since = Instant::now();
    }
}

impl Drop for ExemptCall {
    fn drop(&mut self) {
        lock(&self.0).exempt -= 1;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Presented {
    fn identity(&self, access: &Arc<Access>) -> Result<CertificateIdentity, NotTrusted> {
        let mut examined = lock(&self.examined);
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
