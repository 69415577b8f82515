//! The event feed: one per channel and process, from which all subscribers of the channel are served.
//!
//! The newest events stand in a bounded ring in memory; a subscriber that is behind the ring reads stored pages at its own pace. Nobody
//! holds a database connection or a snapshot while it sends or waits. Positions are contiguous, so a subscriber knows by counting whether it
//! has missed anything. The local writer publishes what it commits; a follower fetches what other processes commit. A database may come back
//! without the events that it had last: then the log that is known here is no more, and all subscriptions to it end.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use asset::{ChannelName, EventId, OrganizationId};
use persistence::{EventLimit, Place, Room, Store, StoredEvent};
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
struct Ring {
    /// The place before the first of them.
    start: Place,
    events: VecDeque<Arc<StoredEvent>>,
    bytes: usize,
}

/// Two logs differ at the same position.
#[derive(Debug, PartialEq)]
struct Contradiction;

/// What the ring has for somebody at a position.
enum Found {
    /// The next events.
    Events(Vec<Arc<StoredEvent>>),
    /// Nothing newer is known.
    Nothing,
    /// The place is not here: it is older than the ring, or newer, as another process may have told. The store knows it, or has lost it.
    Elsewhere,
}

impl Ring {
    /// A ring of what comes after a place.
    fn begin(start: Place) -> Self {
        Self { start, events: VecDeque::new(), bytes: 0 }
    }

    /// The place behind the newest event that is known.
    fn end(&self) -> Place {
        self.events.back().map_or(self.start, |event| event.place())
    }

    /// Puts in the events that come after a place, except those that are here: the writer and the follower may both bring them.
    fn join(&mut self, before: Place, events: Vec<StoredEvent>) -> Result<(), Contradiction> {
        if before.position > self.end().position {
            *self = Self::begin(before); // a gap, to be read from the store
        }
        self.knows(before)?;
        for event in events {
            if event.position > self.end().position {
                self.push(event);
            } else {
                self.knows(event.place())?;
            }
        }
        Ok(())
    }

    fn push(&mut self, event: StoredEvent) {
        self.bytes += event.encoded.len();
        self.events.push_back(Arc::new(event));
        while self.events.len() > RING_EVENTS_MAX || self.bytes > RING_BYTES_MAX && self.events.len() > 1 {
            let Some(oldest) = self.events.pop_front() else { return };
            self.bytes -= oldest.encoded.len();
            self.start = oldest.place();
        }
    }

    /// How many of the events here lie before a place; `None` if it is older than the ring, or newer.
    ///
    /// # Errors
    /// At this position, the log that is known here is another one.
    fn knows(&self, place: Place) -> Result<Option<usize>, Contradiction> {
        let passed = place.position.checked_sub(self.start.position).map(usize::try_from);
        let Some(Ok(passed)) = passed else { return Ok(None) };
        let known = match passed.checked_sub(1) {
            None => Some(self.start),
            Some(last) => self.events.get(last).map(|event| event.place()),
        };
        match known {
            Some(known) if known != place => Err(Contradiction),
            known => Ok(known.map(|_| passed)),
        }
    }

    fn after(&self, place: Place, limit: EventLimit) -> Result<Found, Contradiction> {
        Ok(match self.knows(place)? {
            Some(passed) if passed < self.events.len() => {
                let mut room = Room::new(limit.bytes);
                let next = self.events.iter().skip(passed).take(limit.events);
                Found::Events(next.take_while(|event| room.takes(event.encoded.len())).cloned().collect())
            }
            Some(_) => Found::Nothing,
            None => Found::Elsewhere,
        })
    }
}

/// How far the log is known.
#[derive(Clone, Copy, Default)]
struct Tip {
    /// Counts the logs that the channel has had, as far as was noticed here: another one begins when the database has lost commits.
    log: u64,
    /// The highest position that subscribers may ask for.
    position: u64,
}

