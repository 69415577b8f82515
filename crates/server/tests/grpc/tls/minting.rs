//! Authorities and certificates, made for one test: good ones, and those that somebody would make to get in where they do not belong.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
};

const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
/// `SEQUENCE { BOOLEAN TRUE }`: an authority.
const AUTHORITY: &[u8] = &[0x30, 3, 1, 1, 0xff];
/// `O` once more: the generator knows each attribute by name only once.
const ORGANIZATION_AGAIN: &[u64] = &[2, 5, 4, 10];

/// Somebody who issues certificates.
pub(crate) struct Authority {
    parameters: CertificateParams,
    key: KeyPair,
    certificate: Certificate,
}

/// A certificate with what is sent along, and its key; PEM.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        Self::self_signed(authority(name))
    }

    /// Whose own certificate ends at this moment.
    pub(crate) fn until(name: &str, end: SystemTime) -> Self {
        let mut parameters = authority(name);
        parameters.not_after = end.into();
        Self::self_signed(parameters)
    }

    /// Without a subject key identifier, issuing without authority key identifiers.
    pub(crate) fn without_key_identifiers(name: &str) -> Self {
        let mut parameters = authority(name);
        let mut constraints = CustomExtension::from_oid_content(BASIC_CONSTRAINTS, AUTHORITY.to_vec());
        constraints.set_criticality(true);
        parameters.is_ca = IsCa::NoCa; // an authority by the extension; otherwise the generator adds the identifier
        parameters.custom_extensions = vec![constraints];
        Self::self_signed(parameters)
    }

    fn self_signed(parameters: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        Self { parameters, key, certificate }
    }

    /// Another authority, certified by this one.
    pub(crate) fn certify(&self, name: &str) -> Self {
        let mut parameters = authority(name);
        parameters.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer()).unwrap();
        Self { parameters, key, certificate }
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate for a client of these organizations, with changes.
    pub(crate) fn issue(&self, organizations: &[&str], adjust: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut parameters = client(organizations);
        adjust(&mut parameters);
        Pair::new(&parameters, &self.issuer())
    }

    /// A certificate that names the other as its issuer by the authority key identifier (core/DEF-3).
    pub(crate) fn issue_pointing_at(&self, other: &Self, organizations: &[&str]) -> Pair {
        let claimed = other.parameters.key_identifier(&other.key);
        let mut parameters = self.parameters.clone();
        parameters.key_identifier_method = KeyIdMethod::PreSpecified(claimed);
        Pair::new(&client(organizations), &Issuer::from_params(&parameters, &self.key))
    }

    /// A certificate of a client that goes on to issue others, which it may not.
    pub(crate) fn issue_to_would_be_authority(&self, organization: &str) -> Self {
        let parameters = client(&[organization]);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer()).unwrap();
        Self { parameters, key, certificate }
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.parameters, &self.key)
    }
}

impl Pair {
    fn new(parameters: &CertificateParams, issuer: &Issuer<'_, &KeyPair>) -> Self {
        let key = KeyPair::generate().unwrap();
        Self { chain: parameters.signed_by(&key, issuer).unwrap().pem(), key: key.serialize_pem() }
    }

    /// This pair, sending one more certificate along.
    pub(crate) fn and(mut self, certificate: &str) -> Self {
        self.chain.push_str(certificate);
        self
    }
}

/// A certificate that nobody but its holder has signed.
pub(crate) fn self_signed(organization: &str) -> Pair {
    let key = KeyPair::generate().unwrap();
    Pair { chain: client(&[organization]).self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

/// Certificates with it have expired.
pub(crate) fn expired(parameters: &mut CertificateParams) {
    parameters.not_after = (SystemTime::now() - Duration::from_secs(60)).into();
}

/// Certificates with it end at this moment.
pub(crate) fn until(end: SystemTime) -> impl FnOnce(&mut CertificateParams) {
    move |parameters| parameters.not_after = end.into()
}

/// Certificates with it are not valid yet.
pub(crate) fn not_yet_valid(parameters: &mut CertificateParams) {
    parameters.not_before = (SystemTime::now() + Duration::from_secs(3600)).into();
}

/// Certificates with it are for servers only.
pub(crate) fn for_servers_only(parameters: &mut CertificateParams) {
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
}

/// Certificates with it do not say what they are for.
pub(crate) fn for_no_purpose(parameters: &mut CertificateParams) {
    parameters.extended_key_usages = Vec::new();
}

/// Certificates with it do not say who has issued them but by name.
pub(crate) fn without_key_identifier(parameters: &mut CertificateParams) {
    parameters.use_authority_key_identifier_extension = false;
}

fn authority(name: &str) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    parameters
}

fn client(organizations: &[&str]) -> CertificateParams {
    let mut parameters = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let name = &mut parameters.distinguished_name;
    name.push(DnType::CommonName, "OrgA");
    let attributes = [DnType::OrganizationName, DnType::CustomDnType(ORGANIZATION_AGAIN.to_vec())];
    for (attribute, organization) in attributes.into_iter().zip(organizations) {
        name.push(attribute, *organization);
    }
    parameters.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    parameters.use_authority_key_identifier_extension = true;
    parameters
}
