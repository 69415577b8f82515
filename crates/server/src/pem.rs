//! PEM files: certificates, authorities and keys, each file read whole.
//!
//! Owns what a file must hold and how a bad one is described: always with its name (core/DEF-7). What the contents are for is not known here.
//! Start at [`PemFile`].

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};

use crate::authority::Authority;
use crate::tls::Error;

/// The largest file that is read, in bytes: a bundle of all public authorities has a quarter of this.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A file as it was when it was read. It may hold a key, so it cannot be shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PemFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl PemFile {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, or is larger than a megabyte.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let read = || {
            let mut file = File::open(path)?.take(FILE_BYTES_MAX + 1);
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            match file.limit() {
                0 => Err(io::ErrorKind::FileTooLarge.into()),
                _ => Ok(bytes),
            }
        };
        let bytes = read().map_err(|source| Error::unreadable(path, source))?;
        Ok(Self { path: path.into(), bytes })
    }

    /// Its name.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// All certificates, in order; there is at least one.
    ///
    /// # Errors
    /// The file is malformed, or holds no certificate.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.bytes).collect();
        let found = found.map_err(|error| self.unusable(&error))?;
        if found.is_empty() {
            return Err(self.unusable(&"there is no certificate in it"));
        }
        Ok(found)
    }

    /// All certificates, as what others can be trusted by; there is at least one.
    ///
    /// # Errors
    /// As for [`Self::certificates`], or one of them cannot be understood.
    pub(crate) fn authorities(&self) -> Result<Vec<Authority>, Error> {
        let certificates = self.certificates()?.into_iter().zip(1..);
        let authorities = certificates.map(|(certificate, number)| {
            Authority::new(certificate)
                .map_err(|problem| self.unusable(&format!("certificate number {number} in it: {problem}")))
        });
        authorities.collect()
    }

    /// The private key.
    ///
    /// # Errors
    /// The file is malformed, or holds no key that can be used without a password.
    pub(crate) fn key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|error| match error {
            pem::Error::NoItemsFound => self.unusable(&"there is no unencrypted private key in it"),
            error => self.unusable(&error),
        })
    }

    /// The error that names this file.
    pub(crate) fn unusable(&self, problem: &impl ToString) -> Error {
        Error::Unusable { path: self.path.clone(), problem: problem.to_string() }
    }
}