/// The feed of one channel.
pub(crate) struct Feed {
    channel: ChannelName,
    store: Arc<dyn Store>,
    /// What a subscriber is given at once.
    batch_max: EventLimit,
    /// The turns in which subscribers that are behind read the store, whatever their number: the rest of it is for everybody else.
    replays: Arc<Turns>,
    /// None until the follower, or the writer, has begun.
    ring: Mutex<Option<Ring>>,
    tip: watch::Sender<Tip>,
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
            tip: watch::Sender::default(),
            bell: Arc::default(),
            places: Mutex::default(),
            clock: Arc::clone(&options.clock),
            observer: Arc::clone(&options.observer),
        });
        tokio::spawn(follow(Arc::downgrade(&feed), Arc::clone(&feed.bell), options.poll_interval));
        feed
    }

    /// Puts in what was committed after a place, and wakes the subscribers.
    pub(crate) fn publish(&self, before: Place, events: Vec<StoredEvent>) {
        let Some(last) = events.last().map(StoredEvent::place) else {
            return;
        };
        let mut ring = self.ring();
        let joined = ring.get_or_insert_with(|| Ring::begin(before)).join(before, events);
        if joined.is_err() {
            return self.begin_anew(ring);
        }
        self.tip.send_if_modified(|tip| {
            let newer = last.position > tip.position;
            tip.position = last.position.max(tip.position);
            newer
        });
    }

    /// The log that was known here is no more: ends its subscriptions, and lets the follower look where the log ends now.
    fn begin_anew(&self, mut ring: MutexGuard<'_, Option<Ring>>) {
        tracing::error!(channel = %self.channel, "the database has lost events: all subscriptions end");
        *ring = None;
        self.tip.send_modify(|tip| *tip = Tip { log: tip.log + 1, position: 0 });
        self.bell.notify_one();
    }

    /// Another process may have written up to this position.
    pub(crate) fn hint(&self, position: u64) {
        if position > self.tip.borrow().position {
            self.bell.notify_one();
        }
    }

    /// Fetches what other processes have committed since the last event known here.
    async fn catch_up(&self) -> persistence::Result<()> {
        let Some(mut known) = self.ring().as_ref().map(Ring::end) else {
            return self.begin().await;
        };
        loop {
            let Some(events) = self.stored(known, FOLLOW_MAX).await? else {
                let ring = self.ring();
                // The writer may have noticed before.
                if ring.as_ref().is_some_and(|ring| matches!(ring.knows(known), Ok(Some(_)))) {
                    self.begin_anew(ring);
                }
                return Ok(());
            };
            let Some(last) = events.last().map(StoredEvent::place) else { return Ok(()) };
            self.report(&events);
            self.publish(known, events);
            known = last;
        }
    }

    /// The next events that are stored behind a place, if the log has this place.
    async fn stored(&self, place: Place, limit: EventLimit) -> persistence::Result<Option<Vec<StoredEvent>>> {
        let after = |position, limit| self.store.events_after(&self.channel, position, limit);
        let Some(before) = place.position.checked_sub(1) else { return after(0, limit).await.map(Some) };
        // The event at the place comes once more, to be recognized.
        let mut events = after(before, EventLimit { events: limit.events + 1, ..limit }).await?;
        if events.first().map(StoredEvent::place) != Some(place) {
            return Ok(None);
        }
        events.remove(0);
        // It may have used up the bytes.
        Ok(Some(if events.is_empty() { after(place.position, limit).await? } else { events }))
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
        self.ring().get_or_insert_with(|| Ring::begin(head.place()));
        // Somebody may have read the store before this; let them look again.
        self.tip.send_modify(|tip| tip.position = head.position.max(tip.position));
        Ok(())
    }

    /// How many subscriptions are open.
    pub(crate) fn subscribers(&self) -> usize {
        self.tip.receiver_count()
    }

    /// The newest position known here, and how many events the slowest subscriber is behind it.
    pub(crate) fn progress(&self) -> (u64, u64) {
        let tip = self.tip.borrow().position;
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let slowest =
            places.iter().filter_map(Weak::upgrade).map(|place| place.load(Ordering::Relaxed)).min();
        (tip, slowest.map_or(0, |place| tip.saturating_sub(place)))
    }

    /// Where a new subscriber tells how far it is.
    fn show(&self, position: u64) -> Arc<AtomicU64> {
        let place = Arc::new(AtomicU64::new(position));
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|place| place.strong_count() > 0);
        places.push(Arc::downgrade(&place));
        place
    }

    fn ring(&self) -> MutexGuard<'_, Option<Ring>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn after(&self, place: Place) -> Result<Found, Contradiction> {
        self.ring().as_ref().map_or(Ok(Found::Elsewhere), |ring| ring.after(place, self.batch_max))
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
    /// Behind the last event that was given.
    place: Place,
    /// Its position once more, for whoever asks the feed.
    shown: Arc<AtomicU64>,
    tip: watch::Receiver<Tip>,
    /// The log in which the place is; see [`Tip::log`].
    log: u64,
}

