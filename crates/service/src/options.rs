//! What whoever starts the service decides.

use std::sync::Arc;
use std::time::Duration;

use asset::{Event, Timestamp};
use bytes::Bytes;

use crate::observer::Observer;

/// Reads the clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Encodes an event as it goes on the wire and into the log.
pub type EncodeEvent = Arc<dyn Fn(&Event) -> Bytes + Send + Sync>;

/// Settings of a service.
#[derive(Clone)]
pub struct Options {
    /// How long a batch is tried again after a passing trouble of the store, counted from its first attempt; zero means never (core/TX-5).
    pub retry_budget: Duration,
    /// Calls of one caller that may wait in a channel's queue; beyond, its calls are refused as unavailable.
    pub queue_length_max: usize,
    /// Bytes of requests of one caller that may wait in a channel's queue; a larger call waits alone.
    pub queue_bytes_max: usize,
    /// Calls decided in one batch at most.
    pub batch_calls_max: usize,
    /// Rows that a batch may be expected to write; a larger call goes alone.
    pub batch_rows_max: usize,
    /// Bytes of requests decided in one batch; a larger call goes alone.
    pub batch_bytes_max: usize,
    /// The largest event that something new may have, in bytes: members get an event whole or not at all, and one that they cannot take would end
    /// their subscriptions for good. Common clients take 4 MiB.
    pub event_bytes_max: usize,
    /// Facts that the writer of a channel keeps from batch to batch, counted in assets and links; with more, it begins anew.
    pub facts_kept_max: usize,
    /// Bytes that these assets may take, about: some can be made as large as a request.
    pub facts_bytes_kept_max: usize,
    /// Stored events read at once for a subscriber that is behind (core/SUB-9).
    pub replay_events_max: usize,
    /// How often a feed looks for events of other processes whose hint was lost.
    pub poll_interval: Duration,
    /// The clock.
    pub clock: Clock,
    /// The encoder of events.
    pub encode_event: EncodeEvent,
    /// Hears of the work as it goes on.
    pub observer: Arc<dyn Observer>,
}

impl Options {
    /// Sensible settings with the system's clock.
    pub fn new(encode_event: EncodeEvent) -> Self {
        Self {
            retry_budget: Duration::from_millis(500),
            queue_length_max: 4096,
            queue_bytes_max: 64 << 20,
            batch_calls_max: 128,
            batch_rows_max: 2000,
            batch_bytes_max: 8 << 20,
            event_bytes_max: (4 << 20) - (64 << 10),
            facts_kept_max: 16_384,
            facts_bytes_kept_max: 32 << 20,
            replay_events_max: 100,
            poll_interval: Duration::from_secs(1),
            clock: Arc::new(system_clock),
            encode_event,
            observer: Arc::new(()),
        }
    }
}

/// The system's time, cut to whole microseconds (core/TX-3).
fn system_clock() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}
