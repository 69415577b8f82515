//! The settings of TLS and of the identity check, in combinations that are possible (core/DEF-11).

use std::path::PathBuf;

use super::super::format::{BOOLEAN, PATH};
use super::super::reader::Reader;
use super::super::settings::{
    MTLS_ENABLED, TLS_CERT_PATH, TLS_CLIENT_CA_CERT_DIR, TLS_ENABLED, TLS_KEY_PATH, TLS_SERVER_CA_CERT,
    VERIFY_CLIENT_MSP_ID,
};

/// The settings of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tls {
    /// The server's certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// Whom to require certificates from; `None`: no client is asked for one.
    pub mutual: Option<MutualTls>,
}

/// The settings of mutual TLS. The identity check is one of them, for it is impossible without client certificates (core/DEF-11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MutualTls {
    /// The authorities of the server's certificate, PEM, which are trusted for clients too.
    pub server_ca: PathBuf,
    /// The directory with one directory of client authorities for each organization.
    pub client_ca_directory: PathBuf,
    /// Whether the organization that a caller names must be that of its certificate.
    pub verify_client_msp_id: bool,
}

/// `Some(None)` is a server without TLS. A switch that cannot be read makes nothing else needed: only what is certainly wrong is told.
pub(super) fn tls(reader: &mut Reader) -> Option<Option<Tls>> {
    let tls_enabled = reader.read(TLS_ENABLED, &BOOLEAN);
    let tls = tls_enabled == Some(true);
    let certificate = reader.read_if(tls, TLS_CERT_PATH, &PATH);
    let key = reader.read_if(tls, TLS_KEY_PATH, &PATH);
    let mtls_enabled = reader.read_if(tls, MTLS_ENABLED, &BOOLEAN);
    let mutual = mtls_enabled == Some(true);
    let verify_client_msp_id = reader.read(VERIFY_CLIENT_MSP_ID, &BOOLEAN);
    let verify = verify_client_msp_id == Some(true);
    let server_ca = reader.read_if(mutual, TLS_SERVER_CA_CERT, &PATH);
    let client_ca_directory = reader.read_if(mutual || verify, TLS_CLIENT_CA_CERT_DIR, &PATH);
    if verify && [tls_enabled, mtls_enabled].contains(&Some(false)) {
        refuse_impossible_identity_check(reader);
    }
    if !tls_enabled? {
        return Some(None);
    }
    let mutual = if mtls_enabled? {
        Some(MutualTls {
            server_ca: server_ca?,
            client_ca_directory: client_ca_directory?,
            verify_client_msp_id: verify_client_msp_id?,
        })
    } else {
        None
    };
    Some(Some(Tls { certificate: certificate?, key: key?, mutual }))
}

/// core/DEF-11.
fn refuse_impossible_identity_check(reader: &mut Reader) {
    let (tls, mtls) = (TLS_ENABLED.name, MTLS_ENABLED.name);
    reader.problem(
        VERIFY_CLIENT_MSP_ID,
        format!("is true; expected false unless both {tls} and {mtls} are true"),
    );
}
