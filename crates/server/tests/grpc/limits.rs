//! What a client may send, and how long it may say nothing (core/ID-14, SUB-14).

use std::time::Duration;

use prost::Message;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tonic::Code;

use crate::running_server::RunningServer;
use crate::wire::{self, BY_A};

const BYTES_MAX: usize = 4_194_304;
const GET_FUNCTION: &str = "/orchestrator.FunctionService/GetFunction";
const SUBSCRIBE: &str = "/orchestrator.EventService/SubscribeToEvents";
const QUERY_EVENTS: &str = "/orchestrator.EventService/QueryEvents";

/// A message of exactly so many bytes whose first field is text.
fn text_of(bytes: usize) -> Vec<u8> {
    let length_delimiter = prost::length_delimiter_len(bytes - 1 - 4);
    let message = proto::GetFunctionParam { key: "x".repeat(bytes - 1 - length_delimiter) };
    let encoded = message.encode_to_vec();
    assert_eq!(encoded.len(), bytes);
    encoded
}

#[tokio::test]
async fn a_request_of_the_largest_size_is_read_and_a_larger_one_refused() {
    let server = RunningServer::start().await;
    for path in [GET_FUNCTION, SUBSCRIBE, QUERY_EVENTS] {
        let largest = wire::call(server.connect(), path, BY_A, text_of(BYTES_MAX)).await.unwrap_err();
        assert_eq!(largest.code(), Code::InvalidArgument, "{path} {largest:?}");
        for bytes in [BYTES_MAX + 1, 2 * BYTES_MAX] {
            let larger = wire::call(server.connect(), path, BY_A, text_of(bytes)).await.unwrap_err();
            assert_eq!(larger.code(), Code::ResourceExhausted, "{path} {larger:?}");
            assert!(larger.message().contains("message larger than max"), "core/ERR-7: {larger:?}");
        }
    }
}

#[tokio::test]
async fn the_largest_size_is_a_setting() {
    let server = RunningServer::start_with(|options| options.message_bytes_max = 100).await;
    for path in [GET_FUNCTION, SUBSCRIBE] {
        let largest = wire::call(server.connect(), path, BY_A, vec![0x0a, 1, b'x']).await.unwrap_err();
        assert_eq!(largest.code(), Code::InvalidArgument);
        let larger = wire::call(server.connect(), path, BY_A, vec![0; 101]).await.unwrap_err();
        assert_eq!(larger.code(), Code::ResourceExhausted);
    }
}

#[tokio::test]
async fn bytes_that_are_no_message_are_internal_and_the_connection_goes_on() {
    let server = RunningServer::start().await;
    let connection = server.connect();
    let not_utf8: &[u8] = &[0x0a, 1, 0xff];
    for path in [GET_FUNCTION, SUBSCRIBE, QUERY_EVENTS] {
        for bytes in [b"\xff\xff\xff\xff".as_slice(), not_utf8] {
            let status = wire::call(connection.clone(), path, BY_A, bytes).await.unwrap_err();
            assert_eq!(status.code(), Code::Internal, "{path} {status:?}");
        }
    }
    let next = wire::call(connection, "/orchestrator.InfoService/QueryVersion", BY_A, "").await;
    assert!(next.unwrap().is_some());
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let server = RunningServer::start().await;
    let unknown_field: &[u8] = &[0xfa, 0x3f, 1, b'x'];
    let answer =
        wire::call(server.connect(), "/orchestrator.InfoService/QueryVersion", BY_A, unknown_field).await;
    assert!(answer.unwrap().is_some());
}

#[tokio::test]
async fn a_compressed_request_is_unimplemented() {
    let server = RunningServer::start().await;
    let headers: Vec<_> = BY_A.iter().copied().chain([("grpc-encoding", b"gzip".as_slice())]).collect();
    for path in [GET_FUNCTION, SUBSCRIBE] {
        let status = wire::call(server.connect(), path, &headers, "").await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    }
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_left_and_one_that_began_is_not() {
    let patience = Duration::from_millis(50);
    let server = RunningServer::start_with(|options| options.handshake_timeout = patience).await;
    let mut began = wire::open(server.connect(), SUBSCRIBE, BY_A, "").await.unwrap();

    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), silent.read_to_end(&mut rest)).await;
    let _end_or_reset = closed.expect("the silent connection is still open");

    server.register("OrgA", "north").await.unwrap();
    assert!(began.message().await.unwrap().is_some());
}
