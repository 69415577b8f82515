//! Metrics: what Prometheus finds at `/metrics` (operations contract, section 11; docs/metrics.md lists all of them).
//!
//! Owns the registry and every name in it. Calls are counted by `call`, the work of writers and feeds by `service`, storage by `store`, the
//! process by `process`; what is a state rather than a count is looked up when somebody asks. Labels come from the descriptors and from the
//! operator's configuration only, so no member can make a series. Start at [`Metrics::new`], then read [`Metrics::text`].

mod call;
mod process;
mod service;
mod store;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use asset::ChannelName;
use persistence::Store;
use prometheus_client::encoding::{EncodeLabelSet, prometheus_text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::{Metric, Registry};

pub(crate) use call::{MeasuredCall, Receipts};

use crate::expiry::Expiry;
use crate::readiness::ServerState;
use crate::routes;
use crate::server::Error;

/// The media type of [`Metrics::text`].
pub(crate) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// Seconds of a call, from the contract; also used for everything else that takes time.
const SECONDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Seconds of what is usually much faster than a call.
const SHORT_SECONDS: [f64; 12] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];

/// Histograms that all have the buckets of their function.
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfChannel {
    channel: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCertificate {
    certificate: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPool {
    pool: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    reason: &'static str,
}

/// Why a connection was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotOpened {
    /// There were as many as there may be.
    TooMany,
    /// Its handshake failed.
    Handshake,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfVersion {
    version: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStatusCode {
    code: u16,
}

/// A registry that knows the names in it.
#[derive(Default)]
struct Register {
    registry: Registry,
    names: Vec<String>,
}

/// Everything that is counted and measured, for one server.
pub struct Metrics {
    register: Register,
    calls: HashMap<String, Arc<call::MethodMetrics>>,
    tasks: service::TaskMetrics,
    writer: service::WriterMetrics,
    storage: Arc<store::StorageMetrics>,
    states: StateMetrics,
    not_opened: Family<OfReason, Counter>,
    scrapes: Family<OfStatusCode, Counter>,
    scrapes_under_way: Gauge,
    /// One at a time: states are looked up and written down together.
    scraping: Mutex<()>,
}

/// What is looked up when somebody asks.
struct StateMetrics {
    queue: Family<OfChannel, Gauge>,
    subscribers: Family<OfChannel, Gauge>,
    position: Family<OfChannel, Gauge>,
    lag: Family<OfChannel, Gauge>,
    pool_max: Family<OfPool, Gauge>,
    pool_open: Family<OfPool, Gauge>,
    pool_idle: Family<OfPool, Gauge>,
    pool_waiting: Family<OfPool, Gauge>,
    certificates: Family<OfCertificate, Gauge>,
}

impl Metrics {
    /// Nothing counted yet; `version` is what the server says its version is.
    ///
    /// # Errors
    /// [`Error::Descriptors`].
    pub fn new(version: &str) -> Result<Arc<Self>, Error> {
        let mut register = Register::default();
        let build: Family<OfVersion, Gauge> =
            register.add("orc_build_info", "1, with the version of the server");
        build.get_or_create(&OfVersion { version: version.to_owned() }).set(1);
        let families = call::CallMetrics::new(&mut register);
        let methods = routes::methods()?;
        let calls = methods.iter().map(|method| (method.path(), families.of(method))).collect();
        let tasks = service::TaskMetrics::new(&mut register);
        let writer = service::WriterMetrics::new(&mut register);
        let storage = Arc::new(store::StorageMetrics::new(&mut register));
        let states = StateMetrics::new(&mut register);
        let not_opened = register.add("orc_connection_not_opened", "Connections that were not opened");
        let scrapes: Family<OfStatusCode, Counter> =
            register.add("promhttp_metric_handler_requests", "Scrapes, by their HTTP status");
        for code in [200, 500] {
            scrapes.get_or_create(&OfStatusCode { code }).inc_by(0);
        }
        let scrapes_under_way =
            register.add("promhttp_metric_handler_requests_in_flight", "Scrapes under way");
        register.registry.register_collector(Box::new(process::Process));
        register.names.extend(process::names().map(str::to_owned));
        let scraping = Mutex::default();
        Ok(Arc::new(Self {
            register,
            calls,
            tasks,
            writer,
            storage,
            states,
            not_opened,
            scrapes,
            scrapes_under_way,
            scraping,
        }))
    }

    /// The names of all metrics, as they are written: counters with `_total`, histograms without what their series end with.
    pub fn names(&self) -> &[String] {
        &self.register.names
    }

    /// A store that measures every use of another one.
    pub fn measure(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(store::MeasuredStore::new(store, Arc::clone(&self.storage)))
    }

    /// A call of this method begins; nothing for a method that there is not.
    pub(crate) fn begin_call(&self, path: &str) -> Option<MeasuredCall> {
        self.calls.get(path).map(MeasuredCall::begin)
    }

    /// A connection was not opened.
    pub(crate) fn note_not_opened(&self, why: NotOpened) {
        let reason = match why {
            NotOpened::TooMany => "too_many",
            NotOpened::Handshake => "handshake",
        };
        self.not_opened.get_or_create(&OfReason { reason }).inc();
    }

    /// A call that registers so many tasks has succeeded.
    pub(crate) fn note_registration(&self, channel: &ChannelName, tasks: usize) {
        self.tasks.observe_registration(channel, tasks);
    }

    /// Everything in the text format of Prometheus, with the states as they are now.
    ///
    /// # Errors
    /// None in practice: text grows as it needs.
    pub(crate) fn text(&self, state: &ServerState) -> Result<String, fmt::Error> {
        let _alone = self.scraping.lock().unwrap_or_else(PoisonError::into_inner);
        self.scrapes_under_way.inc();
        self.states.look_up(state);
        let mut text = String::new();
        let encoded = prometheus_text::encode(&mut text, &self.register.registry);
        let code = if encoded.is_ok() { 200 } else { 500 };
        self.scrapes.get_or_create(&OfStatusCode { code }).inc();
        self.scrapes_under_way.dec();
        encoded.map(|()| text)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl StateMetrics {
    fn new(register: &mut Register) -> Self {
        Self {
            queue: register.add("orc_writer_queue_length", "Calls that wait in the queue of a channel"),
            subscribers: register.add("orc_feed_subscribers", "Event subscriptions that are open"),
            position: register.add("orc_feed_position", "Position of the newest event known here"),
            lag: register.add(
                "orc_feed_lag_events",
                "Events by which the slowest subscriber is behind the newest one known here",
            ),
            pool_max: register.add("orc_db_pool_max_connections", "Connections that there may be"),
            pool_open: register.add("orc_db_pool_open_connections", "Connections that there are"),
            pool_idle: register.add("orc_db_pool_idle_connections", "Connections that nobody uses"),
            pool_waiting: register.add("orc_db_pool_waiting_calls", "Calls that wait for a connection"),
            certificates: register.add(
                "orc_certificate_expiry_timestamp_seconds",
                "When a certificate of the server or of an authority ends, in seconds since 1970",
            ),
        }
    }

    fn look_up(&self, state: &ServerState) {
        let ServerState { service, access, .. } = state;
        self.look_up_certificates(access.now().expiries());
        for state in service.channels() {
            let labels = OfChannel { channel: state.channel.as_str().into() };
            self.queue.get_or_create(&labels).set(signed(state.waiting_calls));
            self.subscribers.get_or_create(&labels).set(signed(state.subscribers));
            self.position.get_or_create(&labels).set(signed(state.position));
            self.lag.get_or_create(&labels).set(signed(state.lag_events));
        }
        for state in service.pools() {
            let labels = OfPool { pool: state.name };
            self.pool_max.get_or_create(&labels).set(signed(state.size_max));
            self.pool_open.get_or_create(&labels).set(signed(state.open));
            self.pool_idle.get_or_create(&labels).set(signed(state.idle));
            self.pool_waiting.get_or_create(&labels).set(signed(state.waiting));
        }
    }

    /// Of several certificates for one thing, the first to end.
    fn look_up_certificates(&self, expiries: &[Expiry]) {
        let mut earliest = BTreeMap::new();
        for Expiry { role, not_after, .. } in expiries {
            let found = earliest.entry(role.to_string()).or_insert(*not_after);
            *found = (*found).min(*not_after);
        }
        self.certificates.clear();
        for (certificate, not_after) in earliest {
            let seconds = not_after.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            self.certificates.get_or_create(&OfCertificate { certificate }).set(signed(seconds));
        }
    }
}

impl Register {
    /// Adds a metric or a family. Counters get their `_total` when they are written.
    fn add<M: Metric + TypedMetric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        self.add_as(name, help, M::default())
    }

    /// Adds histograms with the buckets that the function gives them.
    fn add_histograms<L>(&mut self, name: &str, help: &str, buckets: fn() -> Histogram) -> Histograms<L>
    where
        Histograms<L>: Metric,
        L: Clone + Eq + Hash,
    {
        self.add_as(name, help, Family::new_with_constructor(buckets))
    }

    fn add_as<M: Metric + TypedMetric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.registry.register(name, help, metric.clone());
        let suffix = if matches!(M::TYPE, MetricType::Counter) { "_total" } else { "" };
        self.names.push(format!("{name}{suffix}"));
        metric
    }
}

/// A count as a gauge takes it.
fn signed(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
