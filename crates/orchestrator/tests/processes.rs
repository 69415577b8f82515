//! The executable seen from outside: real processes, real connections, a real PostgreSQL.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

#[path = "processes/chart.rs"]
mod chart;
#[path = "processes/image.rs"]
mod image;
#[path = "processes/life_cycle.rs"]
mod life_cycle;
#[path = "processes/operator.rs"]
mod operator;
mod process;
#[path = "processes/traces.rs"]
mod traces;
#[path = "processes/verify.rs"]
mod verify;

use std::collections::BTreeSet;
use std::path::Path;

use client::{Client, ClientOptions, Pair, Tls};
use postgres::testing::{Cluster, TestDatabase};
use process::{Caller, Process, key, orchestrator};

const CHANNELS: &str = "channels:\n  mychannel: [MyOrg1MSP, MyOrg2MSP, MyOrg3MSP]\n";

/// The environment of `serve` on this database.
fn environment<'a>(database: &'a TestDatabase, channel_file: &'a Path) -> Vec<(&'a str, &'a str)> {
    vec![
        ("ORCHESTRATOR_DATABASE_URL", database.url()),
        ("ORCHESTRATOR_CHANNEL_CONFIG", channel_file.to_str().unwrap()),
        ("ORCHESTRATOR_TX_RETRY_BUDGET", "500ms"),
        ("ORCHESTRATOR_TLS_ENABLED", "false"),
        ("ORCHESTRATOR_VERIFY_CLIENT_MSP_ID", "false"),
        ("ORCHESTRATOR_GRPC_LISTEN", "127.0.0.1:0"),
        ("ORCHESTRATOR_HTTP_LISTEN", "127.0.0.1:0"),
        ("LOG_LEVEL", "INFO"),
    ]
}

fn channel_file(folder: &tempfile::TempDir) -> std::path::PathBuf {
    let path = folder.path().join("channels.yaml");
    std::fs::write(&path, CHANNELS).unwrap();
    path
}

#[test]
fn serve_names_every_missing_or_malformed_setting_at_once() {
    let settings = [("ORCHESTRATOR_TLS_ENABLED", "yes"), ("ORCHESTRATOR_TX_RETRY_BUDGET", "90")];
    let output = orchestrator(&["serve"], &settings).output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{log}");
    for name in [
        "ORCHESTRATOR_DATABASE_URL",
        "ORCHESTRATOR_CHANNEL_CONFIG",
        "ORCHESTRATOR_TX_RETRY_BUDGET",
        "ORCHESTRATOR_TLS_ENABLED",
        "ORCHESTRATOR_VERIFY_CLIENT_MSP_ID",
    ] {
        assert!(log.contains(name), "{name} is not named in: {log}");
    }
}

#[test]
fn nothing_to_do_prints_help() {
    let output = orchestrator(&[], &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stdout).unwrap().contains("demo"));
}

