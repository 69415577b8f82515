//! PEM files: certificates, authorities and keys, read whole when the server starts.
//!
//! Owns what a file must hold and how a bad one is described: always with its name (core/DEF-7). What the contents are for is not known here.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};

use crate::tls::Error;

/// The largest file that is read, in bytes: a bundle of all public authorities has a quarter of this.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// All certificates of a file, in order; there is at least one.
///
/// # Errors
/// The file cannot be read, is malformed, or holds no certificate.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let bytes = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|error| Error::unusable(path, &error))?;
    if found.is_empty() {
        return Err(Error::unusable(path, &"there is no certificate in it"));
    }
    Ok(found)
}

/// All certificates of a file, as what others can be trusted for; there is at least one. They need not have signed themselves.
///
/// # Errors
/// As for [`certificates`], or one of them cannot be understood.
pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, Error> {
    let mut authorities = RootCertStore::empty();
    for (index, certificate) in certificates(path)?.into_iter().enumerate() {
        authorities.add(certificate).map_err(|error| {
            let number = index + 1;
            Error::unusable(path, &format!("certificate number {number} in it: {error}"))
        })?;
    }
    Ok(authorities)
}

/// The private key of a file.
///
/// # Errors
/// The file cannot be read, is malformed, or holds no key that can be used without a password.
pub(crate) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| match error {
        pem::Error::NoItemsFound => Error::unusable(path, &"there is no unencrypted private key in it"),
        error => Error::unusable(path, &error),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let read = || {
        let mut file = File::open(path)?.take(FILE_BYTES_MAX + 1);
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        match file.limit() {
            0 => Err(io::ErrorKind::FileTooLarge.into()),
            _ => Ok(bytes),
        }
    };
    read().map_err(|source| Error::unreadable(path, source))
}
