//! The event feed: one per channel and process, from which all subscribers of the channel are served.
//!
//! The newest events stand in a bounded ring in memory; a subscriber that is behind the ring reads stored pages at its own pace. Nobody
//! holds a database connection or a snapshot while it sends or waits. Positions are contiguous, so a subscriber knows by counting whether it
//! has missed anything. The local writer publishes what it commits; a follower fetches what other processes commit.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use asset::{ChannelName, EventId, OrganizationId};
use persistence::{EventLimit, Room, Store, StoredEvent};
use tokio::sync::{Notify, watch};

use crate::failure::Failure;
use crate::observer::Observer;
use crate::options::{Clock, Options};
use crate::turns::Turns;

/// Events kept in memory for those who keep up.
const RING_EVENTS_MAX: usize = 8192;
/// Their encoded bytes.
const RING_BYTES_MAX: usize = 16 << 20;
/// What the follower reads at once.
const FOLLOW_MAX: EventLimit = EventLimit { events: 1000, bytes: RING_BYTES_MAX / 4 };
/// Bytes of events that a subscriber is given at once, unless the first has more: it may hold them for as long as it likes.
const BATCH_BYTES_MAX: usize = 128 << 10;

/// The newest events of a channel, without gaps.
#[derive(Default)]
struct Ring {
    events: VecDeque<Arc<StoredEvent>>,
    bytes: usize,
    /// The position of the last event that was put in, or with which the feed began.
    end: Option<u64>,
}

/// What the ring has for somebody at a position.
enum Found {
    /// The next events.
    Events(Vec<Arc<StoredEvent>>),
    /// Nothing newer is known.
    Nothing,
    /// The next event is older than the ring, or the ring has not begun.
    Older,
}

impl Ring {
    fn push(&mut self, event: Arc<StoredEvent>) {
        match self.end {
            Some(end) if event.position <= end => return, // the writer and the follower may both bring it
            Some(end) if event.position == end + 1 => {}
            _ => self.clear(), // a gap, to be read from the store
        }
        self.end = Some(event.position);
        self.bytes += event.encoded.len();
        self.events.push_back(event);
        while self.events.len() > RING_EVENTS_MAX || self.bytes > RING_BYTES_MAX && self.events.len() > 1 {
            let oldest = self.events.pop_front();
            self.bytes -= oldest.map_or(0, |event| event.encoded.len());
        }
    }

    fn clear(&mut self) {
        self.events.clear();
        self.bytes = 0;
    }

    fn after(&self, position: u64, limit: EventLimit) -> Found {
        if self.end.is_some_and(|end| position >= end) {
            return Found::Nothing;
        }
        match self.events.front() {
            Some(first) if first.position <= position + 1 => {
                let skipped = usize::try_from(position + 1 - first.position).unwrap_or(usize::MAX);
                let mut room = Room::new(limit.bytes);
                let next = self.events.iter().skip(skipped).take(limit.events);
                Found::Events(next.take_while(|event| room.takes(event.encoded.len())).cloned().collect())
            }
            _ => Found::Older,
        }
    }
}

/// The feed of one channel.
pub(crate) struct Feed {
    channel: ChannelName,
    store: Arc<dyn Store>,
    /// What a subscriber is given at once.
    batch_max: EventLimit,
    /// The turns in which subscribers that are behind read the store, whatever their number: the rest of it is for everybody else.
    replays: Arc<Turns>,
    ring: Mutex<Ring>,
    /// The highest position that subscribers may ask for.
    tip: watch::Sender<u64>,
    /// Rung when another process may have written.
    bell: Arc<Notify>,
    /// How far each subscriber is, for whoever asks; those of subscribers that have left are dead.
    places: Mutex<Vec<Weak<AtomicU64>>>,
    clock: Clock,
    observer: Arc<dyn Observer>,
}

impl Feed {
    /// Starts a feed and its follower, which ends with it.
    pub(crate) fn start(
        channel: ChannelName,
        store: Arc<dyn Store>,
        options: &Options,
        replays: Arc<Turns>,
    ) -> Arc<Self> {
        let feed = Arc::new(Self {
            channel,
            store,
            batch_max: EventLimit { events: options.replay_events_max.max(1), bytes: BATCH_BYTES_MAX },
            replays,
            ring: Mutex::default(),
            tip: watch::Sender::new(0),
            bell: Arc::default(),
            places: Mutex::default(),
            clock: Arc::clone(&options.clock),
            observer: Arc::clone(&options.observer),
        });
        tokio::spawn(follow(Arc::downgrade(&feed), Arc::clone(&feed.bell), options.poll_interval));
        feed
    }

