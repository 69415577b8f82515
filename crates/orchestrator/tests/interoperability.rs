//! Clients that are not ours against the executable: backends in Python that mirror whole channels, and callers in Python and Go over mutual TLS.
//!
//! They speak grpcio and grpc-go with stubs generated from our `.proto` files. What they need comes from PyPI and Go's module proxy, so these
//! tests run on demand only: `cargo test -p orchestrator --test interoperability -- --ignored`. What a client does is told in
//! its own file in this folder; [`Clients`] prepares them.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

#[expect(dead_code, reason = "other tests use more of it")]
mod process;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use postgres::testing::{Cluster, TestDatabase};
use process::{Process, orchestrator};

const CHANNELS: &str =
    "channels:\n  mychannel: [MyOrg1MSP, MyOrg2MSP, MyOrg3MSP]\n  yourchannel: [MyOrg1MSP, MyOrg2MSP]\n";
/// The same as the members' program takes it.
const MEMBERS: [&str; 2] = ["mychannel=MyOrg1MSP,MyOrg2MSP,MyOrg3MSP", "yourchannel=MyOrg1MSP,MyOrg2MSP"];

/// The foreign clients, ready to run; they are made once and kept in the target directory.
struct Clients(PathBuf);

static CLIENTS: LazyLock<Clients> = LazyLock::new(Clients::prepare);

impl Clients {
    fn prepare() -> Self {
        let clients = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join("interoperability"));
        std::fs::create_dir_all(clients.stubs()).unwrap();
        succeed(Command::new("python3").args(["-m", "venv"]).arg(clients.0.join("python")));
        let requirements = sources().join("requirements.txt");
        succeed(clients.python().args(["-m", "pip", "install", "--quiet", "-r"]).arg(requirements));
        let made =
            ["python", "grpc_python"].map(|kind| format!("--{kind}_out={}", clients.stubs().display()));
        succeed(clients.protoc().args(made));
        clients.build_visitor();
        clients
    }

    fn python(&self) -> Command {
        let mut command = Command::new(self.0.join("python/bin/python"));
        command.env("PYTHONPATH", self.stubs()).env("PYTHONDONTWRITEBYTECODE", "1").current_dir(sources());
        command
    }

    fn stubs(&self) -> PathBuf {
        self.0.join("stubs")
    }

    /// `protoc` on all our `.proto` files; what it makes is said by the arguments that follow.
    fn protoc(&self) -> Command {
        let mut command = self.python();
        command.args(["-m", "grpc_tools.protoc"]).arg("-I").arg(protos()).args(proto_files());
        command
    }

    /// The Go program, in a copy of its folder that has the generated package beside it.
    fn build_visitor(&self) {
        let folder = self.0.join("visitor");
        std::fs::create_dir_all(folder.join("bin")).unwrap();
        for name in ["go.mod", "go.sum", "main.go"] {
            std::fs::copy(sources().join("visitor").join(name), folder.join(name)).unwrap();
        }
        let go = || {
            let mut command = Command::new("go");
            command.args(["build", "-o", "bin/"]).current_dir(&folder);
            command
        };
        let generators =
            ["google.golang.org/protobuf/cmd/protoc-gen-go", "google.golang.org/grpc/cmd/protoc-gen-go-grpc"];
        succeed(go().args(generators));
        let mut protoc = self.protoc();
        for generator in ["go", "go-grpc"] {
            let program = folder.join(format!("bin/protoc-gen-{generator}"));
            protoc.arg(format!("--plugin={}", program.display()));
            protoc.arg(format!("--{generator}_out={}", folder.display()));
            protoc.arg(format!("--{generator}_opt=module=visitor"));
            // Our files name no Go package.
            let packages = proto_files().into_iter().map(|file| format!("M{}=visitor/api", name_of(&file)));
            protoc.args(packages.map(|package| format!("--{generator}_opt={package}")));
        }
        succeed(&mut protoc);
        succeed(go().arg("."));
    }

    /// The callers over mutual TLS: grpcio, then grpc-go.
    fn visitors(&self) -> [Command; 2] {
        let mut python = self.python();
        python.arg("visitor.py");
        [python, Command::new(self.0.join("visitor/bin/visitor"))]
    }
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interoperability")
}

