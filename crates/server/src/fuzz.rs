//! Certificates that are nearly right: those of members come from authorities that nobody here controls.

use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};

use crate::authority::{Authorities, Authority, Validity};
use crate::certificate_identity::subject_organizations;
use crate::pem::PemFile;

#[path = "../tests/mutation/mod.rs"]
mod mutation;

use mutation::fuzz;

const ITERATIONS: usize = 5_000;

/// Certificates of several kinds, all of them good.
fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mutation/certificates");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn a_certificate_is_taken_apart_or_refused() {
    let seeds = seeds();
    let authorities = seeds.iter().map(|seed| Authority::new(CertificateDer::from(seed.clone())).unwrap());
    let authorities = Authorities(authorities.collect());
    let now = UnixTime::since_unix_epoch(Duration::from_secs(2_000_000_000));
    let mut trusted = 0;
    fuzz(ITERATIONS, &seeds, |input| {
        let certificate = CertificateDer::from(input.to_vec());
        let _organizations = subject_organizations(&certificate);
        if let Ok(validity) = Validity::of(&certificate) {
            assert!(validity.not_after >= UNIX_EPOCH);
        }
        let _authority = Authority::new(certificate.clone());
        let verified = authorities.verify(&certificate, std::slice::from_ref(&certificate), now).is_ok();
        // A signature covers all of it: only what is as it was signed is trusted.
        assert!(!verified || seeds.iter().any(|seed| seed == input));
        trusted += usize::from(verified);
    });
    assert!(trusted > 0, "a good one is trusted by itself");
}

#[test]
fn a_pem_file_is_read_or_refused() {
    let seeds = [
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        "text\n-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\nAAAA",
        "-----BEGIN EC PRIVATE KEY-----\r\nMAAA\r\n-----END EC PRIVATE KEY-----\r\n",
    ];
    let file = tempfile::NamedTempFile::new().unwrap();
    fuzz(ITERATIONS / 10, &seeds.map(|seed| seed.as_bytes().to_vec()), |input| {
        fs::write(file.path(), input).unwrap();
        let file = PemFile::read(file.path()).unwrap();
        let _ = (file.certificates(), file.authorities(), file.key());
    });
}
