//! A real PostgreSQL for tests: clusters that end with the test process, and fresh databases in them.
//!
//! It knows nothing of the store or its tables: a fresh database is empty. The server itself is run by the
//! shell scripts in `testing/`, which clean up however the test process ends. Start at [`Cluster::shared`].

use std::error::Error;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::{env, fs, thread};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::OnceCell;
use tokio_postgres::NoTls;
use uuid::Uuid;

/// Names a running server to use instead of a cluster of our own: the URL of a database on it whose role may
/// create databases. Connections to it are not encrypted.
pub const URL_VARIABLE: &str = "ORCHESTRATOR_TEST_DATABASE_URL";

/// Names the folder of PostgreSQL's programs. Without it they are searched for in `PATH`, then in the folders
/// of Debian's packages.
pub const PROGRAMS_VARIABLE: &str = "PG_BIN";

/// Runs a command as an unprivileged user.
const UNPRIVILEGED: &str = include_str!("testing/unprivileged.sh");

/// Owns a cluster; its first lines say which commands it takes.
const SUPERVISE: &str = include_str!("testing/supervise.sh");

/// The schema of Substra orchestrator 1.0.0 at version 64, with the rows that its migrations leave: what a database
/// that waits for its adoption begins with.
pub const PREDECESSOR_SCHEMA: &str = include_str!("testing/predecessor.sql");

/// Below the range from which systems take the ports of outgoing connections: a client that keeps trying to
/// reach a stopped cluster is never given the cluster's own port.
const PORTS: Range<u16> = 20_000..30_000;

/// More than one, because another process may take a port that was free a moment ago.
const START_ATTEMPTS_MAX: usize = 5;

const RELOAD: &str = "SELECT pg_reload_conf()";

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A PostgreSQL server on which tests create databases.
#[derive(Debug)]
pub struct Cluster {
    /// The database from which the others are created.
    url: String,
    /// None for a server that [`URL_VARIABLE`] names.
    supervisor: Option<Supervisor>,
}

/// A database of one test, empty at first and dropped with this value.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
    cluster_url: String,
}

/// The shell process that runs a server and ends it when this value is gone.
#[derive(Debug)]
struct Supervisor {
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl Cluster {
    /// The cluster that all tests of this process share: a new one, started by the first call, or the server
    /// that [`URL_VARIABLE`] names.
    ///
    /// # Panics
    /// If there is no PostgreSQL to be found, or it does not start.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED
            .get_or_init(async || match env::var(URL_VARIABLE) {
                Ok(url) => Self { url, supervisor: None },
                Err(_) => Self::start().await,
            })
            .await
    }

    /// A new cluster for a test that stops or kills it; it ends with this value.
    ///
    /// # Panics
    /// If there is no PostgreSQL to be found, or it does not start.
    pub async fn start() -> Self {
        Self::start_in(&env::temp_dir()).await
    }

    /// A new cluster that lies in this folder, which everybody may write to.
    ///
    /// # Panics
    /// If there is no PostgreSQL to be found, or it does not start.
    pub async fn start_in(folder: &Path) -> Self {
        or_panic(Self::try_start(folder).await)
    }

    /// A new cluster that follows this one and takes over when it is promoted. From now on this one confirms no
    /// commit that the other has not got.
    ///
    /// # Panics
    /// If it does not start, or this cluster refuses.
    pub async fn standby(&self) -> Self {
        or_panic(self.try_standby().await)
    }

    /// Makes a standby the one that is written to.
    ///
    /// # Panics
    /// If it is none, or does not answer.
    pub async fn promote(&self) {
        // It waits for nobody, having no standby of its own.
        for statement in ["SELECT pg_promote()", "ALTER SYSTEM RESET synchronous_standby_names", RELOAD] {
            or_panic(execute(&self.url, statement).await);
        }
    }

    /// Creates an empty database.
    ///
    /// # Panics
    /// If the server refuses or cannot be reached.
    pub async fn fresh_database(&self) -> TestDatabase {
        or_panic(self.create_database("template0").await)
    }

    /// Creates a copy of `template`, to which nobody may be connected meanwhile.
    ///
    /// # Panics
    /// If the server refuses or cannot be reached.
    pub async fn fresh_database_from(&self, template: &TestDatabase) -> TestDatabase {
        or_panic(self.create_database(&template.name).await)
    }

    /// Shuts the server down: connections end, everything committed is kept.
    ///
    /// # Panics
    /// If the server is not one that [`Cluster::start`] started.
    pub async fn stop(&mut self) {
        or_panic(self.supervisor().stop().await);
    }