fn protos() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/proto")
}

fn proto_files() -> Vec<PathBuf> {
    let files = std::fs::read_dir(protos()).unwrap();
    files.map(|file| file.unwrap().path()).collect()
}

fn name_of(file: &Path) -> &str {
    file.file_name().unwrap().to_str().unwrap()
}

fn succeed(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}

fn channel_file(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("channels.yaml");
    std::fs::write(&path, CHANNELS).unwrap();
    path
}

/// `serve` on this database with these settings of TLS.
fn serve(database: &TestDatabase, channels: &Path, tls: &[(&str, &str)]) -> Process {
    let mut environment = vec![
        ("ORCHESTRATOR_DATABASE_URL", database.url()),
        ("ORCHESTRATOR_CHANNEL_CONFIG", channels.to_str().unwrap()),
        ("ORCHESTRATOR_TX_RETRY_BUDGET", "500ms"),
        ("ORCHESTRATOR_GRPC_LISTEN", "127.0.0.1:0"),
        ("ORCHESTRATOR_HTTP_LISTEN", "127.0.0.1:0"),
        ("LOG_LEVEL", "INFO"),
    ];
    environment.extend(tls);
    Process::serve(&environment)
}

/// Members work while backends mirror, die and go on; in the end every mirror says what every query says.
fn check_mirrors(server: &Process) {
    succeed(CLIENTS.python().args(["network.py", "--address", &server.address]).args(MEMBERS));
}

#[test]
#[ignore = "takes grpcio from PyPI and grpc-go from Go's module proxy"]
fn backends_know_what_the_embedded_store_has() {
    let folder = tempfile::tempdir().unwrap();
    let channels = channel_file(&folder);
    let server = Process::dev_with(&folder.path().join("data"), &["--channels", channels.to_str().unwrap()]);
    check_mirrors(&server);
}

#[tokio::test]
#[ignore = "takes grpcio from PyPI and grpc-go from Go's module proxy"]
async fn backends_know_what_postgresql_has() {
    let folder = tempfile::tempdir().unwrap();
    let database = Cluster::shared().await.fresh_database().await;
    let plain = [("ORCHESTRATOR_TLS_ENABLED", "false"), ("ORCHESTRATOR_VERIFY_CLIENT_MSP_ID", "false")];
    let server = serve(&database, &channel_file(&folder), &plain);
    check_mirrors(&server);
}

