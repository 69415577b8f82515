//! How a server ends, and how it lives through the loss of its database.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use postgres::testing::{Cluster, TestDatabase};
use tokio_postgres::NoTls;
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::process::{Caller, PATIENCE, Process, key, orchestrator};
use crate::{channel_file, environment};

/// How long a server may take to end.
const END_TIME_MAX: Duration = Duration::from_secs(20);

/// What the server is a child of.
#[derive(Clone, Copy, Debug)]
enum Parent {
    /// This test.
    Test,
    /// The shell of the image, as the chart starts it.
    Shell,
    /// The same as process 1 of a container.
    Container,
    /// Any shell that goes on afterwards; the signal reaches all processes, as from a terminal.
    ScriptOnTerminal,
}

impl Parent {
    /// The command, and the process or group that gets the signal.
    fn serve(self, environment: &[(&str, &str)]) -> (Process, String) {
        let executable = env!("CARGO_BIN_EXE_orchestrator");
        let mut command = match self {
            Self::Test => orchestrator(&["serve"], &[]),
            Self::Shell => shell("bash", &["-c", &format!("set -eu\nexport SET=1\n{executable}\n")]),
            Self::Container => {
                let script = format!("set -eu\nexport SET=1\n{executable}\n");
                shell("unshare", &["--pid", "--fork", "--kill-child", "bash", "-c", &script])
            }
            Self::ScriptOnTerminal => {
                let mut command = shell("sh", &["-c", &format!("{executable} serve\nexit $?\n")]);
                command.process_group(0);
                command
            }
        };
        let server = Process::serving(command.envs(environment.iter().copied()));
        let target = match self {
            Self::Test | Self::Shell => server.id().to_string(),
            Self::Container => only_child(server.id()),
            Self::ScriptOnTerminal => format!("-{}", server.id()),
        };
        (server, target)
    }

    /// Namespaces are not for everybody.
    fn is_possible(self) -> bool {
        let unshare = || Command::new("unshare").args(["--pid", "--fork", "true"]).output();
        !matches!(self, Self::Container) || unshare().is_ok_and(|output| output.status.success())
    }
}

fn shell(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin");
    command
}

fn only_child(parent: u32) -> String {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    children.trim().to_owned()
}

fn signal(name: &str, target: &str) {
    assert!(Command::new("kill").args(["-s", name, "--", target]).status().unwrap().success());
}

/// Keeps every write of the channel waiting, for as long as the client lives.
async fn hold_channel(database: &TestDatabase) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("BEGIN; SELECT FROM orchestrator.channel FOR UPDATE").await.unwrap();
    client
}

/// Waits until a write waits.
async fn a_write_waits(holder: &tokio_postgres::Client) {
    let waiting = "SELECT count(*) > 0 FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually(async || holder.query_one(waiting, &[]).await.unwrap().get(0)).await;
}

