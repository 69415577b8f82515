//! Access: who gets in, as it stands at a moment, replaced as a whole while the server runs (core/DEF-8, DEF-9).
//!
//! Owns the hand-over from whoever reads the operator's files to those who answer connections and calls. What is right in the files is known to
//! `tls` and `membership`; when they are read, to the executable. Start at [`AccessControl`].

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::expiry::Expiry;
use crate::membership::Membership;
use crate::tls::Tls;

/// Who gets in.
#[derive(Clone, Debug)]
pub struct Access {
    /// Who may call where.
    pub membership: Membership,
    /// How connections are encrypted and callers verified; `None`: plain text, and the names that callers give are believed (core/ID-5).
    pub tls: Option<Tls>,
}

impl Access {
    /// When the certificates end that the server was given.
    pub fn expiries(&self) -> &[Expiry] {
        self.tls.as_ref().map(Tls::expiries).unwrap_or_default()
    }
}

/// In plain text.
impl From<Membership> for Access {
    fn from(membership: Membership) -> Self {
        Self { membership, tls: None }
    }
}

/// Decides who gets in, while the server runs. Clones decide for the same server.
#[derive(Clone, Debug)]
pub struct AccessControl(watch::Sender<Arc<Access>>);

impl AccessControl {
    pub(crate) fn new(access: Access) -> Self {
        Self(watch::Sender::new(Arc::new(access)))
    }

    /// From now on this counts, for new connections, for new calls on old ones, and, after a grace, for streams under way.
    ///
    /// Whether there is TLS, and whether organizations are verified, was decided when the server was made: an access that says otherwise lets
    /// nobody in.
    pub fn replace(&self, access: Access) {
        self.0.send_replace(Arc::new(access));
    }

    /// What counts at the moment.
    pub fn now(&self) -> Arc<Access> {
        Arc::clone(&self.0.borrow())
    }

    pub(crate) fn follow(&self) -> CurrentAccess {
        CurrentAccess(self.0.subscribe())
    }
}

/// Sees who gets in.
#[derive(Clone)]
pub(crate) struct CurrentAccess(watch::Receiver<Arc<Access>>);

impl CurrentAccess {
    /// What counts at the moment.
    pub(crate) fn now(&self) -> Arc<Access> {
        Arc::clone(&self.0.borrow())
    }

    /// Waits until an access is not good enough any more. It is looked at when there is another one, and every `interval`, for certificates
    /// end by themselves.
    pub(crate) async fn ended(mut self, interval: Duration, is_enough: impl Fn(&Arc<Access>) -> bool) {
        loop {
            let access = Arc::clone(&self.0.borrow_and_update());
            if !is_enough(&access) {
                return;
            }
            drop(access);
            if let Ok(Err(_nobody_decides_any_more)) = timeout(interval, self.0.changed()).await {
                tokio::time::sleep(interval).await;
            }
        }
    }
}
