//! Adoption: a database of Substra orchestrator 1.0.0, the predecessor, becomes one of this program in one transaction.
//!
//! The predecessor's tables in `public` are read and left as they are; what they say is written by the statements that
//! every batch uses, so nothing here knows the layout of our own tables. Snapshots in events are JSON there and messages
//! here: whoever adopts passes in how they are encoded. Start at [`adopt`]; what is read stands in `assets.rs` and `events.rs`.

mod assets;
mod cursor;
mod events;
mod indexes;
mod instant;
mod json;
mod names;
mod predecessor;
mod report;

use std::collections::BTreeMap;
use std::sync::Arc;

use asset::{AssetKind, ChannelName, EventId, EventKind, Metadata, Timestamp};
use bytes::Bytes;
use deadpool_postgres::{Client, Transaction};
use persistence::{Error, Head, Result, StoredEvent, WriteSet};
use tokio::task::spawn_blocking;

use self::cursor::Cursor;
use self::events::Readable;
use self::indexes::Indexes;
use crate::row::Columns;
use crate::statement::Statement;
use crate::{batch, channel, error};

pub(crate) use self::predecessor::{Standing, TABLE, exclude_golang_migrate, position, standing};
pub use self::report::{AdoptionReport, Findings};

/// An event of the predecessor.
#[derive(Clone, Debug)]
pub struct PredecessorEvent {
    /// See [`StoredEvent::id`].
    pub id: EventId,
    /// The channel it belongs to.
    pub channel: ChannelName,
    /// See [`StoredEvent::timestamp`].
    pub timestamp: Timestamp,
    /// What kind of asset the snapshot shows.
    pub asset_kind: AssetKind,
    /// What happened to it.
    pub event_kind: EventKind,
    /// See [`StoredEvent::asset_key`].
    pub asset_key: String,
    /// See [`StoredEvent::metadata`].
    pub metadata: Metadata,
    /// The asset right after the change, in the JSON form of its message (core/EVT-10).
    pub snapshot: serde_json::Value,
}

/// How far an adoption has come.
#[derive(Clone, Copy, Debug)]
pub struct AdoptionProgress {
    /// What is being done: the table of the predecessor that is being read, or `indexes` while ours are made.
    pub table: &'static str,
    /// Rows of it that were read so far, or indexes that are made.
    pub done: u64,
    /// Rows that it has, or indexes that there will be.
    pub total: u64,
}

/// Encodes an event as it goes on the wire, or says why its snapshot cannot be understood.
pub type EncodeEvent = dyn Fn(&PredecessorEvent) -> std::result::Result<Bytes, String> + Send + Sync;

/// What whoever adopts has to bring along.
pub struct Adoption {
    /// How events are encoded; beside the database's work, on a thread that may be kept busy.
    pub encode_event: Arc<EncodeEvent>,
    /// Is told about the progress, about once for every 500 rows.
    pub progress: Box<dyn Fn(AdoptionProgress) + Send + Sync>,
}

/// Adopts the predecessor's database within a transaction in which our own tables were made and are empty.
///
/// # Errors
/// If there is something that cannot be adopted; the text says what, and what to do. The transaction must not be
/// committed then.
pub(crate) async fn adopt(transaction: &Transaction<'_>, adoption: &Adoption) -> Result<AdoptionReport> {
    require_empty_store(transaction).await?;
    predecessor::lock(transaction).await?;
    let indexes = Indexes::put_off(transaction).await?;
    let mut reading = Reading {
        transaction,
        adoption,
        writes: true,
        heads: BTreeMap::new(),
        report: AdoptionReport::default(),
    };
    reading.everything().await?;
    let Reading { heads, report, .. } = reading;
    if let Some(refusal) = report.refusal() {
        return Err(Error::Failed(refusal));
    }
    indexes.make(transaction, &adoption.progress).await?;
    predecessor::fence(transaction).await?;
    record(transaction, &heads).await?;
    run(transaction, include_str!("adoption/analyze.sql")).await?;
    Ok(report)
}

/// Reads everything that [`adopt`] would and writes nothing: without a lock, so that the predecessor may go on.
///
/// # Errors
/// If the database cannot be adopted as a whole, or does not answer. What is wrong with single rows is in the report.
pub(crate) async fn survey(mut client: Client, adoption: &Adoption) -> Result<Option<AdoptionReport>> {
    let transaction = client.build_transaction().read_only(true);
    let transaction = transaction.isolation_level(tokio_postgres::IsolationLevel::RepeatableRead);
    let transaction = transaction.start().await.map_err(error::of)?;
    run(&transaction, UNHURRIED).await?;
    match standing(&transaction).await? {
        Standing::Absent | Standing::Adopted => Ok(None),
        Standing::Waiting => {
            let heads = BTreeMap::new();
            let report = AdoptionReport::default();
            let mut reading = Reading { transaction: &transaction, adoption, writes: false, heads, report };
            reading.everything().await?;
            Ok(Some(reading.report))
        }
    }
}

/// Takes as long as it takes, and walks through whole tables: the settings that connections start with are meant for calls.
pub(crate) const UNHURRIED: &str = "
    SET LOCAL statement_timeout = 0;
    SET LOCAL lock_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 0;
    SET LOCAL cursor_tuple_fraction = 1;
    SET LOCAL plan_cache_mode = auto;
    SET LOCAL jit = off;
    SET LOCAL enable_seqscan = on;
    SET LOCAL enable_hashjoin = on;
    SET LOCAL enable_mergejoin = on;
    SET LOCAL enable_bitmapscan = on;
    SET LOCAL enable_sort = on;
    SET LOCAL enable_incremental_sort = on;";

