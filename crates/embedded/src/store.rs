//! [`Embedded`]: the storage contract, each method handed to the asset's own file.

use std::path::Path;
use std::sync::Arc;

use asset::{
    ChannelName, ComputePlan, DataManager, DataSample, EventId, Facts, Function, Needs, Organization,
    Performance,
};
use async_trait::async_trait;
use bytes::Bytes;
use persistence::{
    ByDateAndKey, ByDateAndPerformance, ByTimeAndPosition, ComputePlanFilter, ComputeTaskFilter,
    DataSampleFilter, EventFilter, EventLimit, FunctionFilter, Head, Hint, Page, PageRequest,
    PerformanceFilter, Place, Result, SortOrder, Stages, Store, StoredEvent, WriteSet,
};
use tokio::sync::{Mutex, broadcast};

use crate::batch::{self, Batch};
use crate::connection::{Readers, Writer};
use crate::folder::Folder;
use crate::{
    channel, compute_plan, compute_task, data_manager, data_sample, error, event, facts, function,
    organization, performance,
};

/// A store in one SQLite file, for one process.
///
/// Batches of all channels follow one another, for SQLite has one writer; reads run beside them, each on a snapshot. There are no
/// other processes to hint at or to get hints from.
#[derive(Debug)]
pub struct Embedded {
    writer: Arc<Mutex<Writer>>,
    readers: Arc<Readers>,
    /// Never used; while it lives, receivers wait.
    hints: broadcast::Sender<Hint>,
}

impl Embedded {
    /// Opens the store in this folder, and makes what is missing. Blocks while it works on the disk.
    ///
    /// What is written survives a crash and a loss of power, as far as the disk keeps what it has confirmed.
    ///
    /// # Errors
    /// [`persistence::Error::Failed`] if another store uses the folder or if a newer program has written it;
    /// [`persistence::Error::Corrupt`] if the file is not a database.
    pub fn open(directory: &Path) -> Result<Self> {
        Ok(Self::over(Folder::lasting(directory)?)?)
    }

    /// Opens an empty store that ends with the process, for tests and trials.
    ///
    /// It works exactly as one on disk, in a private temporary folder that is removed when the store is dropped: in memory where the system
    /// has `/dev/shm`, else among the temporary files, without waiting for the disk. A killed process leaves the folder behind.
    ///
    /// # Errors
    /// [`persistence::Error::Failed`] if there is no place for the folder.
    pub fn in_memory() -> Result<Self> {
        Ok(Self::over(Folder::temporary()?)?)
    }

    fn over(folder: Folder) -> error::Result<Self> {
        let folder = Arc::new(folder);
        Ok(Self {
            writer: Arc::new(Mutex::new(Writer::open(&folder)?)),
            readers: Arc::new(Readers::new(folder)),
            hints: broadcast::Sender::new(1),
        })
    }
}

#[async_trait]
impl Store for Embedded {
    async fn begin(
        &self,
        channel: &ChannelName,
        needs: &Needs,
        facts: &mut Facts,
    ) -> Result<Box<dyn persistence::Batch>> {
        let writer = Arc::clone(&self.writer).lock_owned().await;
        Ok(Box::new(Batch::begin(writer, channel.clone(), needs, facts).await?))
    }

    async fn apply_at(
        &self,
        channel: &ChannelName,
        expected: &Head,
        writes: WriteSet,
        events: Vec<StoredEvent>,
        head: Head,
    ) -> Result<()> {
        let writer = Arc::clone(&self.writer).lock_owned().await;
        batch::apply_at(writer, channel.clone(), expected.clone(), writes, events, head).await
    }

    async fn read(&self, channel: &ChannelName, stages: Arc<dyn Stages>) -> Result<Facts> {
        let channel = channel.clone();
        let read = self.readers.read(move |connection| {
            let mut facts = Facts::default();
            loop {
                let needs = stages.missing(&facts);
                if needs.is_empty() {
                    return Ok(facts);
                }
                facts::load(connection, &channel, &needs, &mut facts)?;
            }
        });
        read.await
    }

    async fn organizations(&self, channel: &ChannelName) -> Result<Vec<Organization>> {
        let channel = channel.clone();
        self.readers.read(move |connection| organization::list(connection, &channel)).await
    }

    async fn data_managers(
        &self,
        channel: &ChannelName,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<DataManager, ByDateAndKey>> {
        let channel = channel.clone();
        self.readers.read(move |connection| data_manager::list(connection, &channel, page)).await
    }

    async fn data_samples(
        &self,
        channel: &ChannelName,
        filter: DataSampleFilter,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<DataSample, ByDateAndKey>> {
        let channel = channel.clone();
        self.readers.read(move |connection| data_sample::list(connection, &channel, filter, page)).await
    }

    async fn functions(
        &self,
        channel: &ChannelName,
        filter: FunctionFilter,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<Function, ByDateAndKey>> {
        let channel = channel.clone();
        self.readers.read(move |connection| function::list(connection, &channel, &filter, page)).await
    }

    async fn compute_plans(
        &self,
        channel: &ChannelName,
        filter: ComputePlanFilter,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<ComputePlan, ByDateAndKey>> {
        let channel = channel.clone();
        self.readers.read(move |connection| compute_plan::list(connection, &channel, filter, page)).await
    }

    async fn compute_tasks(
        &self,
        channel: &ChannelName,
        filter: ComputeTaskFilter,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<Bytes, ByDateAndKey>> {
        let channel = channel.clone();
        self.readers.read(move |connection| compute_task::list(connection, &channel, filter, page)).await
    }

    async fn performances(
        &self,
        channel: &ChannelName,
        filter: PerformanceFilter,
        page: PageRequest<ByDateAndPerformance>,
    ) -> Result<Page<Performance, ByDateAndPerformance>> {
        let channel = channel.clone();
        self.readers.read(move |connection| performance::list(connection, &channel, filter, page)).await
    }

    async fn events(
        &self,
        channel: &ChannelName,
        filter: EventFilter,
        sort: SortOrder,
        page: PageRequest<ByTimeAndPosition>,
    ) -> Result<Page<StoredEvent, ByTimeAndPosition>> {
        let channel = channel.clone();
        self.readers.read(move |connection| event::list(connection, &channel, filter, sort, page)).await
    }

    async fn events_after(
        &self,
        channel: &ChannelName,
        position: u64,
        limit: EventLimit,
    ) -> Result<Vec<StoredEvent>> {
        let channel = channel.clone();
        self.readers.read(move |connection| event::after(connection, &channel, position, limit)).await
    }

    async fn event_place(&self, channel: &ChannelName, id: EventId) -> Result<Option<Place>> {
        let channel = channel.clone();
        self.readers.read(move |connection| event::place(connection, &channel, id)).await
    }

    async fn head(&self, channel: &ChannelName) -> Result<Head> {
        let channel = channel.clone();
        self.readers.read(move |connection| channel::head(connection, &channel)).await
    }

    fn announce(&self, _hint: Hint) {}

    fn hints(&self) -> broadcast::Receiver<Hint> {
        self.hints.subscribe()
    }

    async fn schema_is_current(&self) -> Result<bool> {
        // Opening has made it so.
        Ok(true)
    }
}
