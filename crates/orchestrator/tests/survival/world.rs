//! The worlds and what they suffer: servers, what they store in, and the roads between.
//!
//! Each fault is over when [`World::suffer`] returns: what was killed runs again, what was cut is whole. Start at [`Fault`].

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use postgres::testing::{Cluster, TestDatabase};
use tokio::task::block_in_place;

use crate::CHANNELS;
use crate::disk::SmallDisk;
use crate::process::{Process, orchestrator};
use crate::proxy::{Proxy, Weather};

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `kill -9` of a server, which is started again.
    KillServer,
    /// A server is told to end, and started again.
    EndServer,
    /// A server does nothing for a while.
    FreezeServer,
    /// All processes of PostgreSQL die at once.
    KillDatabase,
    /// PostgreSQL is shut down.
    EndDatabase,
    /// Everything dies at once, as with a machine.
    KillAll,
    /// The connections of clients are cut, slow, or held up.
    ClientRoad(Road),
    /// Those of a server to its database.
    DatabaseRoad(Road),
    /// The disk of the store has no byte left; a database that gave up is started again when there is room.
    FillDisk,
    /// All load goes to one channel.
    SkewLoad,
}

/// What happens on a road.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Road {
    Cut,
    Slow,
    Stalled,
}

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::KillServer => "server killed",
            Self::EndServer => "server ended",
            Self::FreezeServer => "server frozen",
            Self::KillDatabase => "database killed",
            Self::EndDatabase => "database ended",
            Self::KillAll => "all killed",
            Self::ClientRoad(Road::Cut) => "clients cut off",
            Self::ClientRoad(Road::Slow) => "clients slow",
            Self::ClientRoad(Road::Stalled) => "clients held up",
            Self::DatabaseRoad(Road::Cut) => "database cut off",
            Self::DatabaseRoad(Road::Slow) => "database slow",
            Self::DatabaseRoad(Road::Stalled) => "database held up",
            Self::FillDisk => "disk full",
            Self::SkewLoad => "load skewed",
        }
    }
}

const OF_ALL: [Fault; 7] = [
    Fault::KillServer,
    Fault::EndServer,
    Fault::FreezeServer,
    Fault::ClientRoad(Road::Cut),
    Fault::ClientRoad(Road::Slow),
    Fault::ClientRoad(Road::Stalled),
    Fault::SkewLoad,
];
const OF_REPLICAS: [Fault; 6] = [
    Fault::KillDatabase,
    Fault::EndDatabase,
    Fault::KillAll,
    Fault::DatabaseRoad(Road::Cut),
    Fault::DatabaseRoad(Road::Slow),
    Fault::DatabaseRoad(Road::Stalled),
];

/// Room for everything that is written, and not much more.
const EMBEDDED_MEBIBYTES: u32 = 96;
/// The same; an empty cluster has a hundred.
const POSTGRESQL_MEBIBYTES: u32 = 512;

/// Servers on one store.
pub(crate) struct World {
    servers: Vec<Server>,
    store: Store,
    faults: Vec<Fault>,
    channel_file: PathBuf,
    _settings: tempfile::TempDir,
}

struct Server {
    process: Option<Process>,
    entrance: Proxy,
    database_road: Option<Proxy>,
}

enum Store {
    PostgreSql { cluster: Box<Cluster>, database: TestDatabase, disk: SmallDisk },
    Embedded(SmallDisk),
}

impl Store {
    fn disk(&self) -> &SmallDisk {
        match self {
            Self::PostgreSql { disk, .. } | Self::Embedded(disk) => disk,
        }
    }
}

impl World {
    /// So many replicas on a PostgreSQL of their own.
    pub(crate) async fn replicas(count: usize) -> Self {
        let disk = SmallDisk::new(POSTGRESQL_MEBIBYTES);
        let cluster = Cluster::start_in(disk.path()).await;
        let database = cluster.fresh_database().await;
        let url: http::Uri = database.url().parse().unwrap();
        let address = format!("127.0.0.1:{}", url.port_u16().unwrap());
        let store = Store::PostgreSql { cluster: Box::new(cluster), database, disk };
        let mut world = Self::on(store, &OF_REPLICAS);
        for _ in 0..count {
            world.add_server(Some(Proxy::to(&address).await)).await;
        }
        world
    }

    /// One server on the embedded store, on a small disk.
    pub(crate) fn embedded() -> Self {
        let mut world = Self::on(Store::Embedded(SmallDisk::new(EMBEDDED_MEBIBYTES)), &[]);
        tokio::runtime::Handle::current().block_on(world.add_server(None));
        world
    }

    fn on(store: Store, faults: &[Fault]) -> Self {
        let settings = tempfile::tempdir().unwrap();
        let channel_file = settings.path().join("channels.yaml");
        let channels = CHANNELS.map(|channel| format!("  {channel}: [MyOrg1MSP]\n"));
        std::fs::write(&channel_file, format!("channels:\n{}", channels.concat())).unwrap();
        let mut faults = [&OF_ALL, faults].concat();
        if store.disk().is_small() {
            faults.push(Fault::FillDisk);
        }
        Self { servers: Vec::new(), store, faults, channel_file, _settings: settings }
    }

