//! What a client may send, hold, and take time for (core/ID-14, SUB-14, OPS-3).

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::select;
use h2::SendStream;
use h2::client::ResponseFuture;
use http::HeaderMap;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::{Code, Status};

use crate::authorization::request;
use crate::running_server::RunningServer;
use crate::shutdown::{call_that_waits, hold_north};
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
    let server = RunningServer::start_with(|options| options.limits.message_bytes_max = 100).await;
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
    let server = RunningServer::start_with(|options| options.limits.handshake_timeout = patience).await;
    let mut began = wire::open(server.connect(), SUBSCRIBE, BY_A, "").await.unwrap();

    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), silent.read_to_end(&mut rest)).await;
    let _end_or_reset = closed.expect("the silent connection is still open");

    server.register("OrgA", "north").await.unwrap();
    assert!(began.message().await.unwrap().is_some());
}

const VERSION: &str = "/orchestrator.InfoService/QueryVersion";
/// How an HTTP/2 client begins: the preface, and settings that set nothing.
const BEGINNING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0opaque__";

/// Begins a call of OrgA in north, of which nothing but the headers is sent.
async fn begin(server: &RunningServer) -> (ResponseFuture, SendStream<Bytes>) {
    begin_taking(server, 65_535).await
}

/// The same, by a client that takes so many bytes of an answer.
async fn begin_taking(server: &RunningServer, window: u32) -> (ResponseFuture, SendStream<Bytes>) {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let builder = h2::client::Builder::new().initial_window_size(window).clone();
    let (client, connection) = builder.handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let uri = format!("http://{}{VERSION}", server.address);
    let request = http::Request::post(uri)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("mspid", "OrgA")
        .header("channel", "north");
    client.ready().await.unwrap().send_request(request.body(()).unwrap(), false).unwrap()
}

/// The beginning of a message of so many bytes.
fn message_of(bytes: u32) -> Bytes {
    [&[0], bytes.to_be_bytes().as_slice(), &[b'x'; 100]].concat().into()
}

/// The status that a call has ended with before there was an answer.
async fn refusal(response: ResponseFuture) -> (Code, String) {
    let headers: HeaderMap = response.await.unwrap().headers().clone();
    let status = Status::from_header_map(&headers).unwrap();
    (status.code(), status.message().to_owned())
}

/// What comes until the connection ends, which must be soon.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
    let _end_or_reset = read.unwrap();
    rest
}

#[tokio::test]
async fn an_organization_has_so_many_calls_under_way_and_others_are_not_affected() {
    let server = RunningServer::start_with(|options| options.limits.calls_per_organization_max = 1).await;
    let held = hold_north(&*server.store).await;
    let register = "/orchestrator.OrganizationService/RegisterOrganization";
    let waiting = tokio::spawn(wire::call(server.connect(), register, BY_A, ""));
    let by_b: wire::Headers<'_> = &[("mspid", b"OrgB"), ("channel", b"north")];
    let refused = loop {
        // Once the call is under way there is no room for another one.
        if let Err(status) = wire::call(server.connect(), VERSION, BY_A, "").await {
            break status;
        }
    };
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    assert!(refused.message().contains("too many calls"), "{refused:?}");
    wire::call(server.connect(), VERSION, by_b, "").await.unwrap();
    wire::call(server.connect(), "/grpc.health.v1.Health/Check", &[], "").await.unwrap();
    drop(held);
    waiting.await.unwrap().unwrap();
    wire::call(server.connect(), VERSION, BY_A, "").await.unwrap();
}