/// What the visitors say who come as this organization with the pair of that holder: grpcio, then grpc-go.
fn visits(certificates: &Path, address: &str, organization: &str, holder: &str) -> [String; 2] {
    let pair = certificates.join("organizations").join(holder);
    CLIENTS.visitors().map(|mut visitor| {
        visitor.args(["--address", address, "--organization", organization, "--channel", "mychannel"]);
        visitor.arg("--authority").arg(certificates.join("server/cacert/ca.crt"));
        visitor.arg("--certificate").arg(pair.join("tls.crt")).arg("--key").arg(pair.join("tls.key"));
        let output = visitor.output().unwrap();
        assert!(output.status.success(), "{visitor:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    })
}

/// Everybody gets in with a certificate of their own, by unary calls and streams, and nobody with another's.
fn assert_only_holders_get_in(certificates: &Path, address: &str) {
    let [grpcio, grpc_go] = visits(certificates, address, "MyOrg1MSP", "MyOrg1MSP");
    assert_eq!(grpcio, "register: OK MyOrg1MSP\nlist: OK MyOrg1MSP\nstream: OK MyOrg1MSP\n");
    let taken = "register: ALREADY_EXISTS OE0006: organization with key \"MyOrg1MSP\" already exists";
    assert_eq!(grpc_go, format!("{taken}\nlist: OK MyOrg1MSP\nstream: OK MyOrg1MSP\n"));
    for visitor in visits(certificates, address, "MyOrg2MSP", "MyOrg1MSP") {
        let refusal = "PERMISSION_DENIED OE0102: invalid MSPID: the client certificate does not prove organization \"MyOrg2MSP\"";
        assert_eq!(visitor, format!("register: {refusal}\nlist: {refusal}\nstream: {refusal}\n"));
    }
}

/// A certificate that says the right name but comes from an authority that the server does not know gets no connection.
fn assert_strangers_stay_out(certificates: &Path, strangers: &Path, address: &str) {
    std::fs::rename(strangers.join("organizations/MyOrg1MSP"), certificates.join("organizations/stranger"))
        .unwrap();
    for visitor in visits(certificates, address, "MyOrg1MSP", "stranger") {
        assert_eq!(visitor, "register: UNAVAILABLE\nlist: UNAVAILABLE\nstream: UNAVAILABLE\n");
    }
}

#[test]
#[ignore = "takes grpcio from PyPI and grpc-go from Go's module proxy"]
fn certificates_of_ours_are_good_for_grpcio_and_grpc_go() {
    let folder = tempfile::tempdir().unwrap();
    let [certificates, strangers] = ["certificates", "strangers"].map(|name| folder.path().join(name));
    for directory in [&certificates, &strangers] {
        succeed(&mut orchestrator(&["certs", "--directory", directory.to_str().unwrap()], &[]));
    }
    let server = Process::dev_with(&folder.path().join("data"), &["--mtls", certificates.to_str().unwrap()]);
    assert_only_holders_get_in(&certificates, &server.address);
    assert_strangers_stay_out(&certificates, &strangers, &server.address);
}

/// The commands of docs/tls.md, line for line.
fn walk_through() -> String {
    let page = include_str!("../../../docs/tls.md");
    let section = page.split("\n## With openssl\n").nth(1).expect("the section is there");
    let commands = section.split("```sh\n").nth(1).expect("it has commands");
    commands.split("```").next().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "takes grpcio from PyPI and grpc-go from Go's module proxy"]
async fn certificates_of_openssl_are_good_for_grpcio_and_grpc_go() {
    let folder = tempfile::tempdir().unwrap();
    let strangers = tempfile::tempdir().unwrap();
    for place in [&folder, &strangers] {
        succeed(Command::new("sh").args(["-euc", &walk_through()]).current_dir(place.path()));
    }
    let certificates = folder.path().join("certificates");
    let path = |name: &str| certificates.join(name).to_str().unwrap().to_owned();
    let files = [
        ("ORCHESTRATOR_TLS_CERT_PATH", path("server/pair/tls.crt")),
        ("ORCHESTRATOR_TLS_KEY_PATH", path("server/pair/tls.key")),
        ("ORCHESTRATOR_TLS_SERVER_CA_CERT", path("server/cacert/ca.crt")),
        ("ORCHESTRATOR_TLS_CLIENT_CA_CERT_DIR", path("client")),
    ];
    let switches =
        ["ORCHESTRATOR_TLS_ENABLED", "ORCHESTRATOR_MTLS_ENABLED", "ORCHESTRATOR_VERIFY_CLIENT_MSP_ID"];
    let mut tls: Vec<(&str, &str)> = files.iter().map(|(name, path)| (*name, path.as_str())).collect();
    tls.extend(switches.map(|switch| (switch, "true")));
    let database = Cluster::shared().await.fresh_database().await;
    let server = serve(&database, &channel_file(&folder), &tls);
    assert_only_holders_get_in(&certificates, &server.address);
    assert_strangers_stay_out(&certificates, &strangers.path().join("certificates"), &server.address);
}