/// One pass over all tables of the predecessor.
struct Reading<'a> {
    transaction: &'a Transaction<'a>,
    adoption: &'a Adoption,
    /// Whether what is read is written to our own tables.
    writes: bool,
    /// Where the log of each channel ends by now.
    heads: BTreeMap<ChannelName, Head>,
    report: AdoptionReport,
}

impl Reading<'_> {
    async fn everything(&mut self) -> Result<()> {
        for source in &assets::SOURCES {
            self.assets(source).await?;
        }
        self.events().await?;
        self.report.channels = self.heads.iter().map(|(name, head)| (name.clone(), head.position)).collect();
        self.report.notices = predecessor::notices(self.transaction).await?;
        Ok(())
    }

    async fn assets(&mut self, source: &assets::Source) -> Result<()> {
        let mut cursor = Cursor::open(self.transaction, source.table, source.select).await?;
        while let Some(rows) = cursor.next().await? {
            let mut writes: BTreeMap<ChannelName, WriteSet> = BTreeMap::new();
            for row in &rows {
                let columns = Columns::of(source.table, row);
                let channel = ChannelName::new(&columns.get::<String>("channel")?);
                let writes = writes.entry(channel).or_default();
                match (source.read)(&columns, writes) {
                    Ok(()) => {}
                    Err(Error::Corrupt(problem)) => self.report.refused.add(problem),
                    Err(error) => return Err(error),
                }
            }
            for (channel, writes) in &writes {
                self.write(channel, writes, &[]).await?;
            }
            (self.adoption.progress)(cursor.progress());
        }
        self.report.rows.push((source.table, cursor.progress().done));
        Ok(())
    }

    /// Events are many and large: while some are being understood, those before them are written and those after them are fetched.
    async fn events(&mut self) -> Result<()> {
        let mut cursor = Cursor::open(self.transaction, events::TABLE, events::SELECT).await?;
        let (mut fetched, mut read) = (cursor.next().await?, Vec::new());
        while let Some(rows) = fetched {
            let encode_event = Arc::clone(&self.adoption.encode_event);
            let reading = spawn_blocking(move || events::readable(&rows, &*encode_event));
            self.append(read).await?;
            fetched = cursor.next().await?;
            read = reading.await.map_err(|panic| Error::Failed(panic.to_string()))?;
            (self.adoption.progress)(cursor.progress());
        }
        self.append(read).await?;
        self.report.rows.push((events::TABLE, cursor.progress().done));
        Ok(())
    }

    /// Gives events their places in the logs of their channels.
    async fn append(&mut self, events: Vec<Readable>) -> Result<()> {
        let mut logs: BTreeMap<ChannelName, Vec<StoredEvent>> = BTreeMap::new();
        for event in events {
            match event {
                Ok((channel, envelope)) => {
                    let event = self.heads.entry(channel.clone()).or_default().append(envelope);
                    logs.entry(channel).or_default().push(event);
                }
                Err(problem) => self.report.left_out.add(problem),
            }
        }
        for (channel, events) in &logs {
            self.write(channel, &WriteSet::default(), events).await?;
        }
        Ok(())
    }

    /// Writes as a batch of the channel would.
    async fn write(
        &mut self,
        channel: &ChannelName,
        writes: &WriteSet,
        events: &[StoredEvent],
    ) -> Result<()> {
        let head = self.heads.entry(channel.clone()).or_default();
        if !self.writes {
            return Ok(());
        }
        execute(self.transaction, &channel::create(channel)).await?;
        for statement in batch::statements(channel, writes, events, head) {
            execute(self.transaction, &statement).await?;
        }
        Ok(())
    }
}

/// Both halves cannot be merged: somebody has worked on our own tables before the predecessor's were adopted.
async fn require_empty_store(transaction: &Transaction<'_>) -> Result<()> {
    let statement = "SELECT EXISTS (SELECT FROM orchestrator.channel) AS used";
    let row = transaction.query_one(statement, &[]).await.map_err(error::of)?;
    if row.try_get("used").map_err(error::of)? {
        return Err(Error::Failed(
            "the database holds data of Substra orchestrator and, in the schema `orchestrator`, data of this program: they \
             cannot be merged. Use a database that holds only the former, or drop the schema if its data is not needed"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Remembers what was adopted: the events of a channel up to this position are the predecessor's.
async fn record(transaction: &Transaction<'_>, heads: &BTreeMap<ChannelName, Head>) -> Result<()> {
    run(transaction, predecessor::RECORD).await?;
    for (channel, head) in heads {
        execute(transaction, &predecessor::record(channel, head)).await?;
    }
    Ok(())
}

async fn run(transaction: &Transaction<'_>, sql: &str) -> Result<()> {
    transaction.batch_execute(sql).await.map_err(error::of)
}

async fn execute(transaction: &Transaction<'_>, statement: &Statement<'_>) -> Result<()> {
    let prepared = transaction.prepare_cached(statement.sql()).await.map_err(error::of)?;
    transaction.execute(&prepared, &statement.parameters()).await.map_err(error::of)?;
    Ok(())
}
