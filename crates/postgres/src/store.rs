//! The store itself: each method of the storage contract in terms of the assets' statements.

use std::sync::Arc;
use std::time::Duration;

use asset::{ChannelName, EventId, Facts, Needs};
use asset::{ComputePlan, DataManager, DataSample, Function, Organization, Performance};
use async_trait::async_trait;
use bytes::Bytes;
use persistence::{
    Audit, Batch, ByDateAndKey, ByDateAndPerformance, ByTimeAndPosition, ComputePlanFilter,
    ComputeTaskFilter, DataSampleFilter, EventFilter, EventLimit, FunctionFilter, Head, Hint, Page,
    PageRequest, PerformanceFilter, Place, PoolState, Result, SortOrder, Stages, Store, StoredEvent,
    WriteSet,
};
use tokio::sync::broadcast;

use crate::adoption::{self, Adoption, AdoptionReport};
use crate::audit::PostgresAudit;
use crate::batch::{self, PostgresBatch};
use crate::hint::Hints;
use crate::list::{page, place};
use crate::pool::Connections;
use crate::row::Columns;
use crate::statement::Statement;
use crate::{
    channel, compute_plan, compute_task, data_manager, data_sample, event, function, migration, organization,
    performance, snapshot,
};

/// How many connections a store may open, and how long a call waits for one.
///
/// Beside these a store has two more connections: one to send hints, one to receive them.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Connections for batches: so many channels can be written at once.
    pub writers_max: usize,
    /// Connections for everything else.
    pub readers_max: usize,
    /// After so long without a free connection a call fails with [`persistence::Error::Unavailable`].
    pub wait_max: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { writers_max: 8, readers_max: 10, wait_max: Duration::from_secs(10) }
    }
}

/// A store on a PostgreSQL database.
pub struct Postgres {
    connections: Connections,
    hints: Hints,
}

impl Postgres {
    /// Connects to the database that a URL or a keyword string names.
    ///
    /// The database need not have a schema yet; until [`Postgres::migrate`] has made it, every other call
    /// fails. Must be called on a Tokio runtime.
    ///
    /// # Errors
    /// If the text cannot be understood, or the database cannot be reached. The password is in none of the
    /// messages.
    pub async fn connect(url: &str, options: PostgresOptions) -> Result<Self> {
        let connections = Connections::new(url, &options)?;
        connections.read(&ping()).await?;
        let hints = Hints::new(connections.connector());
        Ok(Self { connections, hints })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&self) -> Result<()> {
        self.connections.read(&ping()).await.map(drop)
    }

    /// Makes the schema, or brings it up to date. Any number of processes may do so at the same time, and
    /// again.
    ///
    /// # Errors
    /// If a step fails; nothing has changed then. If the schema is of a later version of this program. If the
    /// database is one of the predecessor that waits for [`Postgres::migrate_and_adopt`].
    pub async fn migrate(&self) -> Result<()> {
        migration::migrate(self.connections.reader().await?, None).await.map(drop)
    }

    /// The same, and takes over what Substra orchestrator 1.0.0 keeps in this database, if it does and nobody has
    /// yet: the report says what. All of it is one transaction.
    ///
    /// # Errors
    /// As [`Postgres::migrate`]; and if something cannot be adopted: the text says what, and what to do.
    pub async fn migrate_and_adopt(&self, adoption: &Adoption) -> Result<Option<AdoptionReport>> {
        migration::migrate(self.connections.reader().await?, Some(adoption)).await
    }

    /// Says what [`Postgres::migrate_and_adopt`] would adopt, without changing or locking anything; nothing if
    /// there is nothing to adopt.
    ///
    /// # Errors
    /// If the database cannot be adopted, or does not answer. Single rows that cannot be are in the report.
    pub async fn survey_adoption(&self, adoption: &Adoption) -> Result<Option<AdoptionReport>> {
        adoption::survey(self.connections.reader().await?, adoption).await
    }

    /// Begins an audit of the whole store as it is now, on a connection beside the others.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn audit(&self) -> Result<Box<dyn Audit>> {
        Ok(Box::new(PostgresAudit::begin(self.connections.connector()).await?))
    }
}

fn ping() -> Statement<'static> {
    Statement::new("-- store::ping\nSELECT")
}

#[async_trait]
impl Store for Postgres {
    async fn begin(&self, channel: &ChannelName, needs: &Needs, facts: &mut Facts) -> Result<Box<dyn Batch>> {
        let client = self.connections.writer().await?;
        Ok(Box::new(PostgresBatch::begin(client, channel, needs, facts).await?))
    }

    async fn apply_at(
        &self,
        channel: &ChannelName,
        expected: &Head,
        writes: WriteSet,
        events: Vec<StoredEvent>,
        head: Head,
    ) -> Result<()> {
        let client = self.connections.writer().await?;
        batch::apply_at(client, channel, expected, &writes, &events, &head).await
    }