    /// Starts the server on its former address, after a [`Cluster::stop`] if it is running.
    ///
    /// # Panics
    /// If the server does not start, or is not one that [`Cluster::start`] started.
    pub async fn restart(&mut self) {
        self.stop().await;
        or_panic(self.supervisor().start().await);
    }

    /// Kills every process of the server at once, as a failing machine would.
    ///
    /// # Panics
    /// If the server is not one that [`Cluster::start`] started.
    pub async fn kill(&mut self) {
        or_panic(self.supervisor().crash().await);
    }

    async fn try_start(folder: &Path) -> Result<Self> {
        let password = Uuid::new_v4().simple();
        let mut supervisor = Supervisor::spawn(&find_programs()?, folder)?;
        supervisor.create(&password.to_string()).await?;
        supervisor.start_on_free_port().await?;
        let port = supervisor.port;
        let url = format!("postgres://orchestrator:{password}@127.0.0.1:{port}/postgres");
        Ok(Self { url, supervisor: Some(supervisor) })
    }

    async fn try_standby(&self) -> Result<Self> {
        let mut supervisor = Supervisor::spawn(&find_programs()?, &env::temp_dir())?;
        supervisor.ask(&format!("follow {}", self.url)).await?;
        supervisor.start_on_free_port().await?;
        execute(&self.url, "ALTER SYSTEM SET synchronous_standby_names = '*'").await?;
        execute(&self.url, RELOAD).await?;
        let (credentials, _) = self.url.split_once('@').ok_or("the URL has no credentials")?;
        let url = format!("{credentials}@127.0.0.1:{}/postgres", supervisor.port);
        Ok(Self { url, supervisor: Some(supervisor) })
    }

    async fn create_database(&self, template: &str) -> Result<TestDatabase> {
        let name = format!("orchestrator_test_{}", Uuid::new_v4().simple());
        execute(&self.url, &format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
        let url = with_database(&self.url, &name);
        Ok(TestDatabase { name, url, cluster_url: self.url.clone() })
    }

    fn supervisor(&mut self) -> &mut Supervisor {
        or_panic(
            self.supervisor
                .as_mut()
                .ok_or_else(|| format!("the server that {URL_VARIABLE} names is not ours to stop").into()),
        )
    }
}

impl TestDatabase {
    /// Where a client connects to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where a client connects to that does not care whether the database is on its cluster or on a standby, as long as
    /// it can be written to.
    pub fn url_with_standby(&self, standby: &Cluster) -> String {
        let port = standby.supervisor.as_ref().map_or(0, |supervisor| supervisor.port);
        let (address, name) = self.url.rsplit_once('/').unwrap_or((&self.url, ""));
        format!("{address},127.0.0.1:{port}/{name}?target_session_attrs=read-write")
    }
}

impl Drop for TestDatabase {
    /// Drops the database and ends the connections to it. A server that is down keeps it.
    fn drop(&mut self) {
        let cluster_url = self.cluster_url.clone();
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // On a thread of its own: the runtime that we are dropped in cannot be waited on.
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(execute(&cluster_url, &statement))
        });
        // Best effort: the database of a cluster of our own vanishes with the cluster.
        let _ = dropping.join();
    }
}

