//! The image of `deploy/Dockerfile` under the command lines of the published chart: server container, probes and migration job.
//!
//! No container engine is needed: the file tree is made in a temporary folder by the very instructions of the Dockerfile, and the lines run in
//! it with nothing changed but where the tree begins, and ports. Start at [`Image`].

use std::path::Path;
use std::process::{Command, ExitStatus, Output};
use std::time::{Duration, Instant};

use postgres::testing::{Cluster, TestDatabase};
use tonic_health::ServingStatus;

use crate::channel_file;
use crate::process::{Process, orchestrator};

const DOCKERFILE: &str = include_str!("../../../../deploy/Dockerfile");

/// What the chart runs in the server container.
const SERVER: &str = r#"set -eu
SERVER="${DATABASE_USERNAME}:${DATABASE_PASSWORD}@${DATABASE_HOSTNAME}:${DATABASE_PORT}"
DATABASE_URI="postgres://${SERVER}/${DATABASE_DATABASE}?${DATABASE_CONNECTION_PARAMETERS}"
export ORCHESTRATOR_DATABASE_URL="${DATABASE_URI}"
/app/orchestrator
"#;

/// What the chart runs in the migration job.
const JOB: &str = r#"set -eu
SERVER="${DATABASE_USERNAME}:${DATABASE_PASSWORD}@${DATABASE_HOSTNAME}:${DATABASE_PORT}"
DATABASE_URI="postgres://${SERVER}/${DATABASE_DATABASE}?${DATABASE_CONNECTION_PARAMETERS}"
migrate -source file:///migrations/ -database "$DATABASE_URI" up
"#;

/// The chart's probes: in plain text, with TLS, with mutual TLS.
const PROBES: [&str; 3] = [
    "/bin/grpc_health_probe -v -addr=:9000",
    "/bin/grpc_health_probe -v -addr=:9000 -tls -tls-ca-cert=/var/orchestrator/tls/server/cacert/ca.crt \
     -tls-server-name=localhost",
    "/bin/grpc_health_probe -v -addr=:9000 -tls -tls-ca-cert=/var/orchestrator/tls/server/cacert/ca.crt \
     -tls-server-name=localhost -tls-client-key=/var/orchestrator/tls/server/pair/tls.key \
     -tls-client-cert=/var/orchestrator/tls/server/pair/tls.crt",
];

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
    fn shell(&self, line: &str, environment: &[(&str, &str)]) -> Command {
        let programs = self.root.path().join("bin");
        let mut command = Command::new(programs.join("sh"));
        let path = format!("{}:/usr/bin:/bin", programs.display());
        command.args(["-c", self.within(line).trim_start_matches(' ')]).env_clear().env("PATH", path);
        command.envs(environment.iter().copied());
        command
    }

    /// The exit status of a probe of the server at this address.
    fn probe(&self, line: &str, address: &str) -> ExitStatus {
        let port = address.rsplit(':').next().unwrap();
        self.shell(&line.replace(":9000", &format!(":{port}")), &[]).status().unwrap()
    }

    /// The server container, on free ports.
    fn serve(&self, database: &TestDatabase, channels: &Path, tls: &[(&str, &str)]) -> Process {
        let variables = database_variables(database, "sslmode=disable");
        let mut environment = vec![
            ("ORCHESTRATOR_CHANNEL_CONFIG", channels.to_str().unwrap()),
            ("ORCHESTRATOR_TX_RETRY_BUDGET", "500ms"),
            ("LOG_SQL_VERBOSE", "false"),
            ("LOG_LEVEL", "INFO"),
            ("METRICS_ENABLED", "true"),
            ("ORCHESTRATOR_GRPC_LISTEN", "[::]:0"),
            ("ORCHESTRATOR_HTTP_LISTEN", "127.0.0.1:0"),
        ];
        environment.extend(variables.iter().map(|(name, value)| (*name, value.as_str())));
        environment.extend(tls);
        Process::serving(&mut self.shell(SERVER, &environment))
    }

    fn migrate(&self, database: &TestDatabase) -> Output {
        let variables = database_variables(database, "");
        let environment: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.shell(JOB, &environment).output().unwrap()
    }
}

