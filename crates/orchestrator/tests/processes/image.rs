//! The image of `deploy/Dockerfile` under the command lines of the published chart: server container, probes and migration job.
//!
//! No container engine is needed: the file tree is made in a temporary folder by the very instructions of the Dockerfile, and the lines that Helm
//! has rendered run in it with nothing changed but where the tree begins, the database, and ports. Start at [`Image`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output};
use std::time::{Duration, Instant};

use postgres::testing::{Cluster, TestDatabase};
use tonic_health::ServingStatus;

use crate::chart::{Container, Rendered};
use crate::process::{Process, orchestrator};

const DOCKERFILE: &str = include_str!("../../../../deploy/Dockerfile");

/// The name by which the chart's probes know the server.
const SERVER_NAME: &str = "network-orchestrator-server.substra.svc.cluster.local";

/// The image's file tree, and beside it what the chart mounts.
struct Image {
    root: tempfile::TempDir,
}

impl Image {
    /// Does what the last stage of the Dockerfile says.
    fn new() -> Self {
        let image = Self { root: tempfile::tempdir().unwrap() };
        let programs = image.root.path().join("bin");
        std::fs::create_dir(&programs).unwrap();
        std::fs::create_dir(image.root.path().join("app")).unwrap();
        // Of the base image only the shell matters.
        std::os::unix::fs::symlink("/bin/bash", programs.join("bash")).unwrap();
        let last_stage = DOCKERFILE.rsplit("FROM ").next().unwrap();
        for instruction in last_stage.lines() {
            let line = match instruction.split_once(' ') {
                Some(("RUN", line)) => image.within(line),
                Some(("COPY", line)) => {
                    let target = line.strip_prefix("--from=build /orchestrator ").expect(line);
                    format!("ln -s {} {}", env!("CARGO_BIN_EXE_orchestrator"), image.within(target))
                }
                _ => continue,
            };
            assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success(), "{line}");
        }
        image
    }

    /// The line with all paths of the image leading into the tree.
    fn within(&self, line: &str) -> String {
        let root = self.root.path().display();
        ["app", "bin", "migrations", "var"].iter().fold(format!(" {line}"), |line, folder| {
            ["\n", " ", "="].iter().fold(line, |line, before| {
                line.replace(&format!("{before}/{folder}"), &format!("{before}{root}/{folder}"))
            })
        })
    }

    /// `sh -c LINE` in a container of the image.
    fn shell(&self, line: &str, environment: &BTreeMap<String, String>) -> Command {
        let programs = self.root.path().join("bin");
        let mut command = Command::new(programs.join("sh"));
        let path = format!("{}:/usr/bin:/bin", programs.display());
        command.args(["-c", self.within(line).trim_start()]).env_clear().env("PATH", path);
        command
            .envs(environment.iter().map(|(name, value)| (name, self.within(value).trim_start().to_owned())));
        command
    }

    /// What is mounted at this path.
    fn mount(&self, path: &str) -> PathBuf {
        let mount = self.root.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(mount.parent().unwrap()).unwrap();
        mount
    }

    /// The exit status of a probe of the server at this address.
    fn probe(&self, line: &str, address: &str) -> ExitStatus {
        let port = address.rsplit(':').next().unwrap();
        self.shell(&line.replace(":9000", &format!(":{port}")), &BTreeMap::new()).status().unwrap()
    }

    /// The server container, on free ports.
    fn serve(&self, chart: &Rendered, database: &TestDatabase) -> Process {
        std::fs::write(self.mount("/var/orchestrator/config.yaml"), chart.channels()).unwrap();
        let Container { script, mut environment, .. } = chart.server();
        environment.extend(credentials(database));
        let listen = [("ORCHESTRATOR_GRPC_LISTEN", "[::]:0"), ("ORCHESTRATOR_HTTP_LISTEN", "127.0.0.1:0")];
        environment.extend(listen.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Process::serving(&mut self.shell(&script, &environment))
    }

    fn migrate(&self, database: &TestDatabase) -> Output {
        let Container { script, mut environment, .. } = Rendered::tls().job();
        environment.extend(credentials(database));
        self.shell(&script, &environment).output().unwrap()
    }
}

