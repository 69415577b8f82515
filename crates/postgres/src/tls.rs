//! TLS to the database: what each `sslmode` promises.
//!
//! Encryption is the driver's business; this file decides what a server has to prove. As with libpq, only the
//! two `verify` modes keep somebody in between out, and `require` becomes the first of them once it is given
//! root certificates.

use std::fs;
use std::sync::Arc;

use persistence::{Error, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

/// What a server has to prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// Nothing: whoever listens in the middle can pass for it.
    Nothing,
    /// That a trusted authority has signed its certificate.
    Authority,
    /// That, and that the certificate is for the host it was reached at.
    Host,
}

/// How connections are secured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsOptions {
    mode: SslMode,
    proof: Proof,
    root_certificates: Option<String>,
    /// Files with our own certificate and its key.
    identity: Option<(String, String)>,
}

impl TlsOptions {
    /// Reads the parameters that secure a connection. `allow` counts as `prefer`: both end up with what the
    /// server offers.
    ///
    /// # Errors
    /// If the mode is unknown, or a certificate comes without its key or the reverse.
    pub(crate) fn of<'a>(parameter: impl Fn(&str) -> Option<&'a str>) -> Result<Self> {
        let root_certificates = parameter("sslrootcert").map(str::to_owned);
        let (mode, proof) = match (parameter("sslmode").unwrap_or("prefer"), &root_certificates) {
            ("disable", _) => (SslMode::Disable, Proof::Nothing),
            ("allow" | "prefer", _) => (SslMode::Prefer, Proof::Nothing),
            ("require", None) => (SslMode::Require, Proof::Nothing),
            ("verify-ca", _) | ("require", Some(_)) => (SslMode::Require, Proof::Authority),
            ("verify-full", _) => (SslMode::Require, Proof::Host),
            _ => {
                return Err(failed(
                    "sslmode is none of disable, allow, prefer, require, verify-ca, verify-full",
                ));
            }
        };
        let identity = match (parameter("sslcert"), parameter("sslkey")) {
            (Some(certificate), Some(key)) => Some((certificate.to_owned(), key.to_owned())),
            (None, None) => None,
            _ => return Err(failed("sslcert and sslkey are only of use together")),
        };
        Ok(Self { mode, proof, root_certificates, identity })
    }

    /// Whether to encrypt.
    pub(crate) fn mode(&self) -> SslMode {
        self.mode
    }

    /// What makes connections secure.
    ///
    /// # Errors
    /// If a file cannot be read or does not hold what it should.
    pub(crate) fn connector(&self) -> Result<MakeRustlsConnect> {
        let provider = Arc::new(ring::default_provider());
        let verifier =
            Arc::new(Verifier { proof: self.proof, authorities: self.authorities(&provider)?, provider });
        let builder = ClientConfig::builder_with_provider(Arc::clone(&verifier.provider))
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match &self.identity {
            Some((certificate, key)) => builder
                .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
                .map_err(failed)?,
            None => builder.with_no_client_auth(),
        };
        Ok(MakeRustlsConnect::new(config))
    }

    /// Who may vouch for a server, if anybody has to: those of the given file, else those that the system
    /// trusts.
    fn authorities(&self, provider: &Arc<CryptoProvider>) -> Result<Option<Arc<WebPkiServerVerifier>>> {
        if self.proof == Proof::Nothing {
            return Ok(None);
        }
        let mut roots = RootCertStore::empty();
        match self.root_certificates.as_deref() {
            None | Some("system") => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            Some(file) => {
                for certificate in certificates(file)? {
                    roots.add(certificate).map_err(failed)?;
                }
            }
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
        verifier.map(Some).map_err(failed)
    }
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>> {
    let pem = read(file)?;
    let certificates: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(failed(format!("{file} holds no certificates in PEM form"))),
    }
}

fn private_key(file: &str) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(&read(file)?)
        .map_err(|_| failed(format!("{file} holds no private key in PEM form")))
}

fn read(file: &str) -> Result<Vec<u8>> {
    fs::read(file).map_err(|error| failed(format!("{file}: {error}")))
}

fn failed(problem: impl std::fmt::Display) -> Error {
    Error::Failed(format!("TLS to the database cannot be set up: {problem}"))
}

/// Judges the certificate that a server shows.
#[derive(Debug)]
struct Verifier {
    proof: Proof,
    authorities: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let Some(authorities) = &self.authorities else {
            return Ok(ServerCertVerified::assertion());
        };
        match authorities.verify_server_cert(certificate, intermediates, name, ocsp_response, now) {
            // The name is what is looked at last: the authority has been found good.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.proof != Proof::Host => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