    /// Puts in what was committed, and wakes the subscribers.
    pub(crate) fn publish(&self, events: Vec<StoredEvent>) {
        let Some(last) = events.last().map(|event| event.position) else {
            return;
        };
        {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            events.into_iter().for_each(|event| ring.push(Arc::new(event)));
        }
        self.tip.send_if_modified(|tip| {
            let newer = last > *tip;
            *tip = last.max(*tip);
            newer
        });
    }

    /// Another process may have written up to this position.
    pub(crate) fn hint(&self, position: u64) {
        if position > *self.tip.borrow() {
            self.bell.notify_one();
        }
    }

    /// Fetches what other processes have committed since the last event known here.
    async fn catch_up(&self) -> persistence::Result<()> {
        let Some(mut known) = self.ring.lock().unwrap_or_else(PoisonError::into_inner).end else {
            return self.begin().await;
        };
        loop {
            let events = self.store.events_after(&self.channel, known, FOLLOW_MAX).await?;
            let Some(last) = events.last() else { return Ok(()) };
            known = last.position;
            self.report(&events);
            self.publish(events);
        }
    }

    fn report(&self, heard: &[StoredEvent]) {
        let now = (self.clock)();
        for event in heard {
            self.observer.event_heard(&self.channel, now.since(event.timestamp));
        }
    }

    /// Nothing is known yet: what is stored so far is read by those who want it.
    async fn begin(&self) -> persistence::Result<()> {
        let head = self.store.head(&self.channel).await?;
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.end.get_or_insert(head.position);
        drop(ring);
        // Somebody may have read the store before this; let them look again.
        self.tip.send_modify(|tip| *tip = head.position.max(*tip));
        Ok(())
    }

    /// How many subscriptions are open.
    pub(crate) fn subscribers(&self) -> usize {
        self.tip.receiver_count()
    }

    /// The newest position known here, and how many events the slowest subscriber is behind it.
    pub(crate) fn progress(&self) -> (u64, u64) {
        let tip = *self.tip.borrow();
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let slowest =
            places.iter().filter_map(Weak::upgrade).map(|place| place.load(Ordering::Relaxed)).min();
        (tip, slowest.map_or(0, |place| tip.saturating_sub(place)))
    }

    /// A place to tell how far a new subscriber is.
    fn place(&self, position: u64) -> Arc<AtomicU64> {
        let place = Arc::new(AtomicU64::new(position));
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|place| place.strong_count() > 0);
        places.push(Arc::downgrade(&place));
        place
    }

    fn after(&self, position: u64) -> Found {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).after(position, self.batch_max)
    }
}

/// Looks for events of other processes whenever the bell rings, and now and then in case a hint was lost (core/SUB-10).
async fn follow(feed: Weak<Feed>, bell: Arc<Notify>, poll_interval: Duration) {
    loop {
        {
            let Some(feed) = feed.upgrade() else { return };
            let wanted = feed.tip.receiver_count() > 0;
            if wanted && let Err(error) = feed.catch_up().await {
                tracing::warn!(%error, channel = %feed.channel, "cannot follow the event log");
            }
        }
        let _rung_or_time = tokio::time::timeout(poll_interval, bell.notified()).await;
    }
}

/// One subscriber's place in the event log of a channel.
pub struct Subscription {
    feed: Arc<Feed>,
    caller: OrganizationId,
    position: u64,
    /// The position once more, for whoever asks the feed.
    place: Arc<AtomicU64>,
    tip: watch::Receiver<u64>,
}

impl Subscription {
    /// Begins after the event `start`, or at the beginning of the log (core/SUB-2, SUB-3).
    pub(crate) async fn begin(
        feed: Arc<Feed>,
        caller: OrganizationId,
        start: Option<EventId>,
    ) -> Result<Self, Failure> {
        let position = match start {
            None => 0,
            Some(id) => {
                let _turn = feed.replays.take(&caller).await?;
                let found = feed.store.event_position(&feed.channel, id).await;
                let found = found.map_err(|error| Failure::of_storage(&error))?;
                found.ok_or_else(|| asset::Refusal::not_found(id))?
            }
        };
        let tip = feed.tip.subscribe();
        feed.bell.notify_one();
        let place = feed.place(position);
        Ok(Self { feed, caller, position, place, tip })
    }

