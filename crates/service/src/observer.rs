//! What the service tells of its own work, for metrics; and the state that it can be asked for.
//!
//! The service counts nothing itself: it calls an [`Observer`] once for each batch, not for each call, and answers [`Service::channels`] when
//! somebody looks. What becomes of it, and under which names, is the business of whoever starts the service.
//!
//! [`Service::channels`]: crate::Service::channels

use std::time::Duration;

use asset::{Change, ChannelName};

/// Hears of the work of a service while it goes on. Called by writers and feeds, which wait for it: it must neither block nor wait.
pub trait Observer: Send + Sync + 'static {
    /// A batch is durable and its calls are about to be answered; or it had nothing to write.
    fn batch_served(&self, _channel: &ChannelName, _batch: &ServedBatch<'_>) {}

    /// A batch met a trouble and is tried again (core/TX-4).
    fn batch_retried(&self, _channel: &ChannelName, _trouble: &persistence::Error) {}

    /// A call was turned away because the queue of its channel is full.
    fn call_turned_away(&self, _channel: &ChannelName) {}

    /// An event that another process has written has arrived here, so long after it happened by that process's clock.
    fn event_heard(&self, _channel: &ChannelName, _delay: Duration) {}
}

/// Hears and forgets.
impl Observer for () {}

/// A batch whose calls are answered.
#[derive(Debug)]
pub struct ServedBatch<'a> {
    /// How long each of its calls had waited before the batch began.
    pub waits: &'a [Duration],
    /// What they have changed, in the order of their events. All of it is durable.
    pub changes: &'a [Change],
    /// How long the batch took, from its beginning until it was durable.
    pub duration: Duration,
}

/// What runs for a channel, as it is at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelState {
    /// Its name.
    pub channel: ChannelName,
    /// Calls that wait in the writer's queue.
    pub waiting_calls: usize,
    /// Subscriptions that are open.
    pub subscribers: usize,
    /// The position of the newest event known here.
    pub position: u64,
    /// How many events the slowest subscriber is behind that.
    pub lag_events: u64,
}
