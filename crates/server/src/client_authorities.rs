//! Client authorities: who may vouch for the clients of which organization (core/ID-12).
//!
//! Owns the issuer test, and the warnings about authorities that do not separate organizations. It knows nothing of the certificates of
//! clients but whether an authority stands behind them. Start at [`ClientAuthorities::vouch`].

use std::collections::BTreeMap;

use asset::OrganizationId;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};

use crate::authority::{Authorities, Authority};
use crate::pem::PemFile;
use crate::tls::Error;

/// The authorities of every organization that has any.
#[derive(Debug)]
pub(crate) struct ClientAuthorities(BTreeMap<OrganizationId, Authorities>);

impl ClientAuthorities {
    /// Takes the files of each organization, with all the certificates in them (core/DEF-6).
    ///
    /// # Errors
    /// [`Error`], with the name of the file that cannot be used.
    pub(crate) fn new(files: &BTreeMap<OrganizationId, Vec<PemFile>>) -> Result<Self, Error> {
        let mut organizations = BTreeMap::new();
        for (organization, files) in files {
            let authorities = authorities(files)?;
            if authorities.is_empty() {
                tracing::warn!(%organization, "there is no client authority, so it cannot call");
            } else {
                organizations.insert(organization.clone(), Authorities(authorities));
            }
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

    /// All authorities, each with its organization.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&OrganizationId, &Authority)> {
        self.0.iter().flat_map(|(organization, authorities)| {
            authorities.0.iter().map(move |authority| (organization, authority))
        })
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
        authorities.verify(leaf, others, now).is_ok()
    }

    /// Every two organizations that have an authority in common (core/ID-16).
    fn sharing(&self) -> Vec<(&OrganizationId, &OrganizationId)> {
        let mut sharing = Vec::new();
        for (organization, authorities) in &self.0 {
            let after = self.0.range(organization..).skip(1);
            let others = after.filter(|(_, others)| share(authorities, others));
            sharing.extend(others.map(|(other, _)| (organization, other)));
        }
        sharing
    }
}

/// Whether there is an authority among both.
fn share(Authorities(ours): &Authorities, Authorities(theirs): &Authorities) -> bool {
    ours.iter().any(|our| theirs.iter().any(|their| our.is_same_as(their)))
}

/// The certificates of all files of an organization, each once.
fn authorities(files: &[PemFile]) -> Result<Vec<Authority>, Error> {
    let mut authorities = Vec::new();
    for file in files {
        for authority in file.authorities()? {
            if !authorities.contains(&authority) {
                authorities.push(authority);
            }
        }
    }
    Ok(authorities)
}

#[cfg(test)]
mod tests {
    use std::fs;

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
        // core/ID-16. All these authorities have the same name: only the key tells them apart.
        let (ours, theirs, shared) = (authority(), authority(), authority());
        let directory = tempfile::tempdir().unwrap();
        let mut files = BTreeMap::new();
        for (organization, certificates) in
            [("OrgA", ours + &shared), ("OrgB", theirs), ("OrgC", shared.clone() + &shared), ("OrgD", shared)]
        {
            let file = directory.path().join(organization);
            fs::write(&file, certificates).unwrap();
            files.insert(OrganizationId::new(organization), vec![PemFile::read(&file).unwrap()]);
        }
        let authorities = ClientAuthorities::new(&files).unwrap();
        let sharing = authorities.sharing();
        let sharing: Vec<_> = sharing.iter().map(|(one, other)| (one.as_str(), other.as_str())).collect();
        assert_eq!(sharing, [("OrgA", "OrgC"), ("OrgA", "OrgD"), ("OrgC", "OrgD")]);
        assert_eq!(authorities.all().count(), 5, "each once for an organization");
    }
}