async fn eventually(question: impl AsyncFn() -> bool) {
    let asking = async {
        while !question().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("in time");
}

async fn health(server: &Process) -> HealthClient<Channel> {
    let endpoint = Channel::from_shared(format!("http://{}", server.address)).unwrap();
    HealthClient::new(endpoint.connect().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_to_stop_drains_whoever_its_parent_is() {
    // core/HLT-2, HLT-3, SUB-11, OPS-4
    let folder = tempfile::tempdir().unwrap();
    let file = channel_file(&folder);
    for (parent, name) in [
        (Parent::Test, "TERM"),
        (Parent::Test, "INT"),
        (Parent::Shell, "TERM"),
        (Parent::Shell, "INT"),
        (Parent::Container, "TERM"),
        (Parent::ScriptOnTerminal, "INT"),
    ] {
        if !parent.is_possible() {
            eprintln!("left out, for this user may make no namespace: {parent:?}");
            continue;
        }
        let database = Cluster::shared().await.fresh_database().await;
        let (server, target) = parent.serve(&environment(&database, &file));
        let caller = server.caller("MyOrg1MSP").await;
        caller.register_organization().await.unwrap();
        let mut subscription = caller.subscribe("").await;
        subscription.read(1).await;
        let watched = HealthCheckRequest::default();
        let mut watch = health(&server).await.watch(watched).await.unwrap().into_inner();
        assert_eq!(watch.message().await.unwrap().unwrap().status, ServingStatus::Serving as i32);
        let holder = hold_channel(&database).await;
        let call = tokio::spawn({
            let caller = caller.clone();
            async move { caller.register_plan(1).await }
        });
        a_write_waits(&holder).await;

        signal(name, &target);
        assert_eq!(watch.message().await.unwrap().unwrap().status, ServingStatus::NotServing as i32);
        assert_eq!(subscription.next().await.unwrap_err().code(), Code::Unavailable, "{parent:?} {name}");
        drop(holder);
        call.await.unwrap().expect("a running call finishes");
        let address = server.address.clone();
        let status = tokio::task::spawn_blocking(|| server.wait()).await.unwrap();
        // A shell on a terminal ends by the signal itself, once its children have ended.
        let expected = if matches!(parent, Parent::ScriptOnTerminal) { None } else { Some(0) };
        assert_eq!(status.code(), expected, "{parent:?} {name}");
        eventually(async || tokio::net::TcpStream::connect(&address).await.is_err()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_does_not_finish_is_given_up_in_time() {
    // core/OPS-4
    let folder = tempfile::tempdir().unwrap();
    let file = channel_file(&folder);
    let database = Cluster::shared().await.fresh_database().await;
    let server = Process::serve(&environment(&database, &file));
    let caller = server.caller("MyOrg1MSP").await;
    caller.register_organization().await.unwrap();
    let holder = hold_channel(&database).await;
    let call = tokio::spawn(async move { caller.register_plan(1).await });
    a_write_waits(&holder).await;
    let started = Instant::now();
    let status = tokio::task::spawn_blocking(|| server.terminate()).await.unwrap();
    assert!(started.elapsed() < END_TIME_MAX, "{:?}", started.elapsed());
    assert_eq!(status.code(), Some(0));
    assert_eq!(call.await.unwrap().unwrap_err().code(), Code::Unavailable, "it is told so");
}

/// Registers plans, from this number on, until one is accepted; its number.
async fn register_until_accepted(caller: &Caller, mut number: u32) -> u32 {
    let registering = async {
        loop {
            match caller.register_plan(number).await {
                Ok(()) => return number,
                Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
            }
            number += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, registering).await.expect("a plan is accepted again")
}

/// Reads a subscription up to the event of a plan.
async fn read_to_plan(subscription: &mut crate::process::Subscription, number: u32) -> Vec<proto::Event> {
    let mut events = subscription.read(1).await;
    while events.last().is_some_and(|event| event.asset_key != key(number)) {
        events.extend(subscription.read(1).await);
    }
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_may_go_away_and_come_back() {
    // core/HLT-4
    let folder = tempfile::tempdir().unwrap();
    let file = channel_file(&folder);
    let mut cluster = Cluster::start().await;
    let database = cluster.fresh_database().await;
    let server = Process::serve(&environment(&database, &file));
    let caller = server.caller("MyOrg1MSP").await;
    caller.register_organization().await.unwrap();
    let mut subscription = caller.subscribe("").await;
    let mut told = subscription.read(1).await;

    let mut number = 1;
    for kill in [true, false] {
        match kill {
            true => cluster.kill().await,
            false => cluster.stop().await,
        }
        let read = proto::GetComputePlanParam { key: key(number) };
        assert_eq!(caller.register_plan(number).await.unwrap_err().code(), Code::Unavailable);
        assert_eq!(caller.plans().get_plan(read).await.unwrap_err().code(), Code::Unavailable);
        let check = health(&server).await.check(HealthCheckRequest::default()).await.unwrap();
        assert_eq!(check.into_inner().status, ServingStatus::Serving as i32);

        cluster.restart().await;
        number = register_until_accepted(&caller, number + 1).await;
        told.extend(read_to_plan(&mut subscription, number).await);
        number += 1;
    }
    let mut whole = caller.subscribe("").await;
    assert_eq!(whole.read(told.len()).await, told, "nothing is missed and nothing told twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_moves_to_the_standby_that_was_promoted() {
    let folder = tempfile::tempdir().unwrap();
    let file = channel_file(&folder);
    let mut primary = Cluster::start().await;
    let database = primary.fresh_database().await;
    let standby = primary.standby().await;
    let url = database.url_with_standby(&standby);
    let mut environment = environment(&database, &file);
    environment.retain(|(name, _)| *name != "ORCHESTRATOR_DATABASE_URL");
    environment.push(("ORCHESTRATOR_DATABASE_URL", &url));
    let server = Process::serve(&environment);
    let caller = server.caller("MyOrg1MSP").await;
    caller.register_organization().await.unwrap();
    let mut subscription = caller.subscribe("").await;
    let mut told = subscription.read(1).await;
    caller.register_plan(1).await.unwrap();
    told.extend(read_to_plan(&mut subscription, 1).await);

    primary.kill().await;
    assert_eq!(caller.register_plan(2).await.unwrap_err().code(), Code::Unavailable);
    standby.promote().await;
    let number = register_until_accepted(&caller, 3).await;
    told.extend(read_to_plan(&mut subscription, number).await);
    let mut whole = caller.subscribe("").await;
    assert_eq!(whole.read(told.len()).await, told, "nothing acknowledged is lost, nothing is missed");
}
