//! Client authorities: who may vouch for the clients of which organization (core/ID-12).
//!
//! Owns the layout of the directory and the issuer test. It knows nothing of the certificates of clients but whether an authority stands behind
//! them. Start at [`ClientAuthorities::load`], then read [`ClientAuthorities::vouch`].

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use asset::OrganizationId;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use tokio_rustls::rustls::server::danger::ClientCertVerifier;

use crate::pem;
use crate::tls::{self, Error};

/// How the names of the directories begin by which Kubernetes swaps the contents of a volume.
const VOLUME_HELPER_PREFIX: &str = "..";

/// The authorities of every organization that has any.
#[derive(Debug)]
pub(crate) struct ClientAuthorities(BTreeMap<OrganizationId, Authorities>);

#[derive(Debug)]
struct Authorities {
    certificates: Vec<TrustAnchor<'static>>,
    /// Trusts these certificates and no others.
    verifier: Arc<dyn ClientCertVerifier>,
}

impl ClientAuthorities {
    /// Reads a directory with one directory for each organization, named as the organization.
    ///
    /// Every regular file directly in there is read, whatever its name, with all its certificates (core/DEF-6). Links are followed, to
    /// files and to directories; everything else is ignored (core/DEF-7).
    ///
    /// # Errors
    /// [`Error`], with the name of what cannot be read or used.
    pub(crate) fn load(directory: &Path) -> Result<Self, Error> {
        let mut organizations = BTreeMap::new();
        for path in entries(directory, fs::Metadata::is_dir)? {
            let Some(name) = organization_name(&path) else {
                continue;
            };
            let certificates = certificates(&path)?;
            if certificates.is_empty() {
                tracing::warn!(organization = name, "there is no client authority, so it cannot call");
                continue;
            }
            let trusted = RootCertStore { roots: certificates.clone() };
            let authorities = Authorities { certificates, verifier: tls::verifier(trusted)? };
            organizations.insert(OrganizationId::new(name), authorities);
        }
        let loaded = Self(organizations);
        for (one, other) in loaded.sharing() {
            tracing::warn!(
                one = one.as_str(),
                other = other.as_str(),
                "two organizations have the same client authority: it can let its clients act as either"
            );
        }
        Ok(loaded)
    }

    /// All authorities, of whatever organization.
    pub(crate) fn all(&self) -> impl Iterator<Item = TrustAnchor<'static>> {
        self.0.values().flat_map(|authorities| authorities.certificates.iter().cloned())
    }

    /// Whether an authority of this organization has issued the first certificate of the chain, directly or through the others
    /// (core/ID-7).
    ///
    /// The chain is verified anew, with nothing trusted but the certificates of this organization. So a path with good signatures leads to one of
    /// them, whatever else the client has sent along and whatever its certificates say of their issuers.
    pub(crate) fn vouch(
        &self,
        organization: &OrganizationId,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> bool {
        let (Some(authorities), Some((leaf, others))) = (self.0.get(organization), chain.split_first())
        else {
            return false;
        };
        authorities.verifier.verify_client_cert(leaf, others, now).is_ok()
    }

    /// Every two organizations that have an authority in common (core/ID-16).
    fn sharing(&self) -> Vec<(&OrganizationId, &OrganizationId)> {
        let mut sharing = Vec::new();
        for (organization, authorities) in &self.0 {
            let after = self.0.range(organization..).skip(1);
            let others = after.filter(|(_, others)| authorities.share_with(others));
            sharing.extend(others.map(|(other, _)| (organization, other)));
        }
        sharing
    }
}

impl Authorities {
    /// Whether there is an authority among both: its name and its key, however often it was certified.
    fn share_with(&self, others: &Self) -> bool {
        self.certificates.iter().any(|ours| {
            others.certificates.iter().any(|theirs| {
                ours.subject == theirs.subject
                    && ours.subject_public_key_info == theirs.subject_public_key_info
            })
        })
    }
}

/// The name of an organization's directory; names that no header can carry, and those of Kubernetes' helpers, are nobody's.
fn organization_name(directory: &Path) -> Option<&str> {
    let name = directory.file_name()?.to_str()?;
    (!name.starts_with(VOLUME_HELPER_PREFIX)).then_some(name)
}

/// The certificates of all files of an organization, each once.
fn certificates(directory: &Path) -> Result<Vec<TrustAnchor<'static>>, Error> {
    let mut certificates = Vec::new();
    for file in entries(directory, fs::Metadata::is_file)? {
        for certificate in pem::authorities(&file)?.roots {
            if !certificates.contains(&certificate) {
                certificates.push(certificate);
            }
        }
    }
    Ok(certificates)
}

/// The entries of a directory that are of this kind once links are followed, in the order of their names.
fn entries(directory: &Path, kind: fn(&fs::Metadata) -> bool) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |error| Error::unreadable(directory, error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let metadata = fs::metadata(&path).map_err(|error| Error::unreadable(&path, error))?;
        if kind(&metadata) {
            entries.push(path);
        }
    }
    entries.sort();
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

    use super::*;

    fn authority() -> String {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        CertifiedIssuer::self_signed(parameters, key).unwrap().pem()
    }

    #[test]
    fn organizations_that_share_an_authority_are_found() {
        // All these authorities have the same name: only the key tells them apart.
        let (ours, theirs, shared) = (authority(), authority(), authority());
        let directory = tempfile::tempdir().unwrap();
        for (organization, certificates) in
            [("OrgA", ours + &shared), ("OrgB", theirs), ("OrgC", shared.clone() + &shared), ("OrgD", shared)]
        {
            let folder = directory.path().join(organization);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("ca.crt"), certificates).unwrap();
        }
        let authorities = ClientAuthorities::load(directory.path()).unwrap();
        let sharing = authorities.sharing();
        let sharing: Vec<_> = sharing.iter().map(|(one, other)| (one.as_str(), other.as_str())).collect();
        assert_eq!(sharing, [("OrgA", "OrgC"), ("OrgA", "OrgD"), ("OrgC", "OrgD")]);
        assert_eq!(authorities.all().count(), 5, "each once for an organization");
    }
}
