//! Connections to the file: one that writes, a few that read, and the threads they work on.
//!
//! SQLite works on the calling thread and may wait for the disk, so every step runs off the async threads. Both kinds are safe to abandon:
//! a caller that stops waiting leaves no transaction open and no connection behind. Start at [`Lease`] and [`Readers`].

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::{OwnedMutexGuard, Semaphore};

use crate::error::{Error, Result};
use crate::folder::Folder;
use crate::migration::migrate;

/// Most reads at a time: more than lists and subscribers that are behind take together.
const READERS_MAX: usize = 10;
/// How long a statement waits for a lock of the file. Only the recovery after a crash takes one from readers.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// More than there are different statements.
const CACHED_STATEMENTS_MAX: usize = 128;

/// What a connection keeps of the file, in KiB. A commit walks through all that its connection keeps, and readers forget theirs after it:
/// the rest is left to the system, which keeps files too.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
const READER_CACHE_KIB: i64 = 8 * 1024;
/// Pages in the log after which it is copied into the file. Keys come in no order, so nearly every page changes between two of these: the
/// rarer they are, the fewer pages are written.
const CHECKPOINT_PAGES: u32 = 4096;

const EXISTING: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// The connection that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    connection: Connection,
    /// Outlives the connection.
    _folder: Arc<Folder>,
}

/// The right to write. It ends a transaction that was left open before it goes to the next.
#[derive(Debug)]
pub(crate) struct Lease(OwnedMutexGuard<Writer>);

/// The connections that read. They are opened when first needed.
#[derive(Debug)]
pub(crate) struct Readers {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    folder: Arc<Folder>,
}

/// Runs a step on a thread that may wait. The step ends also if nobody waits for it any more.
///
/// # Errors
/// [`persistence::Error::Failed`] if it panics.
pub(crate) async fn off_thread<T: Send + 'static>(
    step: impl FnOnce() -> T + Send + 'static,
) -> persistence::Result<T> {
    let outcome = tokio::task::spawn_blocking(step).await;
    outcome.map_err(|error| persistence::Error::Failed(format!("a step did not end: {error}")))
}

impl Writer {
    /// Opens the file, makes it if there is none, and brings it to the version of this program.
    pub(crate) fn open(folder: &Arc<Folder>) -> Result<Self> {
        let mut connection = open(&folder.database(), EXISTING | OpenFlags::SQLITE_OPEN_CREATE)?;
        // What was acknowledged survives a loss of power; a temporary folder does not even survive the process.
        let synchronous = if folder.is_lasting() { "FULL" } else { "OFF" };
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        // Where the system has a stronger way to reach the disk than fsync, which is macOS.
        connection.pragma_update(None, "fullfsync", true)?;
        connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        migrate(&mut connection)?;
        Ok(Self { connection, _folder: Arc::clone(folder) })
    }
}

impl Lease {
    /// Starts a transaction.
    pub(crate) fn begin(writer: OwnedMutexGuard<Writer>) -> Result<Self> {
        writer.connection.execute_batch("BEGIN IMMEDIATE")?;
        Ok(Self(writer))
    }

    /// The connection, in a transaction.
    pub(crate) fn connection(&self) -> &Connection {
        &self.0.connection
    }

    /// Makes the transaction durable.
    pub(crate) fn commit(self) -> Result<()> {
        self.connection().execute_batch("COMMIT").map_err(Error::Commit)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.connection().is_autocommit() {
            return;
        }
        if let Err(error) = self.connection().execute_batch("ROLLBACK") {
            tracing::error!(%error, "cannot roll back");
        }
    }
}

impl Readers {
    /// Connections to a file that a [`Writer`] has opened before.
    pub(crate) fn new(folder: Arc<Folder>) -> Self {
        Self { idle: Mutex::default(), permits: Arc::new(Semaphore::new(READERS_MAX)), folder }
    }

    /// Reads from one snapshot of the file.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> persistence::Result<T> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|error| persistence::Error::Failed(error.to_string()))?;
        let readers = Arc::clone(self);
        let answer = off_thread(move || {
            let answer = readers.read_snapshot(work);
            drop(permit);
            answer
        });
        Ok(answer.await??)
    }

    fn read_snapshot<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let connection = self.idle().pop().map_or_else(|| self.open(), Ok)?;
        let snapshot = connection.unchecked_transaction()?;
        let answer = work(&snapshot);
        snapshot.finish()?;
        self.idle().push(connection);
        answer
    }

    fn open(&self) -> Result<Connection> {
        open_to_read(&self.folder.database())
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection to an existing file that cannot write.
pub(crate) fn open_to_read(database: &Path) -> Result<Connection> {
    let connection = open(database, EXISTING)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    Ok(connection)
}

fn open(database: &Path, flags: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(database, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS_MAX);
    rusqlite::vtab::array::load_module(&connection)?;
    Ok(connection)
}