#[test]
fn dev_does_not_listen_beyond_loopback_by_itself() {
    let output = orchestrator(&["dev", "--memory", "--listen", "0.0.0.0:0"], &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("--insecure-listen-beyond-loopback"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_on_one_database_tell_one_story() {
    // core/SUB-16, SUB-18: what is written through either reaches the subscribers of both, once, in one order.
    let folder = tempfile::tempdir().unwrap();
    let file = channel_file(&folder);
    let database = Cluster::shared().await.fresh_database().await;
    let environment = environment(&database, &file);
    let (first, second) = (Process::serve(&environment), Process::serve(&environment));
    let (one, two) = (first.caller("MyOrg1MSP").await, second.caller("MyOrg2MSP").await);
    one.register_organization().await.unwrap();
    two.register_organization().await.unwrap();
    let (mut at_first, mut at_second) = (one.subscribe("").await, two.subscribe("").await);
    let writers = [one.clone(), two.clone()].into_iter().zip([0, 100]);
    let writers = writers.map(|(caller, from)| tokio::spawn(register_plans(caller, from, 50)));
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let (seen, told) = (at_first.read(102).await, at_second.read(102).await);
    assert_eq!(seen, told);
    let ids: BTreeSet<&str> = seen.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids.len(), 102, "nothing twice");
}

async fn register_plans(caller: Caller, from: u32, count: u32) {
    for number in from..from + count {
        caller.register_plan(number).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_is_healthy_without_a_schema_and_migrate_brings_it() {
    // core/HLT-4, OPS-5
    let folder = tempfile::tempdir().unwrap();
    let file = channel_file(&folder);
    let database = Cluster::shared().await.fresh_database().await;
    let mut environment = environment(&database, &file);
    environment.push(("ORCHESTRATOR_MIGRATE_ON_START", "false"));
    let server = Process::serve(&environment);
    let caller = server.caller("MyOrg1MSP").await;
    let refused = caller.register_organization().await.unwrap_err();
    assert!(matches!(refused.code(), tonic::Code::Internal | tonic::Code::Unavailable), "{refused:?}");
    assert!(!refused.message().contains("relation"), "no text of the database: {refused:?}");
    let migrations: Vec<_> =
        (0..3).map(|_| orchestrator(&["migrate"], &environment).spawn().unwrap()).collect();
    for mut migration in migrations {
        assert!(migration.wait().unwrap().success(), "safe at the same time as another");
    }
    caller.register_organization().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_by_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::dev(folder.path());
    let caller = server.caller("MyOrg1MSP").await;
    caller.register_organization().await.unwrap();
    let mut subscription = caller.subscribe("").await;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let caller = caller.clone();
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for number in (writer * 100_000)..u32::MAX {
                    match caller.register_plan(number).await {
                        Ok(()) => acknowledged.push(key(number)),
                        Err(_) => return acknowledged,
                    }
                }
                acknowledged
            })
        })
        .collect();
    let last_seen = subscription.read(60).await.pop().unwrap();
    server.kill();
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }

    let server = Process::dev(folder.path());
    let caller = server.caller("MyOrg1MSP").await;
    for key in &acknowledged {
        caller
            .plans()
            .get_plan(proto::GetComputePlanParam { key: key.clone() })
            .await
            .expect("an acknowledged plan");
    }
    caller.register_plan(u32::MAX).await.unwrap();
    let mut whole = caller.subscribe("").await;
    let mut story = Vec::new();
    while story.last().is_none_or(|event: &proto::Event| event.asset_key != key(u32::MAX)) {
        story.push(whole.next().await.unwrap());
    }
    let told: BTreeSet<&str> = story.iter().map(|event| event.asset_key.as_str()).collect();
    assert!(
        acknowledged.iter().all(|key| told.contains(key.as_str())),
        "each acknowledged plan has its event"
    );
    let mut resumed = caller.subscribe(&last_seen.id).await;
    assert_eq!(resumed.read(story.len() - 60).await, story[60..], "a stream goes on after the last event id");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_subscriptions_as_unavailable_and_exits_with_0() {
    // core/SUB-11, OPS-4
    let folder = tempfile::tempdir().unwrap();
    let server = Process::dev(folder.path());
    let caller = server.caller("MyOrg1MSP").await;
    caller.register_organization().await.unwrap();
    let mut subscription = caller.subscribe("").await;
    subscription.read(1).await;
    let ended = tokio::spawn(async move { subscription.next().await });
    let status = tokio::task::spawn_blocking(|| server.terminate()).await.unwrap();
    assert_eq!(ended.await.unwrap().unwrap_err().code(), tonic::Code::Unavailable);
    assert_eq!(status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_ended_the_predecessor_are_answered() {
    // compute/DEF-1, DEF-2, DEF-3, DEF-4
    let folder = tempfile::tempdir().unwrap();
    let server = Process::dev(folder.path());
    let caller = server.caller("MyOrg1MSP").await;
    caller.register_organization().await.unwrap();
    caller.register_plan(1).await.unwrap();
    let unknown = proto::IsPlanRunningParam { key: key(99) };
    assert_eq!(caller.plans().is_plan_running(unknown).await.unwrap_err().code(), tonic::Code::NotFound);
    let huge = proto::QueryPlansParam { page_size: u32::MAX, ..Default::default() };
    assert_eq!(caller.plans().query_plans(huge).await.unwrap().into_inner().plans.len(), 1);
    let none = proto::RegisterModelsParam { models: Vec::new() };
    assert_eq!(
        caller.models().register_models(none).await.unwrap_err().code(),
        tonic::Code::FailedPrecondition
    );
    caller.register_plan(2).await.unwrap();
}

/// The most memory that a process has had so far, in MiB.
#[cfg(target_os = "linux")]
fn peak_memory(server: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn giant_requests_cost_no_memory_however_many_come_at_once() {
    // core/ID-14, ERR-7, S-13: twenty of 16 MiB, and one of 50.
    let folder = tempfile::tempdir().unwrap();
    let server = Process::dev(folder.path());
    let caller = server.caller("MyOrg1MSP").await;
    caller.register_organization().await.unwrap();
    let before = peak_memory(&server);
    let giant = |mebibytes: usize| {
        let connecting = server.caller("MyOrg1MSP");
        async move {
            let name = "x".repeat(mebibytes << 20);
            let request = proto::NewComputePlan { key: key(1), name, ..Default::default() };
            connecting.await.plans().register_plan(request).await.unwrap_err()
        }
    };
    let mut refused = futures::future::join_all((0..20).map(|_| giant(16))).await;
    refused.push(giant(50).await);
    for status in refused {
        assert_eq!(status.code(), tonic::Code::ResourceExhausted, "{status:?}");
        assert!(status.message().contains("message larger than max"), "{status:?}");
    }
    let rise = peak_memory(&server) - before;
    assert!(rise < 64, "{rise} MiB for 370 MiB that were sent");
    caller.register_plan(1).await.unwrap();
}

/// The settings that `orchestrator certs` prints for a shell, and nothing but comments besides.
fn settings_of_certs(output: &str) -> Vec<(&str, &str)> {
    let lines = output.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let setting = line.strip_prefix("export ").expect(line);
            let (name, value) = setting.split_once('=').expect(line);
            (name, value.trim_matches('\''))
        })
        .collect()
}

/// Registers an organization with a pair that `orchestrator certs` has made for `holder`.
async fn register_with_pair_of(
    directory: &Path,
    address: &str,
    holder: &str,
    organization: &str,
) -> Result<proto::Organization, tonic::Status> {
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap();
    let mut options = ClientOptions::new(format!("https://{address}"), organization, "mychannel");
    options.tls = Some(Tls {
        authorities: read("server/cacert/ca.crt"),
        server_name: None,
        pair: Some(Pair {
            certificates: read(&format!("organizations/{holder}/tls.crt")),
            key: read(&format!("organizations/{holder}/tls.key")),
        }),
    });
    let client = Client::connect(options).await.unwrap();
    let request = proto::RegisterOrganizationParam { address: "http://backend.example".to_owned() };
    client.call(request).await
}

async fn assert_only_holders_get_in(directory: &Path, address: &str) {
    for organization in ["MyOrg1MSP", "MyOrg2MSP", "MyOrg3MSP"] {
        register_with_pair_of(directory, address, organization, organization).await.unwrap();
    }
    let refused = register_with_pair_of(directory, address, "MyOrg1MSP", "MyOrg2MSP").await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied, "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn certs_makes_what_serve_and_dev_need_for_mutual_tls() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("certificates");
    let certs =
        || orchestrator(&["certs", "--directory", directory.to_str().unwrap()], &[]).output().unwrap();
    let made = certs();
    assert!(made.status.success(), "{made:?}");
    let again = certs();
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8(again.stderr).unwrap().contains("is not empty"));

    let output = String::from_utf8(made.stdout).unwrap();
    let settings = settings_of_certs(&output);
    assert_eq!(settings.len(), 7, "{output}");
    let file = channel_file(&folder);
    let database = Cluster::shared().await.fresh_database().await;
    let mut environment = environment(&database, &file);
    environment.retain(|(name, _)| settings.iter().all(|(set, _)| set != name));
    environment.extend(settings);
    let server = Process::serve(&environment);
    assert_only_holders_get_in(&directory, &server.address).await;
    server.kill();

    let mtls = ["--mtls", directory.to_str().unwrap()];
    let server = Process::dev_with(&folder.path().join("data"), &mtls);
    assert_only_holders_get_in(&directory, &server.address).await;
}

