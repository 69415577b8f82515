//! A store that does what another does, except when a test wants trouble.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use asset::{
    ChannelName, ComputePlan, DataManager, DataSample, EventId, Facts, Function, Needs, Organization,
    Performance,
};
use async_trait::async_trait;
use bytes::Bytes;
use embedded::Embedded;
use persistence::{
    Batch, ByDateAndKey, ByDateAndPerformance, ByTimeAndPosition, ComputePlanFilter, ComputeTaskFilter,
    DataSampleFilter, Error, EventFilter, EventLimit, FunctionFilter, Head, Hint, Page, PageRequest,
    PerformanceFilter, Place, Result, SortOrder, Stages, Store, StoredEvent, WriteSet,
};
use tokio::sync::broadcast;

/// What happens to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is committed, and nobody is told.
    AnswerLost,
    /// It is not committed, and nobody is told.
    CommitLost,
    /// It is not committed, for a reason that passes.
    Away,
}

#[derive(Default)]
struct Plan {
    next_write: Mutex<Option<Trouble>>,
    is_away_after_write: AtomicBool,
    is_away: AtomicBool,
    refused_name: Mutex<Option<String>>,
    whole_batches: AtomicUsize,
    lost: Mutex<Option<Place>>,
}

/// The store.
pub(crate) struct Unreliable {
    store: Embedded,
    plan: Arc<Plan>,
}

struct UnreliableBatch {
    batch: Box<dyn Batch>,
    plan: Arc<Plan>,
}

impl Unreliable {
    pub(crate) fn over(store: Embedded) -> Self {
        Self { store, plan: Arc::default() }
    }

    /// The next write meets this trouble.
    pub(crate) fn next_write(&self, trouble: Trouble) {
        *self.plan.next_write.lock().unwrap() = Some(trouble);
    }

    /// From the next write on nothing works; or all works again.
    pub(crate) fn be_away_after_next_write(&self, is_away: bool) {
        self.plan.is_away_after_write.store(is_away, Ordering::SeqCst);
        self.plan.is_away.store(false, Ordering::SeqCst);
    }

    /// A batch with a new plan of this name fails.
    pub(crate) fn refuse_plans_named(&self, name: &str) {
        *self.plan.refused_name.lock().unwrap() = Some(name.to_owned());
    }

    /// All events that are looked for stood at this place, which the log does not have any more.
    pub(crate) fn lose(&self, place: Place) {
        *self.plan.lost.lock().unwrap() = Some(place);
    }

    /// How many batches came in one step.
    pub(crate) fn whole_batches(&self) -> usize {
        self.plan.whole_batches.load(Ordering::SeqCst)
    }
}

impl Plan {
    fn check_away(&self) -> Result<()> {
        let is_away = self.is_away.load(Ordering::SeqCst);
        if is_away { Err(Error::Unavailable("away".to_owned())) } else { Ok(()) }
    }

    async fn meet<F: Future<Output = Result<()>>>(
        &self,
        writes: &WriteSet,
        write: impl FnOnce() -> F,
    ) -> Result<()> {
        self.check_away()?;
        let refused = self.refused_name.lock().unwrap().clone();
        if writes.compute_plans.iter().any(|plan| Some(&plan.name) == refused.as_ref()) {
            return Err(Error::Failed("this plan cannot be stored".to_owned()));
        }
        let trouble = self.next_write.lock().unwrap().take();
        let lost = || Err(Error::OutcomeUnknown("no answer".to_owned()));
        let outcome = match trouble {
            None => write().await,
            Some(Trouble::AnswerLost) => {
                write().await?;
                lost()
            }
            Some(Trouble::CommitLost) => lost(),
            Some(Trouble::Away) => Err(Error::Unavailable("away for a moment".to_owned())),
        };
        if self.is_away_after_write.load(Ordering::SeqCst) {
            self.is_away.store(true, Ordering::SeqCst);
        }
        outcome
    }
}

#[async_trait]
impl Batch for UnreliableBatch {
    fn head(&self) -> &Head {
        self.batch.head()
    }

