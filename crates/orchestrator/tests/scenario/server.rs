//! The servers that scripts are played against, each started when a script first asks for it.
//!
//! Owns the three ways: the server in this process on a store in memory, the same on PostgreSQL, both without a connection, and the executable as
//! a process of its own, over gRPC. All scripts share a server, each in channels of its own. Start at [`Way`].

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use persistence::Store;
use server::{Membership, Server, ServerOptions};
use service::Service;
use tokio::sync::OnceCell;

use crate::script::Folder;
use crate::wire::Wire;

/// Against what a script is played.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// The server in this process, called without a connection, its state in memory.
    Memory,
    /// The server in this process on PostgreSQL.
    PostgreSql,
    /// `orchestrator serve` as deployed: configured by environment and channel file, on PostgreSQL.
    Executable,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Memory, Self::PostgreSql, Self::Executable];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::PostgreSql => "postgresql",
            Self::Executable => "executable",
        }
    }
}

type Channels = BTreeMap<String, BTreeSet<String>>;

pub(crate) struct Servers {
    channels: Channels,
    started: [OnceCell<Started>; 3],
}

/// A server that runs until this is dropped.
struct Started {
    wire: Wire,
    _process: Option<Process>,
    database: Option<postgres::testing::TestDatabase>,
}

impl Servers {
    /// Servers for the scripts of these folders; none is started yet.
    pub(crate) fn new(folders: &[Arc<Folder>]) -> Self {
        let channels = folders.iter().flat_map(|folder| {
            folder.scripts.iter().flat_map(|script| {
                let own = |(channel, members): (&String, &BTreeSet<String>)| {
                    (script.channel(channel), members.clone())
                };
                folder.channels.iter().map(own)
            })
        });
        Self { channels: channels.collect(), started: Default::default() }
    }

    pub(crate) async fn wire(&self, way: Way) -> Wire {
        let started = self.started[way as usize].get_or_init(|| self.start(way)).await;
        started.wire.clone()
    }

    /// Whatever the scripts did: the tables are what the logs tell.
    pub(crate) async fn verify(&self) {
        for database in self.started.iter().filter_map(|started| started.get()?.database.as_ref()) {
            let mut verify = Command::new(env!("CARGO_BIN_EXE_orchestrator"));
            let output = verify.args(["verify", "--database-url", database.url()]).output().unwrap();
            let report = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success(), "{report}{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    async fn start(&self, way: Way) -> Started {
        match way {
            Way::Memory => self.in_process(Arc::new(embedded::Embedded::in_memory().unwrap()), None),
            Way::PostgreSql => {
                let (store, database) = fresh_store().await;
                self.in_process(Arc::new(store), Some(database))
            }
            Way::Executable => {
                let (_migrated, database) = fresh_store().await;
                let process = Process::serve(database.url(), &self.channels);
                Started {
                    wire: Wire::to(&process.address),
                    _process: Some(process),
                    database: Some(database),
                }
            }
        }
    }

    fn in_process(
        &self,
        store: Arc<dyn Store>,
        database: Option<postgres::testing::TestDatabase>,
    ) -> Started {
        let service = Service::new(store, service::Options::new(Arc::new(server::encode_event)));
        let server = Server::new(service, ServerOptions::new(Membership::new(self.channels.clone())));
        Started { wire: Wire::over(server.in_process().unwrap()), _process: None, database }
    }
}

/// A store on a database that nobody has used.
async fn fresh_store() -> (postgres::Postgres, postgres::testing::TestDatabase) {
    let database = postgres::testing::Cluster::shared().await.fresh_database().await;
    let store =
        postgres::Postgres::connect(database.url(), postgres::PostgresOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    (store, database)
}

/// A running `orchestrator serve`, killed when dropped.
struct Process {
    child: Child,
    address: String,
    _settings: tempfile::TempDir,
}

impl Process {
    fn serve(database: &str, channels: &Channels) -> Self {
        let settings = tempfile::TempDir::new().unwrap();
        let channel_file = settings.path().join("channels.yaml");
        // JSON is YAML, too.
        std::fs::write(&channel_file, serde_json::json!({ "channels": channels }).to_string()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_orchestrator"))
            .arg("serve")
            .env_clear()
            .env("ORCHESTRATOR_DATABASE_URL", database)
            .env("ORCHESTRATOR_CHANNEL_CONFIG", &channel_file)
            .env("ORCHESTRATOR_TX_RETRY_BUDGET", "500ms")
            .env("ORCHESTRATOR_TLS_ENABLED", "false")
            .env("ORCHESTRATOR_VERIFY_CLIENT_MSP_ID", "false")
            .env("ORCHESTRATOR_GRPC_LISTEN", "127.0.0.1:0")
            .env("ORCHESTRATOR_HTTP_LISTEN", "127.0.0.1:0")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let address = listening_address(BufReader::new(child.stderr.take().unwrap()));
        Self { child, address, _settings: settings }
    }
}

/// Reads the log until it says where the server listens, and goes on reading, so that the server never waits for its reader.
fn listening_address(log: BufReader<std::process::ChildStderr>) -> String {
    let mut lines = log.lines().map_while(Result::ok);
    let address = lines.by_ref().find_map(|line| {
        let line: serde_json::Value = serde_json::from_str(&line).ok()?;
        (line["message"] == "serving").then(|| line["address"].as_str().unwrap().to_owned())
    });
    std::thread::spawn(move || lines.for_each(drop));
    address.unwrap()
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
