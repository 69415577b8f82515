//! Certificate identity: the organizations that a client may act as, by its certificate (core/ID-6, ID-7).
//!
//! An organization is proved by two things together: the certificate names it, and an authority of that organization has issued the certificate.
//! Both are found out when a certificate is examined; a call only looks its organization up. Start at [`CertificateIdentity::of`].

use std::collections::HashSet;
use std::sync::Arc;

use asset::OrganizationId;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use x509_parser::parse_x509_certificate;

use crate::client_authorities::ClientAuthorities;

/// What a client has proved; by default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CertificateIdentity(Arc<HashSet<OrganizationId>>);

impl CertificateIdentity {
    /// What the chain proves that a client has presented, its own certificate first.
    pub(crate) fn of(chain: &[CertificateDer<'_>], authorities: &ClientAuthorities, now: UnixTime) -> Self {
        let named = chain.first().map(subject_organizations).unwrap_or_default();
        let proved = named.into_iter().filter(|organization| authorities.vouch(organization, chain, now));
        Self(Arc::new(proved.collect()))
    }

    /// Whether the client may act as this organization.
    pub(crate) fn proves(&self, organization: &OrganizationId) -> bool {
        self.0.contains(organization)
    }
}

/// The organizations (`O`) in the subject of a certificate, byte for byte; text in encodings that are not a part of UTF-8 names nobody.
pub(crate) fn subject_organizations(certificate: &CertificateDer<'_>) -> HashSet<OrganizationId> {
    let Ok((_rest, parsed)) = parse_x509_certificate(certificate) else {
        return HashSet::new();
    };
    let organizations = parsed.subject().iter_organization();
    organizations.filter_map(|attribute| attribute.as_str().ok()).map(OrganizationId::new).collect()
}
