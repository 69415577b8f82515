//! Access is replaced, or ends by itself, while connections and streams are open (core/DEF-8, DEF-9, ID-15).

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use server::tls::Tls;
use server::{Access, Membership, Role};
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use super::ServerFiles;
use super::minting::{self, Authority};
use crate::admin::scrape;
use crate::running_server::{RunningServer, membership};
use crate::shutdown::{call_that_waits, hold_north};
use crate::wire::{self, BY_A};

const VERSION: &str = "/orchestrator.InfoService/QueryVersion";
const SUBSCRIBE: &str = "/orchestrator.EventService/SubscribeToEvents";
/// Long enough to see a stream go on, short enough to wait for.
const GRACE: Duration = Duration::from_millis(300);

async fn start(files: &ServerFiles) -> RunningServer {
    files
        .start_with(|options| {
            options.limits.stream_grace = GRACE;
            options.limits.examination_interval = Duration::from_millis(50);
        })
        .await
}

/// What is in the files now counts, for these members.
fn replace(server: &RunningServer, files: &ServerFiles, membership: Membership) {
    server.access.replace(Access { membership, tls: Some(Tls::load(&files.files()).unwrap()) });
}

async fn ask(connection: &Channel) -> Result<Option<Bytes>, Status> {
    wire::call(connection.clone(), VERSION, BY_A, "").await
}

async fn subscribe(connection: &Channel) -> Streaming<Bytes> {
    wire::open(connection.clone(), SUBSCRIBE, BY_A, "").await.unwrap()
}

fn code(answer: Result<Option<Bytes>, Status>) -> Code {
    answer.map_or_else(|status| status.code(), |_answer| Code::Ok)
}

fn seconds(time: SystemTime) -> f64 {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    f64::from(u32::try_from(since_epoch.as_secs()).unwrap())
}

/// Asks again and again until the connection is not there any more and another one is not made.
async fn until_cut(connection: &Channel) {
    while ask(connection).await.unwrap_err().message().contains("not trusted any more") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn who_has_lost_the_authority_is_refused_on_an_open_connection_and_cut_off() {
    let files = ServerFiles::new();
    let (kept, withdrawn) = (Authority::new("kept"), Authority::new("withdrawn"));
    files.write("client/OrgA/kept.crt", &kept.pem());
    files.write("client/OrgA/withdrawn.crt", &withdrawn.pem());
    let server = start(&files).await;
    let stays = files.connect(&server, Some(&kept.issue(&["OrgA"], |_| {})));
    let goes = files.connect(&server, Some(&withdrawn.issue(&["OrgA"], |_| {})));
    let (mut staying, mut going) = (subscribe(&stays).await, subscribe(&goes).await);

    std::fs::remove_file(files.path().join("client/OrgA/withdrawn.crt")).unwrap();
    replace(&server, &files, membership());
    let status = ask(&goes).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.message().contains("not trusted any more"), "{status:?}");
    let end = going.message().await.unwrap_err();
    assert_eq!(end.code(), Code::Unavailable, "{end:?}");
    assert!(end.message().contains("authority to follow this stream has ended"), "{end:?}");
    until_cut(&goes).await;

    ask(&stays).await.unwrap();
    let admin = kept.issue(&["OrgA"], |_| {});
    register(&files.connect(&server, Some(&admin))).await;
    assert!(staying.message().await.unwrap().is_some());
}

/// Makes an event in north.
async fn register(connection: &Channel) {
    const REGISTER: &str = "/orchestrator.OrganizationService/RegisterOrganization";
    wire::call(connection.clone(), REGISTER, BY_A, "").await.unwrap();
}