    async fn read(&self, channel: &ChannelName, stages: Arc<dyn Stages>) -> Result<Facts> {
        snapshot::read(&self.connections, channel, &*stages).await
    }

    async fn organizations(&self, channel: &ChannelName) -> Result<Vec<Organization>> {
        let rows = self.connections.read(&organization::list(channel)).await?;
        rows.iter().map(|row| organization::read(&Columns::of(organization::TABLE, row))).collect()
    }

    async fn data_managers(
        &self,
        channel: &ChannelName,
        request: PageRequest<ByDateAndKey>,
    ) -> Result<Page<DataManager, ByDateAndKey>> {
        let found = self.connections.read_page(&data_manager::list(channel, &request)).await?;
        page(data_manager::TABLE, &found, request.size, |row| Ok((place(row)?, data_manager::read(row)?)))
    }

    async fn data_samples(
        &self,
        channel: &ChannelName,
        filter: DataSampleFilter,
        request: PageRequest<ByDateAndKey>,
    ) -> Result<Page<DataSample, ByDateAndKey>> {
        let found = self.connections.read_page(&data_sample::list(channel, &filter, &request)).await?;
        page(data_sample::TABLE, &found, request.size, |row| Ok((place(row)?, data_sample::read(row)?)))
    }

    async fn functions(
        &self,
        channel: &ChannelName,
        filter: FunctionFilter,
        request: PageRequest<ByDateAndKey>,
    ) -> Result<Page<Function, ByDateAndKey>> {
        let found = self.connections.read_page(&function::list(channel, &filter, &request)).await?;
        page(function::TABLE, &found, request.size, |row| Ok((place(row)?, function::read(row)?)))
    }

    async fn compute_plans(
        &self,
        channel: &ChannelName,
        filter: ComputePlanFilter,
        request: PageRequest<ByDateAndKey>,
    ) -> Result<Page<ComputePlan, ByDateAndKey>> {
        let found = self.connections.read_page(&compute_plan::list(channel, &filter, &request)).await?;
        page(compute_plan::TABLE, &found, request.size, |row| Ok((place(row)?, compute_plan::read(row)?)))
    }

    async fn compute_tasks(
        &self,
        channel: &ChannelName,
        filter: ComputeTaskFilter,
        request: PageRequest<ByDateAndKey>,
    ) -> Result<Page<Bytes, ByDateAndKey>> {
        let found = self.connections.read_page(&compute_task::list(channel, &filter, &request)).await?;
        page(compute_task::TABLE, &found, request.size, compute_task::read_listed)
    }

    async fn performances(
        &self,
        channel: &ChannelName,
        filter: PerformanceFilter,
        request: PageRequest<ByDateAndPerformance>,
    ) -> Result<Page<Performance, ByDateAndPerformance>> {
        let found = self.connections.read_page(&performance::list(channel, &filter, &request)).await?;
        page(performance::TABLE, &found, request.size, performance::read)
    }

    async fn events(
        &self,
        channel: &ChannelName,
        filter: EventFilter,
        sort: SortOrder,
        request: PageRequest<ByTimeAndPosition>,
    ) -> Result<Page<StoredEvent, ByTimeAndPosition>> {
        let found = self.connections.read_page(&event::list(channel, &filter, sort, &request)).await?;
        page(event::TABLE, &found, request.size, event::read_with_place)
    }

    async fn events_after(
        &self,
        channel: &ChannelName,
        position: u64,
        limit: EventLimit,
    ) -> Result<Vec<StoredEvent>> {
        let rows = self.connections.read(&event::after(channel, position, limit)).await?;
        rows.iter().map(|row| event::read(&Columns::of(event::TABLE, row))).collect()
    }

    async fn event_place(&self, channel: &ChannelName, id: EventId) -> Result<Option<Place>> {
        let rows = self.connections.read(&event::place(channel, id)).await?;
        rows.first().map(|row| event::read_place(&Columns::of(event::TABLE, row))).transpose()
    }

    async fn head(&self, channel: &ChannelName) -> Result<Head> {
        let rows = self.connections.read(&channel::head(channel)).await?;
        let head = rows.first().map(|row| channel::read(&Columns::of(channel::TABLE, row))).transpose()?;
        Ok(head.unwrap_or_default())
    }

    fn announce(&self, hint: Hint) {
        self.hints.announce(hint);
    }

    fn hints(&self) -> broadcast::Receiver<Hint> {
        self.hints.subscribe()
    }

    async fn schema_is_current(&self) -> Result<bool> {
        migration::is_current(&self.connections.reader().await?).await
    }

    fn pools(&self) -> Vec<PoolState> {
        self.connections.states().into()
    }
}