    async fn load(&mut self, needs: &Needs, facts: &mut Facts) -> Result<()> {
        self.plan.check_away()?;
        self.batch.load(needs, facts).await
    }

    async fn apply(self: Box<Self>, writes: WriteSet, events: Vec<StoredEvent>, head: Head) -> Result<()> {
        let Self { batch, plan } = *self;
        plan.meet(&writes.clone(), || batch.apply(writes, events, head)).await
    }
}

#[async_trait]
impl Store for Unreliable {
    async fn begin(&self, channel: &ChannelName, needs: &Needs, facts: &mut Facts) -> Result<Box<dyn Batch>> {
        self.plan.check_away()?;
        let batch = self.store.begin(channel, needs, facts).await?;
        Ok(Box::new(UnreliableBatch { batch, plan: Arc::clone(&self.plan) }))
    }

    async fn apply_at(
        &self,
        channel: &ChannelName,
        expected: &Head,
        writes: WriteSet,
        events: Vec<StoredEvent>,
        head: Head,
    ) -> Result<()> {
        self.plan.whole_batches.fetch_add(1, Ordering::SeqCst);
        let write = || self.store.apply_at(channel, expected, writes.clone(), events, head);
        self.plan.meet(&writes, write).await
    }

    async fn read(&self, channel: &ChannelName, stages: Arc<dyn Stages>) -> Result<Facts> {
        self.store.read(channel, stages).await
    }

    async fn organizations(&self, channel: &ChannelName) -> Result<Vec<Organization>> {
        self.store.organizations(channel).await
    }

    async fn data_managers(
        &self,
        channel: &ChannelName,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<DataManager, ByDateAndKey>> {
        self.store.data_managers(channel, page).await
    }

    async fn data_samples(
        &self,
        channel: &ChannelName,
        filter: DataSampleFilter,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<DataSample, ByDateAndKey>> {
        self.store.data_samples(channel, filter, page).await
    }

    async fn functions(
        &self,
        channel: &ChannelName,
        filter: FunctionFilter,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<Function, ByDateAndKey>> {
        self.store.functions(channel, filter, page).await
    }

    async fn compute_plans(
        &self,
        channel: &ChannelName,
        filter: ComputePlanFilter,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<ComputePlan, ByDateAndKey>> {
        self.store.compute_plans(channel, filter, page).await
    }

    async fn compute_tasks(
        &self,
        channel: &ChannelName,
        filter: ComputeTaskFilter,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<Bytes, ByDateAndKey>> {
        self.store.compute_tasks(channel, filter, page).await
    }

    async fn performances(
        &self,
        channel: &ChannelName,
        filter: PerformanceFilter,
        page: PageRequest<ByDateAndPerformance>,
    ) -> Result<Page<Performance, ByDateAndPerformance>> {
        self.store.performances(channel, filter, page).await
    }

    async fn events(
        &self,
        channel: &ChannelName,
        filter: EventFilter,
        sort: SortOrder,
        page: PageRequest<ByTimeAndPosition>,
    ) -> Result<Page<StoredEvent, ByTimeAndPosition>> {
        self.store.events(channel, filter, sort, page).await
    }

    async fn events_after(
        &self,
        channel: &ChannelName,
        position: u64,
        limit: EventLimit,
    ) -> Result<Vec<StoredEvent>> {
        self.store.events_after(channel, position, limit).await
    }

    async fn event_place(&self, channel: &ChannelName, id: EventId) -> Result<Option<Place>> {
        self.plan.check_away()?;
        let lost = *self.plan.lost.lock().unwrap();
        if lost.is_some() { Ok(lost) } else { self.store.event_place(channel, id).await }
    }

    async fn head(&self, channel: &ChannelName) -> Result<Head> {
        self.plan.check_away()?;
        self.store.head(channel).await
    }

    fn announce(&self, hint: Hint) {
        self.store.announce(hint);
    }

    fn hints(&self) -> broadcast::Receiver<Hint> {
        self.store.hints()
    }

    async fn schema_is_current(&self) -> Result<bool> {
        self.store.schema_is_current().await
    }
}
