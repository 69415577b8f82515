//! Expiry: when the certificates end that the server was given, told in time to those who must replace them.
//!
//! Certificates of clients are not among them: those are the business of their organizations. Start at [`Expiry::warn`].

use std::fmt;
use std::time::{Duration, SystemTime};

use asset::OrganizationId;

use crate::authority::Validity;

/// How long before its end a certificate is worth a warning.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a certificate is there for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The server's own, or one between it and its authority.
    Server,
    /// An authority of the server's certificate.
    ServerAuthority,
    /// An authority of the clients of this organization.
    ClientAuthority(OrganizationId),
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server => f.write_str("server"),
            Self::ServerAuthority => f.write_str("server authority"),
            Self::ClientAuthority(organization) => write!(f, "client authority of {organization}"),
        }
    }
}

/// A certificate that the server was given, and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// What the certificate is there for.
    pub role: Role,
    /// Who it is about, as people write it: `O=MyOrg1MSP, CN=authority`.
    pub subject: String,
    /// The last moment at which it counts. An authority counts for nothing afterwards.
    pub not_after: SystemTime,
}

impl Expiry {
    pub(crate) fn new(role: Role, validity: Validity) -> Self {
        let Validity { subject, not_before: _, not_after } = validity;
        Self { role, subject, not_after }
    }

    /// Writes a line into the log if the certificate has ended, or ends within 30 days.
    pub fn warn(&self, now: SystemTime) {
        let Self { role, subject, not_after } = self;
        match not_after.duration_since(now) {
            Err(_past) => tracing::error!(%role, subject, "a certificate has expired: it counts no more"),
            Ok(left) if left <= SOON => {
                let days = left.as_secs() / (24 * 3600);
                tracing::warn!(%role, subject, days, "a certificate expires soon");
            }
            Ok(_enough) => {}
        }
    }
}
