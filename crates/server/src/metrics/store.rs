//! Storage, measured: a store that times each use of another one by its name.
//!
//! The names are those of the storage contract's methods, and `load` and `apply` for those of a batch; what a store does underneath is its own
//! business. Every use is also a span of the trace, if there is one.

use std::sync::Arc;
use std::time::Instant;

use asset::{ChannelName, EventId, Facts, Needs};
use asset::{ComputePlan, DataManager, DataSample, Function, Organization, Performance};
use bytes::Bytes;
use persistence::{
    Batch, ByDateAndKey, ByDateAndPerformance, ByTimeAndPosition, ComputePlanFilter, ComputeTaskFilter,
    DataSampleFilter, EventFilter, EventLimit, FunctionFilter, Head, Hint, Page, PageRequest,
    PerformanceFilter, Place, PoolState, Result, SortOrder, Stages, Store, StoredEvent, WriteSet,
};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use service::SPANS;
use tokio::sync::broadcast;
use tonic::async_trait;
use tracing::{Instrument, Span};

use super::{Histograms, Register, SHORT_SECONDS};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOperation {
    operation: &'static str,
}

/// The uses of a store.
pub(super) struct StorageMetrics {
    seconds: Histograms<OfOperation>,
    failures: Family<OfOperation, Counter>,
}

impl StorageMetrics {
    pub(super) fn new(register: &mut Register) -> Self {
        Self {
            seconds: register.add_histograms(
                "orc_store_seconds",
                "How long storage took, by what it was used for",
                || Histogram::new(SHORT_SECONDS),
            ),
            failures: register.add("orc_store_failures", "Uses of storage that failed"),
        }
    }

    /// Measures one use.
    async fn measure<T>(&self, operation: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let labels = OfOperation { operation };
        let begun = Instant::now();
        let outcome = work.instrument(span(operation)).await;
        self.seconds.get_or_create(&labels).observe(begun.elapsed().as_secs_f64());
        if outcome.is_err() {
            self.failures.get_or_create(&labels).inc();
        }
        outcome
    }
}

/// A part of the trace of whatever uses the store; what nobody has asked for is in no trace.
fn span(operation: &'static str) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    tracing::info_span!(target: SPANS, "store", otel.name = operation)
}

/// A store that measures another one.
pub(super) struct MeasuredStore {
    store: Arc<dyn Store>,
    metrics: Arc<StorageMetrics>,
}

impl MeasuredStore {
    pub(super) fn new(store: Arc<dyn Store>, metrics: Arc<StorageMetrics>) -> Self {
        Self { store, metrics }
    }
}

/// A batch that measures another one.
struct MeasuredBatch {
    batch: Box<dyn Batch>,
    metrics: Arc<StorageMetrics>,
}

#[async_trait]
impl Batch for MeasuredBatch {
    fn head(&self) -> &Head {
        self.batch.head()
    }

    async fn load(&mut self, needs: &Needs, facts: &mut Facts) -> Result<()> {
        self.metrics.measure("load", self.batch.load(needs, facts)).await
    }

    async fn apply(self: Box<Self>, writes: WriteSet, events: Vec<StoredEvent>, head: Head) -> Result<()> {
        self.metrics.measure("apply", self.batch.apply(writes, events, head)).await
    }
}

#[async_trait]
impl Store for MeasuredStore {
    async fn begin(&self, channel: &ChannelName, needs: &Needs, facts: &mut Facts) -> Result<Box<dyn Batch>> {
        let batch = self.metrics.measure("begin", self.store.begin(channel, needs, facts)).await?;
        Ok(Box::new(MeasuredBatch { batch, metrics: Arc::clone(&self.metrics) }))
    }

    async fn apply_at(
        &self,
        channel: &ChannelName,
        expected: &Head,
        writes: WriteSet,
        events: Vec<StoredEvent>,
        head: Head,
    ) -> Result<()> {
        let apply = self.store.apply_at(channel, expected, writes, events, head);
        self.metrics.measure("apply_at", apply).await
    }

    async fn read(&self, channel: &ChannelName, stages: Arc<dyn Stages>) -> Result<Facts> {
        self.metrics.measure("read", self.store.read(channel, stages)).await
    }

    async fn organizations(&self, channel: &ChannelName) -> Result<Vec<Organization>> {
        self.metrics.measure("organizations", self.store.organizations(channel)).await
    }

    async fn data_managers(
        &self,
        channel: &ChannelName,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<DataManager, ByDateAndKey>> {
        self.metrics.measure("data_managers", self.store.data_managers(channel, page)).await
    }

    async fn data_samples(
        &self,
        channel: &ChannelName,
        filter: DataSampleFilter,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<DataSample, ByDateAndKey>> {
        self.metrics.measure("data_samples", self.store.data_samples(channel, filter, page)).await
    }

    async fn functions(
        &self,
        channel: &ChannelName,
        filter: FunctionFilter,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<Function, ByDateAndKey>> {
        self.metrics.measure("functions", self.store.functions(channel, filter, page)).await
    }

    async fn compute_plans(
        &self,
        channel: &ChannelName,
        filter: ComputePlanFilter,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<ComputePlan, ByDateAndKey>> {
        self.metrics.measure("compute_plans", self.store.compute_plans(channel, filter, page)).await
    }

    async fn compute_tasks(
        &self,
        channel: &ChannelName,
        filter: ComputeTaskFilter,
        page: PageRequest<ByDateAndKey>,
    ) -> Result<Page<Bytes, ByDateAndKey>> {
        self.metrics.measure("compute_tasks", self.store.compute_tasks(channel, filter, page)).await
    }

    async fn performances(
        &self,
        channel: &ChannelName,
        filter: PerformanceFilter,
        page: PageRequest<ByDateAndPerformance>,
    ) -> Result<Page<Performance, ByDateAndPerformance>> {
        self.metrics.measure("performances", self.store.performances(channel, filter, page)).await
    }

    async fn events(
        &self,
        channel: &ChannelName,
        filter: EventFilter,
        sort: SortOrder,
        page: PageRequest<ByTimeAndPosition>,
    ) -> Result<Page<StoredEvent, ByTimeAndPosition>> {
        self.metrics.measure("events", self.store.events(channel, filter, sort, page)).await
    }

    async fn events_after(
        &self,
        channel: &ChannelName,
        position: u64,
        limit: EventLimit,
    ) -> Result<Vec<StoredEvent>> {
        self.metrics.measure("events_after", self.store.events_after(channel, position, limit)).await
    }

    async fn event_place(&self, channel: &ChannelName, id: EventId) -> Result<Option<Place>> {
        self.metrics.measure("event_place", self.store.event_place(channel, id)).await
    }

    async fn head(&self, channel: &ChannelName) -> Result<Head> {
        self.metrics.measure("head", self.store.head(channel)).await
    }

    fn announce(&self, hint: Hint) {
        self.store.announce(hint);
    }

    fn hints(&self) -> broadcast::Receiver<Hint> {
        self.store.hints()
    }

    async fn schema_is_current(&self) -> Result<bool> {
        self.metrics.measure("schema_is_current", self.store.schema_is_current()).await
    }

    fn pools(&self) -> Vec<PoolState> {
        self.store.pools()
    }
}
