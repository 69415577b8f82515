//! The storage contract: what the service asks of a store, and what a store promises.
//!
//! There is one way to write, [`Batch::apply`]; reads are set-based; "not found" is a value, not an error. This crate knows no database: the
//! crates `postgres` and `embedded` implement [`Store`], and both pass the suite in `conformance`. Start at [`Store`], then read
//! [`Batch`], the five steps of a write.

pub mod audit;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
pub mod event_log;
pub mod page;
pub mod task_message;
mod write_set;

use std::sync::Arc;

use asset::{ChannelName, EventId, Facts, Needs, Timestamp};
use asset::{ComputePlan, DataManager, DataSample, Function, Organization, Performance};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::broadcast;

pub use audit::Audit;
pub use error::{Error, Result};
pub use event_log::{Head, Place, StoredEvent};
pub use page::{
    ByDateAndKey, ByDateAndPerformance, ByTimeAndPosition, ComputePlanFilter, ComputeTaskFilter,
    DataSampleFilter, EventFilter, EventLimit, FunctionFilter, PAGE_BYTES_MAX, Page, PageRequest,
    PerformanceFilter, Room, SortOrder, Start,
};
pub use write_set::{SampleLink, WriteSet};

/// What has to be loaded next, given what is loaded; nothing ends the loading.
pub trait Stages: Send + Sync {
    /// Needs that `facts` do not hold yet.
    fn missing(&self, facts: &Facts) -> Needs;
}

/// A channel has new events up to a position. A hint, never the truth: hints may be lost, repeated or late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The channel.
    pub channel: ChannelName,
    /// The position of its newest event when the hint was made.
    pub position: u64,
}

/// How one of a store's pools of connections is used at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolState {
    /// What its connections are for.
    pub name: &'static str,
    /// How many there may be.
    pub size_max: usize,
    /// How many there are.
    pub open: usize,
    /// How many of these nobody uses.
    pub idle: usize,
    /// Calls that wait for one.
    pub waiting: usize,
}

/// A store of all channels.
///
/// Everything is per channel: no method shows or changes another channel's rows, except that a key of another channel is known to be taken
/// ([`asset::facts::Slot::Elsewhere`]). Whatever [`Batch::apply`] has answered is durable and visible to every later read.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Begins a batch: takes the channel's lock, also against other processes, waits for it if need be, and then loads `needs` into `facts`
    /// as [`Batch::load`] does, in the same round trip.
    ///
    /// A channel exists from its first batch on.
    async fn begin(&self, channel: &ChannelName, needs: &Needs, facts: &mut Facts) -> Result<Box<dyn Batch>>;

    /// A whole batch in one round trip, for a writer that knows the channel's state: does what [`Batch::apply`] does, if the channel's log still
    /// ends at `expected`.
    ///
    /// # Errors
    /// [`Error::Moved`] if it does not, and nothing is written.
    async fn apply_at(
        &self,
        channel: &ChannelName,
        expected: &Head,
        writes: WriteSet,
        events: Vec<StoredEvent>,
        head: Head,
    ) -> Result<()>;

    /// Loads facts in stages until nothing is missing, all from one snapshot (core/TX-8).
    async fn read(&self, channel: &ChannelName, stages: Arc<dyn Stages>) -> Result<Facts>;

    /// All organizations registered in the channel, by creation date and id (core/ORG-8).
    async fn organizations(&self, channel: &ChannelName) -> Result<Vec<Organization>>;

    /// Data managers by creation date and key (core/DM-10).
    async fn data_managers(
        &self,
        channel: &ChannelName,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<DataManager, ByDateAndKey>>;

    /// Data samples by creation date and key (core/DS-16).
    async fn data_samples(
        &self,
        channel: &ChannelName,
        filter: DataSampleFilter,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<DataSample, ByDateAndKey>>;

    /// Functions by creation date and key (compute/FUNC-11).
    async fn functions(
        &self,
        channel: &ChannelName,
        filter: FunctionFilter,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<Function, ByDateAndKey>>;

    /// Compute plans by creation date and key (compute/PLAN-12).
    async fn compute_plans(
        &self,
        channel: &ChannelName,
        filter: ComputePlanFilter,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<ComputePlan, ByDateAndKey>>;

    /// Compute tasks by creation date and key (compute/TASK-41), as encoded messages ([`task_message::with_status`]).
    async fn compute_tasks(
        &self,
        channel: &ChannelName,
        filter: ComputeTaskFilter,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<Bytes, ByDateAndKey>>;

    /// Performances by creation date ascending, task key descending, identifier ascending (compute/PERF-6).
    async fn performances(
        &self,
        channel: &ChannelName,
        filter: PerformanceFilter,
        page: PageRequest<ByDateAndPerformance>,
    ) -> Result<Page<Performance, ByDateAndPerformance>>;

    /// Events by timestamp and position, in the order asked for (core/EVT-21).
    async fn events(
        &self,
        channel: &ChannelName,
        filter: EventFilter,
        sort: SortOrder,
        page: PageRequest<ByTimeAndPosition>,
    ) -> Result<Page<StoredEvent, ByTimeAndPosition>>;

    /// The next events above `position`, within `limit`, in order of position; none at the end of the log.
    async fn events_after(
        &self,
        channel: &ChannelName,
        position: u64,
        limit: EventLimit,
    ) -> Result<Vec<StoredEvent>>;

    /// The place of an event of this channel; `None` for an id that the channel does not have (core/SUB-4).
    async fn event_place(&self, channel: &ChannelName, id: EventId) -> Result<Option<Place>>;

    /// Where the channel's event log ends.
    async fn head(&self, channel: &ChannelName) -> Result<Head>;

    /// Tells other processes on the same data that the channel has new events. May return before they know; must not fail.
    fn announce(&self, hint: Hint);

    /// Hints from other processes on the same data. A store that serves one process only never sends any.
    fn hints(&self) -> broadcast::Receiver<Hint>;

    /// Whether the schema is the one that this program works on: not so before it was migrated. Fails if the store does not answer.
    async fn schema_is_current(&self) -> Result<bool>;

    /// The pools of connections, if there are any.
    fn pools(&self) -> Vec<PoolState> {
        Vec::new()
    }
}

/// The write of one channel in progress: load what is needed, decide, then apply everything at once.
///
/// Dropping it undoes it. While it lives, no other batch of the channel does, in any process on the same data.
#[async_trait]
pub trait Batch: Send {
    /// Where the channel's event log ends; it cannot move while the batch lives.
    fn head(&self) -> &Head;

    /// Loads `needs` into `facts`: first everything as absent ([`Facts::put_absent`]), then what there is.
    ///
    /// `needs` name nothing that `facts` hold ([`Needs::retain_missing`]). Assets that are known although nobody asked for them by key, such
    /// as a child of a task, stay as they are: changes of the batch may lie over them.
    ///
    /// A bounded number of statements, whatever the size of `needs`.
    async fn load(&mut self, needs: &Needs, facts: &mut Facts) -> Result<()>;

    /// Writes the changes and appends the events, durably, or does nothing at all.
    ///
    /// The events continue the head without a gap, and `head` is where the log ends then. A bounded number of statements, whatever the
    /// size of the batch.
    async fn apply(self: Box<Self>, writes: WriteSet, events: Vec<StoredEvent>, head: Head) -> Result<()>;
}

/// The time from which a channel without a call begins.
pub const DAWN: Timestamp = Timestamp::MIN;
