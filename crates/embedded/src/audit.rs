//! Audits: every row of every table, from one snapshot of the file, also while a server uses it.
//!
//! The folder's lock keeps a second writer away; a reader from another process is what SQLite's own locks are for. Rows are read on a thread
//! that may wait, and handed over in small portions. Start at [`EmbeddedAudit::open`].

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use asset::{AssetKind, ChannelName, EventAsset};
use async_trait::async_trait;
use futures::stream::{self, StreamExt};
use persistence::audit::{Portion, Rows};
use persistence::{Audit, Head, StoredEvent};
use rusqlite::{Connection, Params};
use tokio::sync::mpsc;

use crate::connection::{off_thread, open_to_read};
use crate::error::{Error, Result};
use crate::record::{Record, collect, for_each, to_integer};
use crate::{
    channel, compute_plan, compute_task, data_manager, data_sample, event, failure_report, folder, function,
    model, organization, output_asset, performance,
};

/// Rows that are handed over together.
const PORTION: usize = 256;
/// Portions that wait to be taken.
const PORTIONS_MAX: usize = 4;

/// The store of a folder at the moment of the first question.
pub struct EmbeddedAudit {
    connection: Arc<Mutex<Connection>>,
}

impl EmbeddedAudit {
    /// Begins an audit of the store in this folder, which is neither made nor brought up to date. Blocks while it works on the disk.
    ///
    /// # Errors
    /// [`persistence::Error::Unavailable`] if there is no store in the folder, or it cannot be read.
    pub fn open(directory: &Path) -> persistence::Result<Self> {
        Ok(Self::begin(directory)?)
    }

    fn begin(directory: &Path) -> Result<Self> {
        let connection = open_to_read(&folder::database(directory))?;
        connection.execute_batch("BEGIN")?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)) })
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> persistence::Result<T> {
        let connection = Arc::clone(&self.connection);
        let answer = off_thread(move || question(&connection.lock().unwrap_or_else(PoisonError::into_inner)));
        Ok(answer.await??)
    }

    /// The rows that a statement finds. The thread ends with the rows, or when nobody takes them any more.
    fn rows<T: Send + 'static>(
        &self,
        table: &'static str,
        sql: String,
        parameters: impl Params + Send + 'static,
        read: fn(&Record<'_>) -> Result<T>,
    ) -> Rows<'static, T> {
        let (sender, receiver) = mpsc::channel(PORTIONS_MAX);
        let connection = Arc::clone(&self.connection);
        tokio::task::spawn_blocking(move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let mut portion = Vec::with_capacity(PORTION);
            let walk = for_each(&connection, table, &sql, parameters, |record| {
                portion.push(read(record).map_err(Into::into));
                if portion.len() < PORTION {
                    return Ok(());
                }
                let full = std::mem::replace(&mut portion, Vec::with_capacity(PORTION));
                sender.blocking_send(full).map_err(|_| Error::Failed("nobody takes the rows".to_owned()))
            });
            portion.extend(walk.err().map(|error| Err(error.into())));
            // Whoever has gone misses nothing.
            let _taken = sender.blocking_send(portion);
        });
        let portions =
            stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
        portions.map(|rows| Portion::new(move || rows)).boxed()
    }
}

#[async_trait]
impl Audit for EmbeddedAudit {
    async fn channels(&mut self) -> persistence::Result<Vec<ChannelName>> {
        self.ask(|connection| {
            let sql = "-- audit::channels
                SELECT name FROM channel
                UNION
                SELECT channel FROM event
                ORDER BY name";
            collect(connection, channel::TABLE, sql, [], |record| {
                Ok(ChannelName::new(&record.get::<String>("name")?))
            })
        })
        .await
    }

    async fn head(&mut self, channel: &ChannelName) -> persistence::Result<Option<Head>> {
        let channel = channel.clone();
        self.ask(move |connection| channel::find_head(connection, &channel)).await
    }

    async fn events(
        &mut self,
        channel: &ChannelName,
        after: u64,
        limit: usize,
    ) -> persistence::Result<Rows<'_, StoredEvent>> {
        let sql = format!(
            "-- audit::events
            SELECT {}
            FROM event
            WHERE channel = ?1 AND position > ?2
            ORDER BY position
            LIMIT ?3",
            event::COLUMNS
        );
        let parameters = (channel.to_string(), to_integer(after), to_integer(limit));
        Ok(self.rows(event::TABLE, sql, parameters, event::read))
    }

    async fn assets(
        &mut self,
        channel: &ChannelName,
        kind: AssetKind,
    ) -> persistence::Result<Rows<'_, EventAsset>> {
        let Some((table, columns, read)) = table(kind) else { return Ok(stream::empty().boxed()) };
        let sql = format!(
            "-- audit::assets
            SELECT {columns}
            FROM {table}
            WHERE channel = ?1"
        );
        Ok(self.rows(table, sql, [channel.to_string()], read))
    }
}

type ReadAsset = fn(&Record<'_>) -> Result<EventAsset>;

/// Where the assets of a kind are: the table, its columns, and how to read a row.
fn table(kind: AssetKind) -> Option<(&'static str, &'static str, ReadAsset)> {
    let table: (_, _, ReadAsset) = match kind {
        AssetKind::Organization => (organization::TABLE, organization::COLUMNS, |record| {
            Ok(EventAsset::Organization(Arc::new(organization::read(record)?)))
        }),
        AssetKind::DataSample => (data_sample::TABLE, data_sample::COLUMNS, |record| {
            Ok(EventAsset::DataSample(Arc::new(data_sample::read(record)?)))
        }),
        AssetKind::DataManager => (data_manager::TABLE, data_manager::COLUMNS, |record| {
            Ok(EventAsset::DataManager(Arc::new(data_manager::read(record)?)))
        }),
        AssetKind::Function => (function::TABLE, function::COLUMNS, |record| {
            Ok(EventAsset::Function(Arc::new(function::read(record)?)))
        }),
        AssetKind::ComputeTask => (compute_task::TABLE, compute_task::COLUMNS, |record| {
            Ok(EventAsset::ComputeTask(Arc::new(compute_task::read(record)?)))
        }),
        AssetKind::ComputePlan => (compute_plan::TABLE, compute_plan::COLUMNS, |record| {
            Ok(EventAsset::ComputePlan(Arc::new(compute_plan::read(record)?)))
        }),
        AssetKind::Model => {
            (model::TABLE, model::COLUMNS, |record| Ok(EventAsset::Model(Arc::new(model::read(record)?))))
        }
        AssetKind::Performance => (performance::TABLE, performance::COLUMNS, |record| {
            Ok(EventAsset::Performance(Arc::new(performance::read(record)?)))
        }),
        AssetKind::FailureReport => (failure_report::TABLE, failure_report::COLUMNS, |record| {
            Ok(EventAsset::FailureReport(Arc::new(failure_report::read(record)?)))
        }),
        AssetKind::OutputAsset => (output_asset::TABLE, output_asset::COLUMNS, |record| {
            Ok(EventAsset::OutputAsset(Arc::new(output_asset::read(record)?)))
        }),
        AssetKind::ProfilingStep => return None, // leaves nothing but its event
    };
    Some(table)
}
