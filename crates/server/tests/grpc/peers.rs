//! Peers by hand: HTTP/2 frames as no client library would send them, and peers that fall silent (core/SUB-14, OPS-3).

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::running_server::RunningServer;
use crate::wire::{self, BY_A};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SUBSCRIBE: &str = "/orchestrator.EventService/SubscribeToEvents";
/// Only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(30);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
/// Flags; the first has another name in frames that end their stream.
const ACKNOWLEDGED: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Opens a subscription of OrgA in north as the first stream of a connection.
fn subscription() -> Vec<u8> {
    // Method and scheme from the static table, everything else literally (RFC 7541, appendix A and section 6.2.2).
    let mut headers = vec![0x83, 0x86];
    let literal = |text: &str| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    headers.extend([&[0x04], literal(SUBSCRIBE).as_slice()].concat());
    let fields =
        [("content-type", "application/grpc"), ("te", "trailers"), ("mspid", "OrgA"), ("channel", "north")];
    for (name, value) in fields {
        headers.extend([&[0x00], literal(name).as_slice(), literal(value).as_slice()].concat());
    }
    let empty_message = [0; 5];
    [frame(HEADERS, END_HEADERS, 1, &headers), frame(DATA, END_STREAM, 1, &empty_message)].concat()
}

/// The kind and flags of the next frame.
async fn next_frame(stream: &mut TcpStream) -> std::io::Result<(u8, u8)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await?;
    Ok((head[3], head[4]))
}

/// A connection past its preface.
async fn connect(server: &RunningServer) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_peer_that_does_not_answer_pings_is_given_up_and_one_that_does_is_not() {
    // core/SUB-14, DEF-16
    let a_moment = Duration::from_millis(50);
    let server = RunningServer::start_with(|options| {
        options.limits.ping_interval = a_moment;
        options.limits.ping_timeout = a_moment;
    })
    .await;
    let mut alive = wire::open(server.connect(), SUBSCRIBE, BY_A, "").await.unwrap();

    let mut vanished = connect(&server).await;
    let closed = async {
        let mut pings = 0;
        while let Ok((kind, flags)) = next_frame(&mut vanished).await {
            pings += u32::from(kind == PING && flags != ACKNOWLEDGED);
        }
        pings
    };
    let pings = tokio::time::timeout(PATIENCE, closed).await.unwrap();
    assert!(pings > 0, "it was asked whether it is there");

    // core/SUB-17: meanwhile the other stream has lasted longer than anything here takes.
    server.register("OrgA", "north").await.unwrap();
    assert!(alive.message().await.unwrap().is_some());
}

/// Reads on to a frame of this kind.
async fn wait_for(stream: &mut TcpStream, kind: u8, flags: u8) {
    let found = async { while next_frame(stream).await.unwrap() != (kind, flags) {} };
    tokio::time::timeout(PATIENCE, found).await.unwrap();
}

#[tokio::test]
async fn a_client_with_an_open_stream_that_pings_as_often_as_it_may_stays_connected() {
    // core/OPS-3, S-59: twenty pings, as in ten minutes, at a pace that a test can wait for.
    let server = RunningServer::start_with(|options| {
        options.limits.keepalive_policy.min_time = Duration::from_millis(1);
    })
    .await;
    let mut stream = connect(&server).await;
    stream.write_all(&subscription()).await.unwrap();
    wait_for(&mut stream, HEADERS, END_HEADERS).await;
    for number in 0..20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        stream.write_all(&frame(PING, 0, 0, &[number; 8])).await.unwrap();
        wait_for(&mut stream, PING, ACKNOWLEDGED).await;
    }
    server.register("OrgA", "north").await.unwrap();
    wait_for(&mut stream, DATA, 0).await;
}
