//! Authorities: certificates by which others are trusted, each only in its own time (core/ID-7, ID-11).
//!
//! Owns the verification of a client's chain, signatures included. It does not know which file an authority is from, nor for which organization it
//! speaks. Start at [`Authorities::verify`].

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::parse_x509_certificate;

/// The implementation of the cryptography.
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(ring::default_provider()));

/// The implementation of the cryptography, the same for everybody.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

/// Who a certificate is about, and when it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    /// The subject, as people write it.
    pub(crate) subject: String,
    /// When it begins to count.
    pub(crate) not_before: SystemTime,
    /// The last moment at which it counts.
    pub(crate) not_after: SystemTime,
}

impl Validity {
    /// What a certificate says of itself.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let (_rest, parsed) = parse_x509_certificate(certificate).map_err(|error| error.to_string())?;
        Ok(Self::of_parsed(&parsed))
    }

    fn of_parsed(certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self {
            subject: certificate.subject().to_string(),
            not_before: moment(validity.not_before.timestamp()),
            not_after: moment(validity.not_after.timestamp()),
        }
    }

    fn contains(&self, now: UnixTime) -> bool {
        let now = UNIX_EPOCH + Duration::from_secs(now.as_secs());
        (self.not_before..=self.not_after).contains(&now)
    }
}

/// A moment in seconds since 1970; what is before that is as good as that.
fn moment(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

/// A certificate by which others can be trusted. It need not have signed itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    anchor: TrustAnchor<'static>,
    /// When it counts: the library that verifies chains does not look at the times of those who are trusted anyway.
    pub(crate) validity: Validity,
}

impl Authority {
    /// Takes a certificate as an authority.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(certificate: CertificateDer<'static>) -> Result<Self, String> {
        let validity = Validity::of(&certificate)?;
        let mut store = RootCertStore::empty();
        store.add(certificate).map_err(|error| error.to_string())?;
        let anchor = store.roots.pop().ok_or("it cannot be trusted")?;
        Ok(Self { anchor, validity })
    }

    /// Whether both are one authority: its name and its key, however often it was certified.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.anchor.subject == other.anchor.subject
            && self.anchor.subject_public_key_info == other.anchor.subject_public_key_info
    }
}

/// Authorities that are trusted together.
#[derive(Debug, Default)]
pub(crate) struct Authorities(pub(crate) Vec<Authority>);

impl Authorities {
    /// Makes sure that one of these authorities has issued a client's certificate, directly or through the `others` that the client sends along.
    ///
    /// Signatures, times, and the purpose of each certificate are checked (core/ID-11), and an authority counts only in its own time; key
    /// identifiers count for nothing (core/DEF-3).
    ///
    /// # Errors
    /// Why the certificate is not good enough.
    pub(crate) fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let valid = self.0.iter().filter(|authority| authority.validity.contains(now));
        let roots = RootCertStore { roots: valid.map(|authority| authority.anchor.clone()).collect() };
        // Only without any authority there is no verifier.
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|_nobody_is_trusted| CertificateError::UnknownIssuer)?;
        verifier.verify_client_cert(certificate, others, now)
    }
}

impl ClientCertVerifier for Authorities {
    /// Strangers are not told the names of the authorities, which are those of the members.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.verify(certificate, others, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &PROVIDER.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &PROVIDER.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        PROVIDER.signature_verification_algorithms.supported_schemes()
    }
}
