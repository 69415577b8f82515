//! The port for operators: `/metrics` and `/readyz` (core/OPS-1, HLT-4, DEF-60; operations contract, sections 8 and 11).

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::exposition::Exposition;
use crate::running_server::{RunningServer, by};
use crate::subscription::subscribe;

const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "Unauthenticated",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
];

const REGISTER: &str =
    r#"grpc_type="unary",grpc_service="orchestrator.OrganizationService",grpc_method="RegisterOrganization""#;
const SUBSCRIBE: &str =
    r#"grpc_type="server_stream",grpc_service="orchestrator.EventService",grpc_method="SubscribeToEvents""#;

/// The status and the body of what is at a path.
async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).await.unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

pub(crate) async fn scrape(server: &RunningServer) -> Exposition {
    let (status, text) = get(server.http, "/metrics").await;
    assert_eq!(status, 200);
    Exposition::read(&text)
}

/// Looks until a series has this value: a call is counted a moment after its client has the answer.
async fn until(server: &RunningServer, series: &str, value: f64) -> Exposition {
    let mut found = scrape(server).await;
    for _ in 0..1000 {
        if found.value(series) == Some(value) {
            return found;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        found = scrape(server).await;
    }
    panic!("{series} is {:?}, not {value}", found.value(series));
}

#[tokio::test]
async fn counters_of_all_methods_and_codes_begin_with_zero() {
    let server = RunningServer::start().await;
    let metrics = scrape(&server).await;
    // 40 of the application and two of reflection; health only after use.
    assert_eq!(metrics.of("grpc_server_started_total").len(), 42);
    assert_eq!(metrics.of("grpc_server_handled_total").len(), 42 * CODES.len());
    assert_eq!(metrics.of("grpc_server_msg_received_total").len(), 42);
    assert_eq!(metrics.of("grpc_server_msg_sent_total").len(), 42);
    for code in CODES {
        let series = format!("grpc_server_handled_total{{{REGISTER},grpc_code=\"{code}\"}}");
        assert_eq!(metrics.value(&series), Some(0.0), "{series}");
    }
    assert_eq!(metrics.of("grpc_server_handling_seconds_count"), [""; 0]);
    assert_eq!(metrics.value("orc_event_sent_total"), Some(0.0));
}

#[tokio::test]
async fn a_call_is_counted_from_its_beginning_to_what_became_of_it() {
    let server = RunningServer::start().await;
    server.register("OrgA", "north").await.unwrap();
    server.register("OrgA", "north").await.unwrap_err();
    server.register("OrgA", "south").await.unwrap_err();
    let metrics = until(&server, &format!("grpc_server_handling_seconds_count{{{REGISTER}}}"), 3.0).await;
    let method = r#"method="/orchestrator.OrganizationService/RegisterOrganization""#;
    for (series, value) in [
        (format!("grpc_server_started_total{{{REGISTER}}}"), 3.0),
        (format!("grpc_server_handled_total{{{REGISTER},grpc_code=\"OK\"}}"), 1.0),
        (format!("grpc_server_handled_total{{{REGISTER},grpc_code=\"AlreadyExists\"}}"), 1.0),
        (format!("grpc_server_handled_total{{{REGISTER},grpc_code=\"PermissionDenied\"}}"), 1.0),
        (format!("grpc_server_msg_received_total{{{REGISTER}}}"), 2.0),
        (format!("grpc_server_msg_sent_total{{{REGISTER}}}"), 1.0),
        (format!("orc_db_transaction_total{{{method},outcome=\"commit\"}}"), 1.0),
        (format!("orc_db_transaction_total{{{method},outcome=\"rollback\"}}"), 1.0),
        (r#"orc_call_refused_total{code="OE0006"}"#.to_owned(), 1.0),
        (r#"orc_call_refused_total{code="OE0102"}"#.to_owned(), 1.0),
        (r#"orc_call_refused_total{code="OE0007"}"#.to_owned(), 0.0),
        (r#"orc_writer_batch_calls_count{channel="north"}"#.to_owned(), 2.0),
        (r#"orc_writer_wait_seconds_count{channel="north"}"#.to_owned(), 2.0),
        (r#"orc_store_seconds_count{operation="apply"}"#.to_owned(), 1.0),
        (r#"orc_build_info{version="test"}"#.to_owned(), 1.0),
    ] {
        assert_eq!(metrics.value(&series), Some(value), "{series}");
    }
}

#[tokio::test]
async fn events_are_counted_when_they_are_sent() {
    // core/DEF-60
    let server = RunningServer::start().await;
    server.register("OrgA", "north").await.unwrap();
    server.register("OrgB", "north").await.unwrap();
    let mut stream = subscribe(&server, "OrgA", "north", "").await.unwrap();
    for _ in 0..2 {
        stream.message().await.unwrap().unwrap();
    }
    let metrics = until(&server, "orc_event_sent_total", 2.0).await;
    assert_eq!(metrics.value(r#"orc_feed_subscribers{channel="north"}"#), Some(1.0));
    assert_eq!(metrics.value(r#"orc_feed_lag_events{channel="north"}"#), Some(0.0));
    assert_eq!(metrics.value(&format!("grpc_server_msg_sent_total{{{SUBSCRIBE}}}")), Some(2.0));
    drop(stream);
    // A subscription that the client ends has gone well.
    let ended = format!("grpc_server_handled_total{{{SUBSCRIBE},grpc_code=\"OK\"}}");
    let metrics = until(&server, &ended, 1.0).await;
    assert_eq!(metrics.value(r#"orc_feed_subscribers{channel="north"}"#), Some(0.0));
}

#[tokio::test]
async fn a_member_cannot_make_series() {
    let server = RunningServer::start().await;
    server.register("OrgA", "north").await.unwrap();
    let before = until(&server, r#"orc_store_seconds_count{operation="apply"}"#, 1.0).await;
    for number in 0..20 {
        server.register("OrgA", &format!("channel{number}")).await.unwrap_err();
        server.register(&format!("Org{number}\"\\"), "north").await.unwrap_err();
        let mut grpc = tonic::client::Grpc::new(server.connect());
        grpc.ready().await.unwrap();
        let path = format!("/orchestrator.InfoService/Method{number}").parse().unwrap();
        let codec =
            tonic_prost::ProstCodec::<proto::QueryVersionParam, proto::QueryVersionResponse>::default();
        grpc.unary(by("OrgA", "north", proto::QueryVersionParam {}), path, codec).await.unwrap_err();
    }
    let refused = r#"orc_call_refused_total{code="OE0102"}"#;
    let after = until(&server, refused, 40.0).await;
    assert_eq!(before.series.keys().collect::<Vec<_>>(), after.series.keys().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_server_that_stops_is_not_ready_and_says_so() {
    // core/HLT-2
    let server = RunningServer::start().await;
    let http = server.http;
    assert_eq!(get(http, "/healthz").await, (200, "ok\n".to_owned()));
    let (status, report) = get(http, "/readyz").await;
    assert_eq!((status, report.as_str()), (200, "ready\nserver: ok\nstore: ok\nschema: ok\n"));
    server.stop().await.unwrap().unwrap();
    let (status, report) = get(http, "/readyz").await;
    assert_eq!((status, report.contains("server: is stopping")), (503, true), "{report}");
}

#[tokio::test]
async fn anything_else_is_not_there() {
    let server = RunningServer::start().await;
    for path in ["/", "/metrics/", "/debug/pprof/", "/ready"] {
        assert_eq!(get(server.http, path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn nothing_else_is_there_and_no_profiler() {
    // core/DEF-17
    let server = RunningServer::start().await;
    for path in ["/", "/debug/pprof/", "/debug/pprof/profile", "/debug/pprof/cmdline", "/debug/vars"] {
        assert_eq!(get(server.http, path).await.0, 404, "{path}");
    }
}