#[test]
fn serve_names_a_certificate_that_it_cannot_use() {
    let folder = tempfile::tempdir().unwrap();
    let file = channel_file(&folder);
    let path = file.to_str().unwrap();
    let settings = [
        ("ORCHESTRATOR_DATABASE_URL", "postgres://nobody@localhost:1/none"),
        ("ORCHESTRATOR_CHANNEL_CONFIG", path),
        ("ORCHESTRATOR_TX_RETRY_BUDGET", "500ms"),
        ("ORCHESTRATOR_VERIFY_CLIENT_MSP_ID", "false"),
        ("ORCHESTRATOR_TLS_ENABLED", "true"),
        ("ORCHESTRATOR_MTLS_ENABLED", "false"),
        ("ORCHESTRATOR_TLS_CERT_PATH", path),
        ("ORCHESTRATOR_TLS_KEY_PATH", path),
    ];
    let output = orchestrator(&["serve"], &settings).output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(log.contains(&format!("cannot use {path}: there is no certificate in it")), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_reads_channels_and_authorities_again_or_changes_nothing() {
    // core/DEF-8
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("certificates");
    let made = orchestrator(&["certs", "--directory", directory.to_str().unwrap()], &[]).output().unwrap();
    let output = String::from_utf8(made.stdout).unwrap();
    let file = channel_file(&folder);
    let database = Cluster::shared().await.fresh_database().await;
    let mut environment = environment(&database, &file);
    environment.retain(|(name, _)| !output.contains(name));
    environment.extend(settings_of_certs(&output));
    environment.push(("ORCHESTRATOR_RELOAD_INTERVAL", "0"));
    let server = Process::serve(&environment);
    let register = async |organization| {
        register_with_pair_of(&directory, &server.address, organization, organization).await
    };
    register("MyOrg1MSP").await.unwrap();

    // A bad file changes nothing, not even what is right beside it.
    std::fs::remove_dir_all(directory.join("client/MyOrg2MSP")).unwrap();
    std::fs::write(&file, "channels: [").unwrap();
    server.signal("HUP");
    let told = server.line_with("what was there before still counts");
    assert!(told.contains("channels.yaml") && told.contains("line 1, column 11"), "{told}");
    register("MyOrg2MSP").await.unwrap();

    std::fs::write(&file, "channels:\n  mychannel: [MyOrg1MSP, MyOrg2MSP]\n").unwrap();
    server.signal("HUP");
    server.line_with("count from now on");
    let removed = register("MyOrg3MSP").await.unwrap_err();
    assert_eq!(removed.code(), tonic::Code::PermissionDenied, "{removed:?}");
    assert!(register("MyOrg2MSP").await.is_err(), "nobody vouches for it");
}

#[test]
fn certs_refuses_names_that_would_leave_the_directory() {
    for name in ["../elsewhere", "..data", "a/b", "a/", ""] {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("certificates");
        let arguments = ["certs", "--directory", directory.to_str().unwrap(), "--organizations", name];
        let output = orchestrator(&arguments, &[]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{name:?}");
        assert!(!directory.exists(), "{name:?}");
    }
}
