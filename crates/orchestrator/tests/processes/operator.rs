//! What an operator sees of a server: its log, and its configuration before it starts (operations contract, sections 2 and 10).

use std::time::{Duration, Instant};

use postgres::testing::Cluster;
use proto::organization_service_client::OrganizationServiceClient;
use serde_json::Value;
use tonic::{Code, Request};

use crate::process::{Process, orchestrator};
use crate::{channel_file, environment};

/// A call with a request id, of an organization in a channel.
fn call(organization: &str, request_id: &str) -> Request<proto::GetAllOrganizationsParam> {
    let mut request = Request::new(proto::GetAllOrganizationsParam {});
    for (name, value) in [("mspid", organization), ("channel", "mychannel"), ("reqid", request_id)] {
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_one_json_object_a_line_and_one_line_a_call() {
    // core/ID-10, DEF-13
    let folder = tempfile::tempdir().unwrap();
    let file = channel_file(&folder);
    let database = Cluster::shared().await.fresh_database().await;
    let mut environment = environment(&database, &file);
    environment.extend([
        ("LOG_LEVEL", "DEBUG"),
        ("LOG_SQL_VERBOSE", "true"),
        ("ORCHESTRATOR_TLS_ENABLE", ""),
    ]);
    let server = Process::serve(&environment);
    let connection = tonic::transport::Endpoint::try_from(format!("http://{}", server.address)).unwrap();
    let mut organizations = OrganizationServiceClient::new(connection.connect().await.unwrap());
    organizations.get_all_organizations(call("MyOrg1MSP", "good-1")).await.unwrap();
    organizations.get_all_organizations(call("Stranger", "bad-1")).await.unwrap_err();
    let mut stream = server.caller("MyOrg1MSP").await.subscribe("").await;
    server.caller("MyOrg1MSP").await.register_organization().await.unwrap();
    stream.next().await.unwrap();
    drop(stream);

    let lines: Vec<Value> =
        server.terminate_and_read().iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        for field in ["level", "time", "message"] {
            assert!(line[field].is_string(), "{field} in {line}");
        }
    }
    let calls = |request_id: &str| -> Vec<&Value> {
        lines.iter().filter(|line| line["message"] == "call" && line["requestID"] == request_id).collect()
    };
    let [good] = calls("good-1")[..] else { panic!("one line: {lines:#?}") };
    assert_eq!((good["level"].as_str(), good["grpcCode"].as_str()), (Some("debug"), Some("OK")));
    let [bad] = calls("bad-1")[..] else { panic!("one line: {lines:#?}") };
    assert_eq!((bad["level"].as_str(), bad["grpcCode"].as_str()), (Some("info"), Some("PermissionDenied")));
    assert_eq!(bad["method"], "/orchestrator.OrganizationService/GetAllOrganizations");
    let subscribed = lines.iter().find(|line| line["message"] == "subscribed to events").unwrap();
    assert_eq!((&subscribed["mspid"], &subscribed["channel"]), (&"MyOrg1MSP".into(), &"mychannel".into()));
    assert_eq!(subscribed["requestID"].as_str().unwrap().len(), 8, "streams have request ids: {subscribed}");
    let sql = lines.iter().find(|line| line["message"] == "SQL").unwrap();
    assert!(sql["level"] == "info" && sql["sql"].is_string(), "{sql}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_reads_its_channel_file_again_when_it_is_asked() {
    // core/DEF-8
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("channels.yaml");
    std::fs::write(&file, "channels: {mychannel: [MyOrg1MSP]}").unwrap();
    let server = Process::start_dev(&["--memory", "--channels", file.to_str().unwrap()]);
    let newcomer = server.caller("MyOrg2MSP").await;
    assert_eq!(newcomer.register_organization().await.unwrap_err().code(), Code::PermissionDenied);
    std::fs::write(&file, "channels: {mychannel: [MyOrg1MSP, MyOrg2MSP]}").unwrap();
    server.signal("HUP");
    let begun = Instant::now();
    while let Err(status) = newcomer.register_organization().await {
        assert!(begun.elapsed() < Duration::from_secs(60), "{status:?}");
    }
}

/// The output of `config check` with these variables, and whether it was content.
fn check(environment: &[(&str, &str)]) -> (bool, String) {
    let output = orchestrator(&["config", "check"], environment).output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

/// The words of the line about a setting.
fn words<'a>(report: &'a str, name: &str) -> Vec<&'a str> {
    let line = report.lines().find(|line| line.split(' ').next() == Some(name));
    line.unwrap_or_else(|| panic!("{name} in {report}")).split_whitespace().collect()
}

#[test]
fn config_check_shows_what_counts_and_hides_passwords() {
    let folder = tempfile::tempdir().unwrap();
    let file = channel_file(&folder);
    let (usable, report) = check(&[
        ("ORCHESTRATOR_DATABASE_URL", "postgres://u:hunter2@db/o?"),
        ("ORCHESTRATOR_CHANNEL_CONFIG", file.to_str().unwrap()),
        ("ORCHESTRATOR_TX_RETRY_BUDGET", "500ms"),
        ("ORCHESTRATOR_TLS_ENABLED", "false"),
        ("ORCHESTRATOR_VERIFY_CLIENT_MSP_ID", "false"),
        ("ORCHESTRATOR_GRPC_LISTENN", "x"),
    ]);
    assert!(usable && !report.contains("hunter2"), "{report}");
    for (name, words_expected) in [
        ("ORCHESTRATOR_DATABASE_URL", ["environment", "postgres://u:***@db/o?"].as_slice()),
        ("ORCHESTRATOR_TX_RETRY_BUDGET", &["environment", "500ms"]),
        ("ORCHESTRATOR_GRPC_LISTEN", &["default", "[::]:9000"]),
        ("ORCHESTRATOR_TLS_KEY_PATH", &["not", "needed"]),
    ] {
        assert_eq!(words(&report, name)[1..], *words_expected);
    }
    let warning = report.lines().find(|line| line.starts_with("warning: ORCHESTRATOR_GRPC_LISTENN")).unwrap();
    assert!(warning.ends_with("is ORCHESTRATOR_GRPC_LISTEN meant?"), "{warning}");
}

#[test]
fn config_check_tells_every_problem_at_once() {
    let (usable, report) =
        check(&[("ORCHESTRATOR_TLS_ENABLED", "yes"), ("ORCHESTRATOR_TX_RETRY_BUDGET", "90")]);
    assert!(!usable);
    let problems = report.lines().filter(|line| line.starts_with("problem: ")).count();
    assert_eq!(problems, 5, "{report}");
    assert_eq!(words(&report, "ORCHESTRATOR_CHANNEL_CONFIG")[1..], ["missing"]);
}

#[test]
fn config_check_looks_into_the_files() {
    let (usable, report) = check(&[
        ("ORCHESTRATOR_DATABASE_URL", "postgres://db/o"),
        ("ORCHESTRATOR_CHANNEL_CONFIG", "/nowhere/channels.yaml"),
        ("ORCHESTRATOR_TX_RETRY_BUDGET", "500ms"),
        ("ORCHESTRATOR_TLS_ENABLED", "true"),
        ("ORCHESTRATOR_MTLS_ENABLED", "false"),
        ("ORCHESTRATOR_TLS_CERT_PATH", "/nowhere/tls.crt"),
        ("ORCHESTRATOR_TLS_KEY_PATH", "/nowhere/tls.key"),
        ("ORCHESTRATOR_VERIFY_CLIENT_MSP_ID", "false"),
    ]);
    assert!(!usable);
    for file in ["/nowhere/channels.yaml", "/nowhere/tls.crt"] {
        assert!(report.lines().any(|line| line.starts_with("problem: ") && line.contains(file)), "{report}");
    }
}