const PLAIN: [(&str, &str); 2] =
    [("ORCHESTRATOR_TLS_ENABLED", "false"), ("ORCHESTRATOR_VERIFY_CLIENT_MSP_ID", "false")];

/// The keys of the chart's config map and secret for a database.
fn database_variables(database: &TestDatabase, parameters: &str) -> Vec<(&'static str, String)> {
    let url: http::Uri = database.url().parse().unwrap();
    let credentials = url.authority().unwrap().as_str().rsplit_once('@').unwrap().0;
    let (user, password) = credentials.split_once(':').unwrap();
    vec![
        ("DATABASE_USERNAME", user.to_owned()),
        ("DATABASE_PASSWORD", password.to_owned()),
        ("DATABASE_HOSTNAME", url.host().unwrap().to_owned()),
        ("DATABASE_PORT", url.port_u16().unwrap().to_string()),
        ("DATABASE_DATABASE", url.path().trim_start_matches('/').to_owned()),
        ("DATABASE_CONNECTION_PARAMETERS", parameters.to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_container_starts_answers_its_probes_and_ends_when_told_to() {
    let (image, folder) = (Image::new(), tempfile::tempdir().unwrap());
    let database = Cluster::shared().await.fresh_database().await;
    let server = image.serve(&database, &channel_file(&folder), &PLAIN);
    assert_eq!(image.probe(PROBES[0], &server.address).code(), Some(0));
    let address = server.address.clone();
    assert_eq!(server.terminate().code(), Some(0), "the shell has not kept the signal");
    assert_eq!(image.probe(PROBES[0], &address).code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_get_through_tls_and_mutual_tls_with_the_servers_own_pair() {
    // core/HLT-1, ID-9: outside the identity check
    let (image, folder) = (Image::new(), tempfile::tempdir().unwrap());
    std::fs::create_dir_all(image.root.path().join("var/orchestrator")).unwrap();
    let mounts = image.root.path().join("var/orchestrator/tls");
    let directory = mounts.to_str().unwrap();
    let made = orchestrator(&["certs", "--directory", directory], &[]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let [certificate, key, authority, clients] =
        ["server/pair/tls.crt", "server/pair/tls.key", "server/cacert/ca.crt", "client"]
            .map(|path| mounts.join(path).to_str().unwrap().to_owned());
    let tls = |mutual: &'static str| {
        [
            ("ORCHESTRATOR_TLS_ENABLED", "true"),
            ("ORCHESTRATOR_MTLS_ENABLED", mutual),
            ("ORCHESTRATOR_VERIFY_CLIENT_MSP_ID", mutual),
            ("ORCHESTRATOR_TLS_CERT_PATH", certificate.as_str()),
            ("ORCHESTRATOR_TLS_KEY_PATH", key.as_str()),
            ("ORCHESTRATOR_TLS_SERVER_CA_CERT", authority.as_str()),
            ("ORCHESTRATOR_TLS_CLIENT_CA_CERT_DIR", clients.as_str()),
        ]
    };
    let database = Cluster::shared().await.fresh_database().await;
    let channels = channel_file(&folder);
    // Of each probe, whether it gets through.
    for (mutual, expected) in [("false", [false, true, true]), ("true", [false, false, true])] {
        let server = image.serve(&database, &channels, &tls(mutual));
        let healthy = PROBES.map(|line| image.probe(line, &server.address).success());
        assert_eq!(healthy, expected, "mutual TLS: {mutual}");
        let other_name = PROBES[2].replace("localhost", "other.example");
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
        ("-addr=:9000 -alts", &serving, 1),
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
    let refused = image.shell("migrate -source file:///migrations/ -database postgres://h/d down", &[]);
    assert_eq!({ refused }.status().unwrap().code(), Some(1));
}