impl Subscription {
    /// Begins after the event `start`, or at the beginning of the log (core/SUB-2, SUB-3).
    pub(crate) async fn begin(
        feed: Arc<Feed>,
        caller: OrganizationId,
        start: Option<EventId>,
    ) -> Result<Self, Failure> {
        let log = feed.tip.borrow().log;
        let place = match start {
            None => Place::default(),
            Some(id) => {
                let _turn = feed.replays.take(&caller).await?;
                let found = feed.store.event_place(&feed.channel, id).await;
                let found = found.map_err(|error| Failure::of_storage(&error))?;
                found.ok_or_else(|| asset::Refusal::not_found(id))?
            }
        };
        let tip = feed.tip.subscribe();
        feed.bell.notify_one();
        let shown = feed.show(place.position);
        Ok(Self { feed, caller, place, shown, tip, log })
    }

    /// Waits for the next events: at least one, in order, without a gap. Nothing is lost if the future is dropped.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`] if storage cannot be read; subscribing again after the last event goes on. Also if
    /// the log is not the one any more that the last events were read from.
    pub async fn next(&mut self) -> Result<Vec<Arc<StoredEvent>>, Failure> {
        loop {
            if self.tip.borrow_and_update().log != self.log {
                return Err(Failure::Unavailable);
            }
            let events = match self.feed.after(self.place) {
                Ok(Found::Events(events)) => events,
                Ok(Found::Nothing) => Vec::new(),
                Ok(Found::Elsewhere) => self.stored().await?,
                Err(Contradiction) => return Err(self.lost()),
            };
            if let Some(last) = events.last() {
                self.place = last.place();
                self.shown.store(self.place.position, Ordering::Relaxed);
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
        let events = feed.stored(self.place, feed.batch_max).await;
        let events = events.map_err(|error| Failure::of_storage(&error))?.ok_or_else(|| self.lost())?;
        Ok(events.into_iter().map(Arc::new).collect())
    }

    /// The log has another event where this subscriber stands, or none. The feed may not know yet.
    fn lost(&self) -> Failure {
        self.feed.bell.notify_one();
        Failure::Unavailable
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use asset::key::Key;
    use asset::{Metadata, Timestamp};
    use bytes::Bytes;
    use persistence::event_log::Hash;
    use uuid::Uuid;

    use super::*;

    const TEN: EventLimit = EventLimit::events(10);

    fn event(position: u64, bytes: usize) -> StoredEvent {
        StoredEvent {
            position,
            id: EventId::from_uuid(Uuid::from_u128(position.into())),
            timestamp: Timestamp::MIN,
            asset_kind: 1,
            event_kind: 1,
            asset_key: String::new(),
            metadata: Metadata::default(),
            encoded: Bytes::from(vec![0; bytes]),
            hash: hash(position),
        }
    }

    /// In the log of these tests, a hash tells the position.
    fn hash(position: u64) -> Hash {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&position.to_be_bytes());
        hash
    }

    fn place(position: u64) -> Place {
        Place { position, hash: hash(position) }
    }

    /// Events of these positions, one byte each, and the place before them.
    fn events(positions: RangeInclusive<u64>) -> (Place, Vec<StoredEvent>) {
        (place(positions.start() - 1), positions.map(|position| event(position, 1)).collect())
    }

    fn ring(positions: RangeInclusive<u64>) -> Ring {
        let (before, events) = events(positions);
        let mut ring = Ring::begin(before);
        ring.join(before, events).unwrap();
        ring
    }

    fn positions(ring: &Ring) -> Vec<u64> {
        ring.events.iter().map(|event| event.position).collect()
    }

    #[test]
    fn what_is_kept_for_slow_subscribers_is_bounded_and_contiguous() {
        // core/SUB-13
        for (count, bytes_each, kept_max) in
            [(20_000, 1, RING_EVENTS_MAX), (40, 1 << 20, RING_BYTES_MAX >> 20), (3, 2 * RING_BYTES_MAX, 1)]
        {
            let mut ring = Ring::begin(Place::default());
            let events = (1..=count).map(|position| event(position, bytes_each));
            ring.join(Place::default(), events.collect()).unwrap();
            assert_eq!(ring.events.len(), kept_max);
            assert!(ring.bytes <= RING_BYTES_MAX || ring.events.len() == 1);
            assert!(
                matches!(ring.after(place(0), TEN), Ok(Found::Elsewhere)),
                "who is behind reads the store"
            );
            let oldest = ring.events[0].position;
            assert_eq!(positions(&ring), (oldest..=count).collect::<Vec<_>>());
            assert!(matches!(ring.after(place(oldest - 1), TEN), Ok(Found::Events(_))));
            assert!(matches!(ring.after(place(count), TEN), Ok(Found::Nothing)));
            assert!(
                matches!(ring.after(place(count + 1), TEN), Ok(Found::Elsewhere)),
                "the store may have lost it"
            );
        }
    }

    #[test]
    fn what_a_subscriber_is_given_at_once_is_bounded_and_never_nothing() {
        // core/SUB-13
        let mut ring = Ring::begin(Place::default());
        let events = [(1, 10), (2, 10), (3, 100), (4, 10)].map(|(position, bytes)| event(position, bytes));
        ring.join(Place::default(), events.into()).unwrap();
        for (after, bytes, given) in
            [(0, 30, vec![1, 2]), (0, 5, vec![1]), (2, 30, vec![3]), (3, 30, vec![4])]
        {
            let Ok(Found::Events(events)) = ring.after(place(after), EventLimit { events: 10, bytes }) else {
                panic!("{after}")
            };
            assert_eq!(events.iter().map(|event| event.position).collect::<Vec<_>>(), given);
        }
    }

    #[test]
    fn a_ring_takes_an_event_once_and_begins_anew_behind_a_gap() {
        // core/SUB-7
        let mut ring = ring(4..=5);
        for brought in [5..=5, 4..=5, 2..=4, 5..=6] {
            let (before, events) = events(brought);
            ring.join(before, events).unwrap();
        }
        assert_eq!((positions(&ring), ring.bytes), (vec![4, 5, 6], 3));
        let (before, events) = events(9..=9);
        ring.join(before, events).unwrap();
        assert_eq!((positions(&ring), ring.bytes), (vec![9], 1));
        assert!(
            matches!(ring.after(place(6), TEN), Ok(Found::Elsewhere)),
            "7 and 8 are to be read from the store"
        );
    }

    #[test]
    fn a_ring_holds_one_log_only() {
        // core/SUB-7
        let other = |position| Place { position, hash: [9; 32] };
        for position in 3..=6 {
            let mut ring = ring(4..=6);
            assert!(matches!(ring.after(other(position), TEN), Err(Contradiction)), "{position}");
            let next = StoredEvent { hash: [9; 32], ..event(position + 1, 1) };
            assert_eq!(ring.join(other(position), vec![next]), Err(Contradiction), "{position}");
        }
        let same_start = StoredEvent { hash: [9; 32], ..event(5, 1) };
        assert_eq!(ring(4..=6).join(place(4), vec![same_start]), Err(Contradiction));
        for unknown in [2, 7] {
            assert_eq!(ring(4..=6).knows(other(unknown)), Ok(None), "there is nothing to compare it with");
        }
    }
}
