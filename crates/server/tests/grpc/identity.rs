//! Who may call: headers, membership, and what bypasses both (core/ID-1 … ID-13, CHN-1, CHN-2).

use prost::Message;
use tonic::Code;

use crate::running_server::RunningServer;
use crate::wire::{self, BY_A, Headers};

const UNARY: &str = "/orchestrator.OrganizationService/GetAllOrganizations";
const REGISTER: &str = "/orchestrator.OrganizationService/RegisterOrganization";
const VERSION: &str = "/orchestrator.InfoService/QueryVersion";
const SUBSCRIPTION: &str = "/orchestrator.EventService/SubscribeToEvents";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const REFLECTION_V1ALPHA: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

const NO_MSPID: (Code, &str) = (Code::FailedPrecondition, "OE0003: missing or invalid header 'mspid'");
const NO_CHANNEL: (Code, &str) = (Code::FailedPrecondition, "OE0003: missing or invalid header 'channel'");

/// No access, told with these names.
fn no_access(organization: &str, channel: &str) -> (Code, String) {
    let text = format!("OE0102: organization {organization:?} has no access to channel {channel:?}");
    (Code::PermissionDenied, text)
}

#[tokio::test]
async fn every_fault_of_the_headers_has_its_status_in_calls_and_streams() {
    // S-01 … S-05
    let no_mspid = || (NO_MSPID.0, NO_MSPID.1.to_owned());
    let no_channel = || (NO_CHANNEL.0, NO_CHANNEL.1.to_owned());
    let table: [(Headers<'_>, (Code, String)); 17] = [
        (&[], no_mspid()),
        (&[("channel", b"north")], no_mspid()),
        (&[("mspid", b"OrgA"), ("mspid", b"OrgA"), ("channel", b"north")], no_mspid()),
        (&[("mspid", b"OrgA"), ("mspid", b"OrgB"), ("channel", b"north")], no_mspid()),
        (&[("mspid", b"OrgA")], no_channel()),
        (&[("mspid", b"Nobody")], no_channel()),
        (&[("mspid", b"OrgA"), ("channel", b"north"), ("channel", b"north")], no_channel()),
        (&[("mspid", b"orga"), ("channel", b"north")], no_access("orga", "north")),
        (&[("mspid", b"OrgA "), ("channel", b"north")], no_access("OrgA ", "north")),
        (&[("mspid", b"OrgA,OrgB"), ("channel", b"north")], no_access("OrgA,OrgB", "north")),
        (&[("mspid", b""), ("channel", b"north")], no_access("", "north")),
        (&[("mspid", b"Org\xff"), ("channel", b"north")], no_access("Org\u{fffd}", "north")),
        (&[("mspid", b"Nobody"), ("channel", b"north")], no_access("Nobody", "north")),
        (&[("mspid", b"OrgA"), ("channel", b"south")], no_access("OrgA", "south")),
        (&[("mspid", b"OrgA"), ("channel", b"nowhere")], no_access("OrgA", "nowhere")),
        (&[("mspid", b"OrgA"), ("channel", b"")], no_access("OrgA", "")),
        // core/ERR-3: the first code decides, whatever a caller smuggles into the text behind it.
        (&[("mspid", b"OrgA"), ("channel", b"OE0007: x")], no_access("OrgA", "OE0007: x")),
    ];
    let server = RunningServer::start().await;
    // Identity comes before the message is read: this is none.
    let undecodable = b"\xff".as_slice();
    for path in [UNARY, VERSION, SUBSCRIPTION, REFLECTION, REFLECTION_V1ALPHA] {
        for (headers, (code, text)) in &table {
            let status = wire::call(server.connect(), path, headers, undecodable).await.unwrap_err();
            assert_eq!((status.code(), status.message()), (*code, text.as_str()), "{path} {headers:?}");
        }
    }
}

#[tokio::test]
async fn each_call_of_a_connection_is_made_by_whoever_its_own_headers_name() {
    // core/ID-15: calls beside a stream, and streams beside calls, know nothing of each other's callers.
    let server = RunningServer::start().await;
    let connection = server.connect();
    let by_b: Headers<'_> = &[("mspid", b"OrgB"), ("channel", b"north")];
    let mut stream = wire::open(connection.clone(), SUBSCRIPTION, BY_A, "").await.unwrap();
    let foreign: Headers<'_> = &[("mspid", b"OrgA"), ("channel", b"south")];
    let status = wire::call(connection.clone(), UNARY, foreign, "").await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    for (headers, id) in [(by_b, "OrgB"), (BY_A, "OrgA")] {
        let registered = wire::call(connection.clone(), REGISTER, headers, "").await.unwrap().unwrap();
        assert_eq!(proto::Organization::decode(registered).unwrap().id, id);
        let event = proto::Event::decode(stream.message().await.unwrap().unwrap()).unwrap();
        assert_eq!((event.asset_key.as_str(), event.channel.as_str()), (id, "north"));
    }
}

#[tokio::test]
async fn the_request_id_never_matters() {
    // core/ID-10, SUB-17, S-02
    let server = RunningServer::start().await;
    let long = "x".repeat(10_000);
    let ids: [&[&[u8]]; 5] = [&[], &[b"abc"], &[b"a", b"b"], &[b"\xff\t"], &[long.as_bytes()]];
    for ids in ids {
        let reqid = ids.iter().map(|id| ("reqid", *id));
        let headers: Vec<_> = BY_A.iter().copied().chain(reqid).collect();
        wire::open(server.connect(), SUBSCRIPTION, &headers, "").await.unwrap();
        let answer = wire::call(server.connect(), VERSION, &headers, "").await.unwrap().unwrap();
        let version = proto::QueryVersionResponse::decode(answer).unwrap();
        assert_eq!(version.orchestrator, "dev", "core/INF-1");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_unimplemented_before_any_header_is_looked_at() {
    // core/ID-13, DEF-12
    let server = RunningServer::start().await;
    for path in [
        "/orchestrator.InfoService/Unknown",
        "/orchestrator.EventService/Unknown",
        "/orchestrator.Unknown/QueryVersion",
        "/grpc.health.v1.Health/Unknown",
        "/grpc.health.v1.HealthX/Check",
        "/x.grpc.health.v1.Health/Check",
        "/",
    ] {
        for headers in [&[], BY_A] {
            let status = wire::call(server.connect(), path, headers, "").await.unwrap_err();
            assert_eq!(status.code(), Code::Unimplemented, "{path} {status:?}");
        }
    }
}
