//! What comes before the first call of an encrypted connection, and what a client cannot spoil for others (core/ID-9, ID-11).

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tonic::Code;

use super::ServerFiles;
use super::minting::Authority;
use crate::running_server::RunningServer;
use crate::wire::{self, BY_A};

const VERSION: &str = "/orchestrator.InfoService/QueryVersion";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// A server that asks nobody for a certificate.
async fn start_one_sided(files: &ServerFiles) -> RunningServer {
    let mut one_sided = files.files();
    one_sided.clients = None;
    let tls = server::tls::Tls::load(&one_sided).unwrap();
    RunningServer::start_with(|options| {
        options.access.tls = Some(tls);
        options.limits.handshake_timeout = Duration::from_millis(300);
    })
    .await
}

/// A handshake by hand.
async fn shake_hands(
    files: &ServerFiles,
    server: &RunningServer,
    version: &'static SupportedProtocolVersion,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut trusted = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(files.authority.pem().as_bytes()).unwrap();
    trusted.add(authority).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(server.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn both_versions_are_spoken_and_clients_must_ask_for_http_2() {
    let files = ServerFiles::new();
    let server = start_one_sided(&files).await;
    for (version, expected) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let stream = shake_hands(&files, &server, version, &["http/1.1", "h2"]).await.unwrap();
        let (_stream, session) = stream.get_ref();
        assert_eq!(session.protocol_version(), Some(expected));
        assert_eq!(session.alpn_protocol(), Some(b"h2".as_slice()));

        assert!(shake_hands(&files, &server, version, &["http/1.1"]).await.is_err());
        let mut unasked = shake_hands(&files, &server, version, &[]).await.unwrap();
        // Closed at once, with or without a farewell.
        assert!(matches!(unasked.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    }
}

#[tokio::test]
async fn without_mutual_tls_only_the_server_shows_a_certificate() {
    let files = ServerFiles::new();
    let server = start_one_sided(&files).await;
    let answer = wire::call(files.connect(&server, None), VERSION, BY_A, "").await;
    assert!(answer.unwrap().is_some());
}

#[tokio::test]
async fn a_client_that_cannot_shake_hands_costs_only_its_connection() {
    let files = ServerFiles::new();
    let server = start_one_sided(&files).await;
    let connection = files.connect(&server, None);
    wire::call(connection.clone(), VERSION, BY_A, "").await.unwrap();

    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut loud = TcpStream::connect(server.address).await.unwrap();
    loud.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    // Who comes meanwhile is answered, and so is who was there.
    for connection in [files.connect(&server, None), connection] {
        wire::call(connection, VERSION, BY_A, "").await.unwrap();
    }
    for stream in [&mut silent, &mut loud] {
        let mut rest = Vec::new();
        // An end, not a wait: the test would not come to its own.
        let _ended = stream.read_to_end(&mut rest).await;
    }
    // After a handshake there is as little time to say nothing.
    let mut mute = shake_hands(&files, &server, &TLS13, &["h2"]).await.unwrap();
    let _ended = mute.read_to_end(&mut Vec::new()).await;
}

#[tokio::test]
async fn a_refused_client_does_not_disturb_others() {
    // core/S-10
    let files = ServerFiles::new();
    let authority = Authority::new("authority of OrgA");
    files.write("client/OrgA/ca.crt", &authority.pem());
    let server = files.start().await;
    let pair = authority.issue(&["OrgA"], |_| {});
    let connection = files.connect(&server, Some(&pair));
    wire::call(connection.clone(), VERSION, BY_A, "").await.unwrap();
    let refused = wire::call(files.connect(&server, None), VERSION, BY_A, "").await;
    assert!(refused.is_err());
    wire::call(connection, VERSION, BY_A, "").await.unwrap();
}

#[tokio::test]
async fn health_asks_for_a_certificate_but_for_no_organization() {
    // core/ID-9: a server's own pair is what probes use.
    let files = ServerFiles::new();
    let server = files.start().await;
    let pair = files.authority.issue(&["Server"], |_| {});
    let answer = wire::call(files.connect(&server, Some(&pair)), HEALTH, &[], "").await;
    assert!(answer.unwrap().is_some());
    assert!(wire::call(files.connect(&server, None), HEALTH, &[], "").await.is_err());
}

#[tokio::test]
async fn the_certificate_is_checked_after_the_organization_and_before_the_channel_is_read() {
    // core/ID-1, ID-8
    let files = ServerFiles::new();
    let server = files.start().await;
    let pair = files.authority.issue(&["OrgA"], |_| {});
    let connection = files.connect(&server, Some(&pair));
    let no_proof = (
        Code::PermissionDenied,
        "OE0102: invalid MSPID: the client certificate does not prove organization \"OrgA\"",
    );
    let table: [(wire::Headers<'_>, _); 3] = [
        (&[], (Code::FailedPrecondition, "OE0003: missing or invalid header 'mspid'")),
        (&[("mspid", b"OrgA")], no_proof),
        (&[("mspid", b"OrgA"), ("channel", b"nowhere")], no_proof),
    ];
    for (headers, expected) in table {
        let status = wire::call(connection.clone(), VERSION, headers, "").await.unwrap_err();
        assert_eq!((status.code(), status.message()), expected);
    }
}
