//! Connections: how many there are, what they are used for, and the settings they start with.
//!
//! Writers carry batches, one each; readers carry everything else; notifying and listening have a connection
//! each (see `hint.rs`). Waiting for a connection, and for the database on it, has an end everywhere.

use std::pin::{Pin, pin};
use std::time::Duration;

use deadpool_postgres::{
    Client, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Status, Timeouts,
};
use futures::TryStreamExt;
use persistence::{Error, PAGE_BYTES_MAX, PoolState, Result, Room};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Config, Connection, Row, RowStream, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::connection_string;
use crate::error;
use crate::statement::{Statement, prepare, rows, send, stream};
use crate::store::PostgresOptions;

/// How long it may take to connect, TLS and login included.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(15);

/// What all connections ask for. A transaction that is left open holds its channel's lock: the database ends
/// it, and before the others give up waiting.
const SETTINGS: &str =
    "-c statement_timeout=30s -c lock_timeout=20s -c idle_in_transaction_session_timeout=10s";

/// Connections keep one plan for each statement, made from nothing but its text. All rows that are looked for are found by an
/// index, in the order of which they come; that is the only way these settings leave, so the plan is right even if it was made
/// when the tables were empty. Nothing here takes so long that a worker process would be worth its start.
pub(crate) const PLAN_SETTINGS: &str = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off \
    -c enable_hashjoin=off -c enable_mergejoin=off -c enable_bitmapscan=off -c enable_sort=off \
    -c enable_incremental_sort=off -c jit=off -c max_parallel_workers_per_gather=0";

type TlsStream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Config,
    tls: MakeRustlsConnect,
}

/// The connections of a store.
pub(crate) struct Connections {
    connector: Connector,
    writers: Pool,
    readers: Pool,
}

/// The rows of a page, and whether there would have been more, for which there was no room.
pub(crate) struct PageRows {
    pub(crate) rows: Vec<Row>,
    pub(crate) ended_early: bool,
}

impl Connector {
    /// A client outside the pools; its connection is looked after in the background and ends with it.
    pub(crate) async fn client(&self) -> std::result::Result<tokio_postgres::Client, tokio_postgres::Error> {
        let (client, connection) = self.connect().await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// A client outside the pools, and its connection to look after.
    pub(crate) async fn connect(
        &self,
    ) -> std::result::Result<(tokio_postgres::Client, Connection<Socket, TlsStream>), tokio_postgres::Error>
    {
        with_settings(&self.config, "").connect(self.tls.clone()).await
    }

    fn pool(&self, size_max: usize, wait_max: Duration) -> Result<Pool> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager =
            Manager::from_config(with_settings(&self.config, PLAN_SETTINGS), self.tls.clone(), recycling);
        let timeouts = Timeouts { wait: Some(wait_max), create: Some(CONNECT_TIME_MAX), recycle: None };
        let pool = Pool::builder(manager).max_size(size_max).timeouts(timeouts).runtime(Runtime::Tokio1);
        pool.build().map_err(|error| Error::Failed(format!("connection pool: {error}")))
    }
}

impl Connections {
    /// Reads the connection string; connects to nothing yet.
    pub(crate) fn new(url: &str, options: &PostgresOptions) -> Result<Self> {
        let (config, tls) = connection_string::parse(url, |name| std::env::var(name).ok())?;
        let connector = Connector { config, tls: tls.connector()? };
        let writers = connector.pool(options.writers_max, options.wait_max)?;
        let readers = connector.pool(options.readers_max, options.wait_max)?;
        Ok(Self { connector, writers, readers })
    }

    /// A connection for a batch.
    pub(crate) async fn writer(&self) -> Result<Client> {
        self.writers.get().await.map_err(error::of_pool)
    }

    /// A connection for reading.
    pub(crate) async fn reader(&self) -> Result<Client> {
        self.readers.get().await.map_err(error::of_pool)
    }

    /// Runs one statement that reads.
    pub(crate) async fn read(&self, statement: &Statement<'_>) -> Result<Vec<Row>> {
        let client = self.reader().await?;
        let prepared = prepare(&client, std::slice::from_ref(statement)).await?;
        let answers = rows(send(&client, prepared).await).map_err(error::of)?;
        Ok(answers.into_iter().flatten().collect())
    }

    /// Runs one statement that reads a page, and takes its rows one by one as long as there is room for them.
    pub(crate) async fn read_page(&self, statement: &Statement<'_>) -> Result<PageRows> {
        let client = self.reader().await?;
        let mut answer = pin!(stream(&client, statement).await?);
        let mut rows = Vec::new();
        let ended_early = take(&mut answer, |row| rows.push(row)).await?;
        // The rest is on its way all the same, before whatever is asked next on this connection; if it is much, it goes with the connection.
        if ended_early && take(&mut answer, drop).await? {
            drop(Object::take(client));
        }
        Ok(PageRows { rows, ended_early })
    }

    /// How the pools are used.
    pub(crate) fn states(&self) -> [PoolState; 2] {
        [state("writers", &self.writers), state("readers", &self.readers)]
    }

    /// How to connect outside the pools.
    pub(crate) fn connector(&self) -> &Connector {
        &self.connector
    }
}

/// Takes rows as long as there is room for them on a page. Says whether there was one for which there was none.
async fn take(answer: &mut Pin<&mut RowStream>, mut action: impl FnMut(Row)) -> Result<bool> {
    let mut room = Room::new(PAGE_BYTES_MAX);
    while let Some(row) = answer.try_next().await.map_err(error::of)? {
        if !room.takes(row.raw_size_bytes()) {
            return Ok(true);
        }
        action(row);
    }
    Ok(false)
}

fn state(name: &'static str, pool: &Pool) -> PoolState {
    let Status { max_size, size, available, waiting } = pool.status();
    PoolState { name, size_max: max_size, open: size, idle: available, waiting }
}

/// The settings of the connection string come last and so win.
pub(crate) fn with_settings(config: &Config, more: &str) -> Config {
    let options = [SETTINGS, more, config.get_options().unwrap_or_default()];
    let mut config = config.clone();
    config.options(options.join(" "));
    config
}