    /// Waits for the next events: at least one, in order, without a gap. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`] if storage cannot be read; subscribing again after the last event goes on.
    pub async fn next(&mut self) -> Result<Vec<Arc<StoredEvent>>, Failure> {
        loop {
            self.tip.borrow_and_update();
            let events = match self.feed.after(self.position) {
                Found::Events(events) => events,
                Found::Nothing => Vec::new(),
                Found::Older => self.stored().await?,
            };
            if let Some(last) = events.last() {
                self.position = last.position;
                self.place.store(self.position, Ordering::Relaxed);
                return Ok(events);
            }
            if self.tip.changed().await.is_err() {
                return Err(Failure::Unavailable);
            }
        }
    }

    async fn stored(&self) -> Result<Vec<Arc<StoredEvent>>, Failure> {
        let feed = &self.feed;
        let _turn = feed.replays.take(&self.caller).await?;
        let events = feed.store.events_after(&feed.channel, self.position, feed.batch_max).await;
        let events = events.map_err(|error| Failure::of_storage(&error))?;
        Ok(events.into_iter().map(Arc::new).collect())
    }
}

#[cfg(test)]
mod tests {
    use asset::key::Key;
    use asset::{Metadata, Timestamp};
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;

    const TEN: EventLimit = EventLimit::events(10);

    fn event(position: u64, bytes: usize) -> Arc<StoredEvent> {
        Arc::new(StoredEvent {
            position,
            id: EventId::from_uuid(Uuid::from_u128(position.into())),
            timestamp: Timestamp::MIN,
            asset_kind: 1,
            event_kind: 1,
            asset_key: String::new(),
            metadata: Metadata::default(),
            encoded: Bytes::from(vec![0; bytes]),
            hash: [0; 32],
        })
    }

    #[test]
    fn what_is_kept_for_slow_subscribers_is_bounded_and_contiguous() {
        // core/SUB-13
        for (events, bytes_each, kept_max) in
            [(20_000, 1, RING_EVENTS_MAX), (40, 1 << 20, RING_BYTES_MAX >> 20), (3, 2 * RING_BYTES_MAX, 1)]
        {
            let mut ring = Ring::default();
            for position in 1..=events {
                ring.push(event(position, bytes_each));
            }
            assert_eq!(ring.events.len(), kept_max);
            assert!(ring.bytes <= RING_BYTES_MAX || ring.events.len() == 1);
            assert!(matches!(ring.after(0, TEN), Found::Older), "who is behind reads the store");
            let oldest = ring.events[0].position;
            assert!(ring.events.iter().map(|event| event.position).eq(oldest..=events));
            assert!(matches!(ring.after(events, TEN), Found::Nothing));
        }
    }

    #[test]
    fn what_a_subscriber_is_given_at_once_is_bounded_and_never_nothing() {
        // core/SUB-13
        let mut ring = Ring::default();
        for (position, bytes) in [(1, 10), (2, 10), (3, 100), (4, 10)] {
            ring.push(event(position, bytes));
        }
        for (after, bytes, given) in
            [(0, 30, vec![1, 2]), (0, 5, vec![1]), (2, 30, vec![3]), (3, 30, vec![4])]
        {
            let Found::Events(events) = ring.after(after, EventLimit { events: 10, bytes }) else {
                panic!("{after}")
            };
            assert_eq!(events.iter().map(|event| event.position).collect::<Vec<_>>(), given);
        }
    }

    #[test]
    fn a_ring_takes_an_event_once_and_begins_anew_behind_a_gap() {
        // core/SUB-7
        let mut ring = Ring::default();
        for position in [4, 5, 5, 4, 6] {
            ring.push(event(position, 1));
        }
        let positions = |ring: &Ring| ring.events.iter().map(|event| event.position).collect::<Vec<_>>();
        assert_eq!((positions(&ring), ring.bytes), (vec![4, 5, 6], 3));
        ring.push(event(9, 1));
        assert_eq!((positions(&ring), ring.bytes), (vec![9], 1));
        assert!(matches!(ring.after(6, TEN), Found::Older), "7 and 8 are to be read from the store");
    }
}