#[tokio::test]
async fn an_organization_has_so_many_streams_and_gets_back_what_it_closes() {
    let server = RunningServer::start_with(|options| options.limits.streams_per_organization_max = 1).await;
    let stream = wire::open(server.connect(), SUBSCRIBE, BY_A, "").await.unwrap();
    let refused = wire::open(server.connect(), SUBSCRIBE, BY_A, "").await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    wire::call(server.connect(), VERSION, BY_A, "").await.unwrap();
    drop(stream);
    // The server hears of it a little later.
    while wire::open(server.connect(), SUBSCRIBE, BY_A, "").await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn requests_that_are_too_large_together_are_refused() {
    let server = RunningServer::start_with(|options| {
        options.limits.request_bytes_per_organization_max = 150;
    })
    .await;
    let (first, mut held) = begin(&server).await;
    held.send_data(message_of(1000), false).unwrap();
    let (second, mut more) = begin(&server).await;
    more.send_data(message_of(1000), false).unwrap();
    // Either may be the one that arrives first.
    let ((code, text), _other) = select(refusal(first).boxed(), refusal(second).boxed()).await.factor_first();
    assert_eq!(code, Code::ResourceExhausted, "{text}");
}

#[tokio::test]
async fn answers_that_are_not_taken_are_bounded_and_others_are_not_affected() {
    let by_b: wire::Headers<'_> = &[("mspid", b"OrgB"), ("channel", b"north")];
    for window in [0, 1] {
        let server =
            RunningServer::start_with(|options| options.limits.answer_bytes_per_organization_max = 100).await;
        let (untaken, mut request) = begin_taking(&server, window).await;
        request.send_data(Bytes::from_static(&[0; 5]), true).unwrap();
        let untaken = untaken.await.unwrap();
        let refused = wire::call(server.connect(), VERSION, BY_A, "").await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
        assert!(refused.message().contains("has not taken"), "{refused:?}");
        wire::call(server.connect(), VERSION, by_b, "").await.unwrap().unwrap();
        drop((untaken, request));
        // The server hears of it a little later.
        while wire::call(server.connect(), VERSION, BY_A, "").await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_request_that_is_sent_too_slowly_is_given_up() {
    let patience = Duration::from_secs(1);
    let server = RunningServer::start_with(|options| options.limits.call_timeout = patience).await;
    let (response, mut half) = begin(&server).await;
    half.send_data(message_of(1000), false).unwrap();
    let (code, text) = refusal(response).await;
    assert_eq!((code, text.as_str()), (Code::Unavailable, "the call has taken too long"));
    // A call that waits for its turn too long is withdrawn.
    let held = hold_north(&*server.store).await;
    let waiting = call_that_waits(server.connect()).await;
    assert_eq!(waiting.await.unwrap_err().code(), Code::Unavailable);
    drop(held);
    let organizations = "/orchestrator.OrganizationService/GetAllOrganizations";
    let none = wire::call(server.connect(), organizations, BY_A, "").await.unwrap().unwrap();
    assert!(none.is_empty(), "core/TX-10: {none:?}");
}

#[tokio::test]
async fn a_connection_without_calls_is_closed_and_one_with_a_stream_is_not() {
    let idle = Some(Duration::from_millis(200));
    let server = RunningServer::start_with(|options| options.limits.idle_timeout = idle).await;
    let mut stream = wire::open(server.connect(), SUBSCRIBE, BY_A, "").await.unwrap();
    let mut quiet = TcpStream::connect(server.address).await.unwrap();
    quiet.write_all(BEGINNING).await.unwrap();
    let told = rest(&mut quiet).await;
    assert!(told.ends_with(b"\0\0\x08\x07\0\0\0\0\0\x7f\xff\xff\xff\0\0\0\0"), "no GOAWAY: {told:?}");
    server.register("OrgA", "north").await.unwrap();
    assert!(stream.message().await.unwrap().is_some());
}

#[tokio::test]
async fn a_client_that_pings_too_often_is_told_and_left() {
    // core/OPS-3
    let server = RunningServer::start().await;
    let mut eager = TcpStream::connect(server.address).await.unwrap();
    eager.write_all(BEGINNING).await.unwrap();
    eager.write_all(&PING.repeat(4)).await.unwrap();
    let told = rest(&mut eager).await;
    assert!(told.ends_with(b"\0\0\0\x0btoo_many_pings"), "{told:?}");
}

#[tokio::test]
async fn an_address_has_so_many_connections() {
    let server = RunningServer::start_with(|options| options.limits.connections_per_address_max = 1).await;
    let connection = server.connect();
    wire::call(connection.clone(), VERSION, BY_A, "").await.unwrap();
    let mut second = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(rest(&mut second).await, b"");
    wire::call(connection, VERSION, BY_A, "").await.unwrap();
}

#[tokio::test]
async fn elements_count_with_what_they_take_in_memory() {
    let server = RunningServer::start().await;
    let register = "/orchestrator.ComputeTaskService/RegisterTasks";
    let empty_tasks = [0x0a, 0].repeat(BYTES_MAX / 2);
    let refused = wire::call(server.connect(), register, BY_A, empty_tasks).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    // As many real tasks as a request can hold are not too many.
    let task = request(register);
    let tasks = task.repeat(BYTES_MAX / task.len());
    let refused = wire::call(server.connect(), register, BY_A, tasks).await.unwrap_err();
    assert!(refused.message().starts_with("OE"), "{refused:?}");
}

#[tokio::test]
async fn a_connection_has_so_many_calls_that_ask_for_no_identity() {
    // core/ID-9
    let server = RunningServer::start().await;
    let connection = server.connect();
    let watch = || wire::open(connection.clone(), "/grpc.health.v1.Health/Watch", &[], "");
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(watch().await.unwrap());
    }
    assert_eq!(watch().await.unwrap_err().code(), Code::ResourceExhausted);
    wire::call(connection.clone(), VERSION, BY_A, "").await.unwrap();
    wire::call(server.connect(), "/grpc.health.v1.Health/Check", &[], "").await.unwrap();
    drop(open);
    // The server hears of it a little later.
    while watch().await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_anybody_may_ask_is_short() {
    let server = RunningServer::start().await;
    let long = vec![0; 4097];
    let refused = wire::call(server.connect(), "/grpc.health.v1.Health/Check", &[], long).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
}