/// What the chart's config map and secret say of a database, its parameters apart.
fn credentials(database: &TestDatabase) -> [(String, String); 5] {
    let url: http::Uri = database.url().parse().unwrap();
    let credentials = url.authority().unwrap().as_str().rsplit_once('@').unwrap().0;
    let (user, password) = credentials.split_once(':').unwrap();
    [
        ("DATABASE_USERNAME", user),
        ("DATABASE_PASSWORD", password),
        ("DATABASE_HOSTNAME", url.host().unwrap()),
        ("DATABASE_PORT", url.port_u16().unwrap().to_string().as_str()),
        ("DATABASE_DATABASE", url.path().trim_start_matches('/')),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_container_starts_answers_its_probes_and_ends_when_told_to() {
    let (image, chart) = (Image::new(), Rendered::plain());
    let database = Cluster::shared().await.fresh_database().await;
    let server = image.serve(&chart, &database);
    let probes = chart.server().probes;
    assert_eq!(probes.len(), 2, "at the start, and from time to time");
    assert!(probes.iter().all(|line| image.probe(line, &server.address).success()));
    let address = server.address.clone();
    assert_eq!(server.terminate().code(), Some(0), "the shell has not kept the signal");
    assert_eq!(image.probe(&probes[0], &address).code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_get_through_tls_and_mutual_tls_with_the_servers_own_pair() {
    // core/HLT-1, ID-9: outside the identity check
    let image = Image::new();
    let directory = image.mount("/var/orchestrator/tls");
    let certs = ["certs", "--directory", directory.to_str().unwrap(), "--server-name", SERVER_NAME];
    let made = orchestrator(&certs, &[]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let database = Cluster::shared().await.fresh_database().await;
    let probes =
        [Rendered::plain(), Rendered::tls(), Rendered::mutual_tls()].map(|chart| chart.server().probes);
    // Of the probes of each chart, whether they get through.
    for (chart, expected) in
        [(Rendered::tls(), [false, true, true]), (Rendered::mutual_tls(), [false, false, true])]
    {
        let server = image.serve(&chart, &database);
        let healthy =
            |lines: &Vec<String>| lines.iter().all(|line| image.probe(line, &server.address).success());
        assert_eq!(probes.each_ref().map(healthy), expected);
        let verified =
            format!("-tls-ca-cert=/var/orchestrator/tls/server/cacert/ca.crt -tls-server-name={SERVER_NAME}");
        let unverified = probes[2][0].replace(&verified, "-tls-no-verify");
        assert_eq!(image.probe(&unverified, &server.address).code(), Some(0));
        let other_name = probes[2][0].replace(SERVER_NAME, "other.example");
        assert_eq!(image.probe(&other_name, &server.address).code(), Some(2));
    }
}

/// A health service with this status, for as long as the runtime lives.
async fn health_service(status: ServingStatus) -> String {
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter.set_service_status("", status).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_of_a_probe_says_what_is_wrong_within_two_seconds() {
    let image = Image::new();
    let serving = health_service(ServingStatus::Serving).await;
    let not_serving = health_service(ServingStatus::NotServing).await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    for (flags, address, status) in [
        ("-v -addr=:9000", &serving, 0),
        ("--addr :9000 -service= -connect-timeout 250ms -rpc-timeout=1.5s", &serving, 0),
        ("-addr=:9000 -rpc-header 'a: b' -rpc-header=c:d -user-agent=probe", &serving, 0),
        ("-addr=:9000 -alts", &serving, 1),
        ("-addr=:9000 -gzip", &serving, 3), // a server that takes nothing compressed says so
        ("-addr=:9000 -tls -tls-no-verify", &serving, 2),
        ("-v", &serving, 1),
        ("-addr=:9000 -connect-timeout=1", &serving, 1),
        ("-addr=nowhere.invalid:9000", &serving, 2),
        ("-addr=:9000 -service=other", &serving, 3),
        ("-addr=:9000", &silent, 3),
        ("-addr=:9000", &not_serving, 4),
    ] {
        let started = Instant::now();
        let line = format!("/bin/grpc_health_probe {flags}");
        assert_eq!(image.probe(&line, address).code(), Some(status), "{line}");
        assert!(started.elapsed() < Duration::from_secs(3), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_migration_job_can_run_again_and_beside_another_copy() {
    let image = Image::new();
    let database = Cluster::shared().await.fresh_database().await;
    std::thread::scope(|scope| {
        let jobs = [(); 2].map(|()| scope.spawn(|| image.migrate(&database)));
        for job in jobs {
            let output = job.join().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
    });
    assert!(image.migrate(&database).status.success());
    let refused =
        image.shell("migrate -source file:///migrations/ -database postgres://h/d down", &BTreeMap::new());
    assert_eq!({ refused }.status().unwrap().code(), Some(1));
}