    async fn add_server(&mut self, database_road: Option<Proxy>) {
        let entrance = Proxy::to("127.0.0.1:1").await;
        self.servers.push(Server { process: None, entrance, database_road });
        self.start(self.servers.len() - 1);
    }

    /// What can happen in this world.
    pub(crate) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// Where clients connect to, for each server.
    pub(crate) fn entrances(&self) -> Vec<String> {
        self.servers.iter().map(|server| format!("http://{}", server.entrance.address())).collect()
    }

    /// Lets something happen, and waits until it is over.
    pub(crate) async fn suffer(&mut self, fault: Fault, chance: &mut fastrand::Rng) {
        let victim = chance.usize(..self.servers.len());
        let a_while = Duration::from_millis(chance.u64(100..2_000));
        match fault {
            Fault::KillServer => {
                self.servers[victim].process.take().unwrap().kill();
                tokio::time::sleep(a_while).await;
                self.start(victim);
            }
            Fault::EndServer => {
                let process = self.servers[victim].process.take().unwrap();
                let status = block_in_place(|| process.terminate());
                assert_eq!(status.code(), Some(0), "a server that is told to end ends well");
                self.start(victim);
            }
            Fault::FreezeServer => {
                let process = self.servers[victim].process.as_ref().unwrap();
                process.signal("STOP");
                tokio::time::sleep(a_while * 2).await;
                process.signal("CONT");
            }
            Fault::KillDatabase => {
                self.cluster().kill().await;
                tokio::time::sleep(a_while).await;
                self.cluster().restart().await;
            }
            Fault::EndDatabase => {
                self.cluster().restart().await;
            }
            Fault::KillAll => {
                self.cluster().kill().await;
                self.servers.iter_mut().for_each(|server| server.process.take().unwrap().kill());
                self.cluster().restart().await;
                (0..self.servers.len()).for_each(|server| self.start(server));
            }
            Fault::ClientRoad(road) => weather(&self.servers[victim].entrance, road, a_while).await,
            Fault::DatabaseRoad(road) => {
                weather(self.servers[victim].database_road.as_ref().unwrap(), road, a_while).await;
            }
            Fault::FillDisk => {
                block_in_place(|| self.store.disk().fill());
                tokio::time::sleep(a_while).await;
                self.store.disk().free();
                if let Store::PostgreSql { cluster, .. } = &mut self.store {
                    cluster.restart().await;
                }
            }
            Fault::SkewLoad => {}
        }
    }

    /// What `orchestrator verify` says, which must be that nothing differs.
    pub(crate) fn verify(&self) -> String {
        let mut command: Command = match &self.store {
            Store::PostgreSql { database, .. } => {
                orchestrator(&["verify", "--database-url", database.url()], &[])
            }
            Store::Embedded(disk) => orchestrator(&["verify", "--data", data(disk).to_str().unwrap()], &[]),
        };
        let output = block_in_place(|| command.output()).unwrap();
        let report = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{report}");
        report.lines().last().unwrap_or_default().to_owned()
    }

    fn cluster(&mut self) -> &mut Cluster {
        match &mut self.store {
            Store::PostgreSql { cluster, .. } => cluster,
            Store::Embedded(_) => unreachable!("it has no such faults"),
        }
    }

    fn start(&mut self, number: usize) {
        let server = &mut self.servers[number];
        let file = self.channel_file.to_str().unwrap();
        let process = block_in_place(|| match &self.store {
            Store::Embedded(disk) => Process::dev_with(&data(disk), &["--channels", file]),
            Store::PostgreSql { database, .. } => {
                let road = server.database_road.as_ref().unwrap().address();
                let url: http::Uri = database.url().parse().unwrap();
                let authority = url.authority().unwrap().as_str();
                let url = database.url().replace(authority.rsplit_once('@').unwrap().1, &road.to_string());
                Process::serve(&[
                    ("ORCHESTRATOR_DATABASE_URL", &url),
                    ("ORCHESTRATOR_CHANNEL_CONFIG", file),
                    ("ORCHESTRATOR_TX_RETRY_BUDGET", "500ms"),
                    ("ORCHESTRATOR_TLS_ENABLED", "false"),
                    ("ORCHESTRATOR_VERIFY_CLIENT_MSP_ID", "false"),
                    ("ORCHESTRATOR_GRPC_LISTEN", "127.0.0.1:0"),
                    ("ORCHESTRATOR_HTTP_LISTEN", "127.0.0.1:0"),
                ])
            }
        });
        server.entrance.lead_to(&process.address);
        server.process = Some(process);
    }
}

fn data(disk: &SmallDisk) -> PathBuf {
    disk.path().join("data")
}

async fn weather(road: &Proxy, kind: Road, duration: Duration) {
    road.set(match kind {
        Road::Cut => Weather::Cut,
        Road::Slow => Weather::Slow(Duration::from_millis(40)),
        Road::Stalled => Weather::Stalled,
    });
    tokio::time::sleep(duration).await;
    road.set(Weather::Clear);
}