#[tokio::test]
async fn an_authority_that_moves_to_another_organization_takes_its_clients_along() {
    let files = ServerFiles::new();
    let authority = Authority::new("moving");
    files.write("client/OrgA/ca.crt", &authority.pem());
    let server = start(&files).await;
    let connection = files.connect(&server, Some(&authority.issue(&["OrgA", "OrgB"], |_| {})));
    let mut stream = subscribe(&connection).await;
    ask(&connection).await.unwrap();

    std::fs::rename(files.path().join("client/OrgA"), files.path().join("client/OrgB")).unwrap();
    replace(&server, &files, membership());
    // The connection is trusted as before, but proves another organization.
    assert_eq!(code(ask(&connection).await), Code::PermissionDenied);
    let by_b: wire::Headers<'_> = &[("mspid", b"OrgB"), ("channel", b"north")];
    wire::call(connection, VERSION, by_b, "").await.unwrap();
    assert_eq!(stream.message().await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn who_is_no_member_any_more_is_refused_and_its_streams_end() {
    let files = ServerFiles::new();
    let authority = Authority::new("authority of OrgA");
    files.write("client/OrgA/ca.crt", &authority.pem());
    let server = start(&files).await;
    let connection = files.connect(&server, Some(&authority.issue(&["OrgA"], |_| {})));
    let mut stream = subscribe(&connection).await;

    replace(&server, &files, Membership::default());
    assert_eq!(code(ask(&connection).await), Code::PermissionDenied);
    assert_eq!(stream.message().await.unwrap_err().code(), Code::Unavailable);

    replace(&server, &files, membership());
    ask(&connection).await.unwrap();
}

#[tokio::test]
async fn a_stream_goes_on_during_the_grace() {
    let files = ServerFiles::new();
    let authority = Authority::new("authority of OrgA");
    files.write("client/OrgA/ca.crt", &authority.pem());
    let server = files.start_with(|options| options.limits.stream_grace = Duration::from_secs(3600)).await;
    let connection = files.connect(&server, Some(&authority.issue(&["OrgA"], |_| {})));
    let mut stream = subscribe(&connection).await;
    replace(&server, &files, Membership::default());
    assert_eq!(code(ask(&connection).await), Code::PermissionDenied);
    replace(&server, &files, membership());
    register(&connection).await;
    assert!(stream.message().await.unwrap().is_some());
}

#[tokio::test]
async fn a_call_under_way_finishes_whoever_its_caller_is_by_then() {
    // core/ID-15
    let server = RunningServer::start_with(|options| options.limits.stream_grace = Duration::ZERO).await;
    let held = hold_north(&*server.store).await;
    let call = call_that_waits(server.connect()).await;
    server.access.replace(Membership::default().into());
    drop(held);
    call.await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_expires_ends_what_it_has_opened() {
    let files = ServerFiles::new();
    let authority = Authority::new("authority of OrgA");
    let soon = SystemTime::now() + Duration::from_secs(4);
    let ending = Authority::until("ending authority of OrgA", soon);
    files.write("client/OrgA/ca.crt", &(authority.pem() + &ending.pem()));
    let server = start(&files).await;
    // The authority of one client ends, and the certificate of the other.
    let pairs = [ending.issue(&["OrgA"], |_| {}), authority.issue(&["OrgA"], minting::until(soon))];
    let mut opened = Vec::new();
    for pair in pairs {
        let connection = files.connect(&server, Some(&pair));
        let stream = subscribe(&connection).await;
        opened.push((pair, connection, stream));
    }
    for (pair, connection, mut stream) in opened {
        let end = stream.message().await.unwrap_err();
        assert_eq!(end.code(), Code::Unavailable, "{end:?}");
        until_cut(&connection).await;
        assert!(ask(&files.connect(&server, Some(&pair))).await.is_err());
    }
}

#[tokio::test]
async fn an_expired_authority_is_not_trusted() {
    let files = ServerFiles::new();
    let past = SystemTime::now() - Duration::from_secs(60);
    let (expired, valid) = (Authority::until("expired", past), Authority::new("valid"));
    files.write("client/OrgA/ca.crt", &(expired.pem() + &valid.pem()));
    files.write("client/OrgB/ca.crt", &expired.pem());
    let server = start(&files).await;
    assert!(ask(&files.connect(&server, Some(&expired.issue(&["OrgA"], |_| {})))).await.is_err());
    ask(&files.connect(&server, Some(&valid.issue(&["OrgA"], |_| {})))).await.unwrap();

    let expiries = server.access.now();
    let expired_for: Vec<_> = expiries.expiries().iter().filter(|expiry| expiry.not_after <= past).collect();
    let roles: Vec<_> = expired_for.iter().map(|expiry| expiry.role.to_string()).collect();
    assert_eq!(roles, ["client authority of OrgA", "client authority of OrgB"]);
    assert!(expired_for.iter().all(|expiry| expiry.subject == "CN=expired"), "{expired_for:?}");
    let metrics = scrape(&server).await;
    for organization in ["OrgA", "OrgB"] {
        let role = format!("certificate=\"client authority of {organization}\"");
        let ended = metrics.value(&format!("orc_certificate_expiry_timestamp_seconds{{{role}}}"));
        assert_eq!(ended, Some(seconds(past)), "the first to end");
    }
    let of_server = expiries.expiries().iter().filter(|expiry| expiry.role == Role::Server);
    assert_eq!(of_server.count(), 1);
}

#[tokio::test]
async fn a_new_certificate_of_the_server_is_shown_to_new_connections() {
    let mut files = ServerFiles::new();
    let authority = Authority::new("authority of OrgA");
    files.write("client/OrgA/ca.crt", &authority.pem());
    let server = start(&files).await;
    let pair = authority.issue(&["OrgA"], |_| {});
    let before = files.connect(&server, Some(&pair));
    ask(&before).await.unwrap();

    files.authority = Authority::new("another authority of the server");
    files.write_server_pair();
    files.write("ca.crt", &files.authority.pem());
    assert!(ask(&files.connect(&server, Some(&pair))).await.is_err(), "nothing counts before it is replaced");
    replace(&server, &files, membership());
    ask(&files.connect(&server, Some(&pair))).await.unwrap();
    ask(&before).await.unwrap();
}