impl Supervisor {
    fn spawn(programs: &Path, folder: &Path) -> Result<Self> {
        let mut process = Command::new("sh")
            .args(["-c", UNPRIVILEGED, "unprivileged", "sh", "-c", SUPERVISE, "supervise"])
            .arg(programs)
            .env("TMPDIR", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What ends the test process (an interrupt, a time limit) must not end its supervisor.
            .process_group(0)
            .spawn()?;
        let commands = process.stdin.take().ok_or("the supervisor takes no commands")?;
        let answers = process.stdout.take().ok_or("the supervisor gives no answers")?;
        Ok(Self { commands, answers: BufReader::new(answers).lines(), port: PORTS.start })
    }

    async fn create(&mut self, password: &str) -> Result<()> {
        self.ask(&format!("create {password}")).await
    }

    async fn start_on_free_port(&mut self) -> Result<()> {
        let mut attempts_left = START_ATTEMPTS_MAX;
        loop {
            self.port = free_port()?;
            let outcome = self.start().await;
            attempts_left -= 1;
            if outcome.is_ok() || attempts_left == 0 {
                return outcome;
            }
        }
    }

    async fn start(&mut self) -> Result<()> {
        self.ask(&format!("start {}", self.port)).await
    }

    async fn stop(&mut self) -> Result<()> {
        self.ask("stop").await
    }

    async fn crash(&mut self) -> Result<()> {
        self.ask("crash").await
    }

    async fn ask(&mut self, command: &str) -> Result<()> {
        self.commands.write_all(format!("{command}\n").as_bytes()).await?;
        match self.answers.next_line().await?.as_deref() {
            Some("ok") => Ok(()),
            Some(problem) => Err(problem.into()),
            None => Err("the supervisor of the test cluster has ended (its message is above)".into()),
        }
    }
}

/// The folder of `pg_dump`, `pg_restore` and `psql` that are of one version with the servers that tests start.
///
/// # Panics
/// If there is no PostgreSQL to be found.
pub fn programs() -> PathBuf {
    // Where the programs are links, the others lie where these lead to.
    let server = find_programs().and_then(|folder| Ok(fs::canonicalize(folder.join("postgres"))?));
    or_panic(server).parent().unwrap_or(Path::new("/")).to_owned()
}

/// The folder of `initdb` and `postgres`, the newest where Debian's packages have installed several.
fn find_programs() -> Result<PathBuf> {
    let folders = match env::var_os(PROGRAMS_VARIABLE) {
        Some(folder) => vec![PathBuf::from(folder)],
        None => {
            let path = env::var_os("PATH").unwrap_or_default();
            env::split_paths(&path).chain(packaged_programs(Path::new("/usr/lib/postgresql"))).collect()
        }
    };
    first_with_programs(folders)
}

fn first_with_programs(folders: Vec<PathBuf>) -> Result<PathBuf> {
    let has_programs =
        |folder: &PathBuf| ["initdb", "postgres"].iter().all(|name| folder.join(name).is_file());
    folders.into_iter().find(has_programs).ok_or_else(|| {
        format!(
            "the tests need PostgreSQL: install it (Debian package `postgresql`), \
             or set {PROGRAMS_VARIABLE} to the folder of `initdb` and `postgres`"
        )
        .into()
    })
}

/// The folders `<version>/bin` below `root`, newest version first.
fn packaged_programs(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut versions: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|version| root.join(version.to_string()).join("bin")).collect()
}

fn free_port() -> Result<u16> {
    let (_, random, _, _) = Uuid::new_v4().as_fields();
    let first = PORTS.start + random % (PORTS.end - PORTS.start);
    (first..PORTS.end)
        .chain(PORTS.start..first)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| format!("no port of {PORTS:?} is free").into())
}

/// `url` with another database in the place of the one it names.
fn with_database(url: &str, name: &str) -> String {
    let (address, parameters) =
        url.split_once('?').map_or((url, String::new()), |(a, p)| (a, format!("?{p}")));
    let host_start = address.find("://").map_or(0, |scheme_end| scheme_end + "://".len());
    let host_end = address[host_start..].find('/').map_or(address.len(), |length| host_start + length);
    format!("{}/{name}{parameters}", &address[..host_end])
}

async fn execute(url: &str, statement: &str) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client.batch_execute(statement).await?)
}

/// Tests have no use for an error but to show it.
fn or_panic<T>(outcome: Result<T>) -> T {
    outcome.unwrap_or_else(|error| match error.source() {
        Some(source) => panic!("{error}: {source}"),
        None => panic!("{error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_packaged_version_is_taken() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9", "15", "16", "common"] {
            fs::create_dir_all(root.path().join(version).join("bin")).unwrap();
        }
        for program in ["9/bin/initdb", "9/bin/postgres", "15/bin/initdb", "15/bin/postgres", "16/bin/initdb"]
        {
            fs::write(root.path().join(program), "").unwrap();
        }
        let found = first_with_programs(packaged_programs(root.path())).unwrap();
        assert_eq!(found, root.path().join("15/bin"), "16 has no server");
    }

    #[test]
    fn a_missing_installation_is_one_sentence_that_names_the_package() {
        let problem =
            first_with_programs(packaged_programs(Path::new("/nonexistent"))).unwrap_err().to_string();
        assert!(problem.contains("install it (Debian package `postgresql`)"), "{problem}");
        assert_eq!(problem.lines().count(), 1);
    }

    #[test]
    fn only_the_database_of_a_url_is_replaced() {
        for (url, expected) in [
            ("postgres://h", "postgres://h/new"),
            ("postgres://u:p@h:5432/old", "postgres://u:p@h:5432/new"),
            (
                "postgresql://h/old?connect_timeout=10&options=-c%20a/b",
                "postgresql://h/new?connect_timeout=10&options=-c%20a/b",
            ),
            ("postgres:///old?host=/run/postgresql", "postgres:///new?host=/run/postgresql"),
            ("postgres://%2Frun%2Fpostgresql/old", "postgres://%2Frun%2Fpostgresql/new"),
        ] {
            assert_eq!(with_database(url, "new"), expected);
        }
    }
}
