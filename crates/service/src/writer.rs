//! The writer: one per channel and process, which decides everything that is waiting as one batch.
//!
//! The five steps of a batch: lock the channel, load the facts that its calls need, decide each call in turn, apply all changes with their
//! events, answer. Calls are decided one after the other on facts that include the earlier ones, so outcomes are serializable by
//! construction; a batch costs one commit however many calls are in it. What was loaded and written is remembered: it stays true while the
//! channel's log ends where this writer left it, and a batch that needs nothing else goes to the store in one step. Start at `Writer::run`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use asset::key::Key;
use asset::{
    AssetKind, Change, ChannelName, Event, EventId, EventKind, Facts, Metadata, Needs, Refusal, Timestamp,
};
use persistence::event_log::Envelope;
use persistence::{Batch, Error, Head, Hint, Place, Store, StoredEvent, WriteSet};
use tokio::task::JoinHandle;
use tracing::{Instrument, Span};
use uuid::Uuid;

use crate::SPANS;
use crate::failure::Failure;
use crate::feed::Feed;
use crate::observer::ServedBatch;
use crate::options::Options;
use crate::queue::{QueueEntrance, QueueExit, queue};
use crate::waiting::Waiting;

type Call = Box<dyn Waiting>;

/// Stages in which facts are loaded at most. Commands need four; more means that rows refer to rows that are not there.
const STAGES_MAX: usize = 16;

/// What the calls of a batch came to.
#[derive(Default)]
struct Decided {
    /// How many were decided, from the first one on.
    calls: usize,
    changes: Vec<Change>,
    /// Where the log ended.
    before: Place,
    events: Vec<StoredEvent>,
}

/// The channel's state as far as it is known: these facts hold as long as the log ends here. That a key is free is not among them, for other
/// channels take keys without moving this one's log.
struct Known {
    facts: Facts,
    head: Head,
}

/// The writer of one channel.
pub(crate) struct Writer {
    channel: ChannelName,
    store: Arc<dyn Store>,
    feed: Arc<Feed>,
    options: Options,
    /// After a batch that ended well.
    known: Option<Known>,
    /// Whether the last batch found the log where the one before had left it. Where other processes write too, what is known is of no use.
    is_alone: bool,
}

impl Writer {
    /// Starts a writer; it ends when the queue's entrance is dropped.
    pub(crate) fn start(
        channel: ChannelName,
        store: Arc<dyn Store>,
        feed: Arc<Feed>,
        options: Options,
    ) -> (QueueEntrance<Call>, JoinHandle<()>) {
        let (entrance, exit) = queue(&options);
        let writer = Self { channel, store, feed, options, known: None, is_alone: false };
        (entrance, tokio::spawn(writer.run(exit)))
    }

    async fn run(mut self, queue: QueueExit<Call>) {
        while let Some(calls) = queue.take().await {
            self.serve(calls).await;
        }
    }

    /// Carries out waiting calls, in batches, and answers them.
    async fn serve(&mut self, mut calls: Vec<Call>) {
        while !calls.is_empty() {
            let began = Instant::now();
            let span = batch_span(&mut calls);
            match self.attempt_within_budget(&mut calls).instrument(span).await {
                Ok(decided) => {
                    self.report(began, &mut calls[..decided.calls], &decided.changes);
                    self.publish(decided.before, decided.events);
                    calls.drain(..decided.calls).for_each(Waiting::answer);
                }
                Err(Error::Conflict(_) | Error::Failed(_)) if calls.len() > 1 => {
                    // One by one, so that a call with rows in its way cannot fail its neighbours.
                    for call in std::mem::take(&mut calls) {
                        Box::pin(self.serve(vec![call])).await;
                    }
                }
                Err(error) => {
                    let failure = Failure::of_storage(&error);
                    calls.drain(..).for_each(|call| call.fail(failure.clone()));
                }
            }
        }
    }

    fn report(&self, began: Instant, calls: &mut [Call], changes: &[Change]) {
        let waits = calls.iter_mut().map(|call| began.saturating_duration_since(call.arrival().since));
        let waits: Vec<_> = waits.collect();
        let batch = ServedBatch { waits: &waits, changes, duration: began.elapsed() };
        self.options.observer.batch_served(&self.channel, &batch);
    }

    fn publish(&self, before: Place, events: Vec<StoredEvent>) {
        if let Some(last) = events.last() {
            self.store.announce(Hint { channel: self.channel.clone(), position: last.position });
        }
        self.feed.publish(before, events);
    }

    /// Tries a batch until it succeeds, the trouble will not pass, or the budget is used up (core/TX-4, TX-5).
    async fn attempt_within_budget(&mut self, calls: &mut Vec<Call>) -> Result<Decided, Error> {
        let began = Instant::now();
        let mut pause = Duration::from_millis(2);
        let mut uncertain = Decided::default();
        let mut attempts = 0;
        loop {
            if uncertain.calls == 0 {
                calls.retain(|call| !call.is_abandoned());
            }
            let error = match self.attempt(calls, &mut uncertain).await {
                Ok(decided) => return Ok(decided),
                Err(error) => error,
            };
            attempts += 1;
            // A row that appeared since the facts were loaded is there when they are loaded anew, so a lone call gets its second chance always.
            let reload = matches!(error, Error::Conflict(_)) && calls.len() == 1;
            let passing = matches!(error, Error::Unavailable(_) | Error::OutcomeUnknown(_));
            let in_budget =
                began.elapsed() <= self.options.retry_budget && !self.options.retry_budget.is_zero();
            if !(reload && (attempts == 1 || in_budget) || passing && in_budget) {
                // What may have happened must not be done again, neither together nor one by one.
                return Err(if uncertain.calls > 0 {
                    Error::OutcomeUnknown(error.to_string())
                } else {
                    error
                });
            }
            tracing::debug!(%error, attempts, channel = %self.channel, "a batch is tried again");
            self.options.observer.batch_retried(&self.channel, &error);
            tokio::time::sleep(jitter(pause)).await;
            pause = (pause * 2).min(Duration::from_millis(250));
        }
    }

    /// One attempt (core/TX-7). `uncertain` is what an attempt decided whose commit was not confirmed: under the channel's lock it can be
    /// told whether it is there. Whatever fails, nothing is known any more.
    async fn attempt(&mut self, calls: &mut [Call], uncertain: &mut Decided) -> Result<Decided, Error> {
        let known = self.known.take();
        let attempted = match known {
            Some(known) if self.is_enough(&known, calls, uncertain) => {
                match self.attempt_on(known, calls, uncertain).await {
                    Err(Error::Moved(_)) => {
                        self.is_alone = false;
                        self.attempt_under_lock(None, calls, uncertain).await
                    }
                    attempted => attempted,
                }
            }
            known => self.attempt_under_lock(known, calls, uncertain).await,
        };
        let (decided, known) = attempted?;
        self.known = known.filter(|known| self.may_keep(&known.facts));
        Ok(decided)
    }

    /// Whether the facts are few enough, and small enough, to be remembered.
    fn may_keep(&self, facts: &Facts) -> bool {
        let Options { facts_kept_max, facts_bytes_kept_max, .. } = self.options;
        facts.len() <= facts_kept_max && facts.bytes() <= facts_bytes_kept_max
    }

    /// Whether the calls can be decided without asking the store.
    fn is_enough(&self, known: &Known, calls: &mut [Call], uncertain: &Decided) -> bool {
        self.is_alone && uncertain.calls == 0 && missing(calls, &known.facts).is_empty()
    }

    /// Decides on what is known, and lets the store see to it that the log has not moved meanwhile.
    async fn attempt_on(
        &self,
        mut known: Known,
        calls: &mut [Call],
        uncertain: &mut Decided,
    ) -> Result<(Decided, Option<Known>), Error> {
        let expected = known.head.clone();
        let decided = self.decide(calls, &mut known);
        if decided.changes.is_empty() {
            // A refusal must not rest on what is no longer so either.
            let head = self.store.head(&self.channel).await?;
            return if head == expected { Ok((decided, Some(known))) } else { Err(moved(&head)) };
        }
        let writes = WriteSet::of(&decided.changes);
        let (events, head) = (decided.events.clone(), known.head.clone());
        let applied = self.store.apply_at(&self.channel, &expected, writes, events, head).await;
        remember_uncertain(applied, decided, uncertain).map(|decided| (decided, Some(known)))
    }

    /// Locks the channel first, and loads what is missing.
    async fn attempt_under_lock(
        &mut self,
        known: Option<Known>,
        calls: &mut [Call],
        uncertain: &mut Decided,
    ) -> Result<(Decided, Option<Known>), Error> {
        let expected = known.as_ref().map(|known| known.head.clone());
        let kept = known.filter(|_| self.is_alone).map(|known| known.facts);
        let is_kept = kept.is_some();
        let mut facts = kept.unwrap_or_default();
        let mut loaded = missing(calls, &facts);
        let mut batch = self.store.begin(&self.channel, &loaded, &mut facts).await?;
        if let Some(event) = uncertain.events.first() {
            if self.store.event_place(&self.channel, event.id).await?.is_some() {
                return Ok((std::mem::take(uncertain), None));
            }
            *uncertain = Decided::default();
        }
        self.is_alone = expected.as_ref() == Some(batch.head());
        if is_kept && !self.is_alone {
            facts = Facts::default();
        }
        loaded.extend(self.load(batch.as_mut(), calls, &mut facts).await?);
        let mut known = Known { facts, head: batch.head().clone() };
        let decided = self.decide(calls, &mut known);
        known.facts.forget_absent(&loaded);
        if decided.changes.is_empty() {
            return Ok((decided, Some(known)));
        }
        let writes = WriteSet::of(&decided.changes);
        let applied = batch.apply(writes, decided.events.clone(), known.head.clone()).await;
        remember_uncertain(applied, decided, uncertain).map(|decided| (decided, Some(known)))
    }

    /// Loads the facts of all calls together, in stages, until nothing is missing. Returns what had to be loaded.
    async fn load(
        &self,
        batch: &mut dyn Batch,
        calls: &mut [Call],
        facts: &mut Facts,
    ) -> Result<Needs, Error> {
        let mut loaded = Needs::default();
        for _ in 0..STAGES_MAX {
            let needs = missing(calls, facts);
            if needs.is_empty() {
                return Ok(loaded);
            }
            batch.load(&needs, facts).await?;
            loaded.extend(needs);
        }
        Err(Error::Corrupt(format!(
            "facts of channel {} are missing, however often they are loaded",
            self.channel
        )))
    }

    /// Decides each call in turn, on facts that include the accepted ones before it. Stops before a call for which these have made more facts
    /// necessary: it belongs to the next batch. The first call never does.
    fn decide(&self, calls: &mut [Call], known: &mut Known) -> Decided {
        let Known { facts, head } = known;
        let mut decided = Decided { before: head.place(), ..Decided::default() };
        for call in calls {
            // Its caller may have left while the lock was another's (core/TX-10).
            if call.is_abandoned() {
                decided.calls += 1;
                continue;
            }
            if !decided.changes.is_empty() && !missing(std::slice::from_mut(call), facts).is_empty() {
                break;
            }
            let now = (self.options.clock)().max(head.time.next());
            let changes = call.decide(now, facts);
            decided.calls += 1;
            let events: Vec<_> = changes.iter().filter_map(|change| self.event(change, now)).collect();
            if events.iter().any(|event| self.is_too_large(event)) {
                call.refuse(Refusal::invalid("the asset is too large to tell others of it"));
                continue;
            }
            if !changes.is_empty() {
                head.time = now;
            }
            changes.iter().for_each(|change| facts.apply(change));
            decided.events.extend(events.into_iter().map(|event| head.append(event)));
            decided.changes.extend(changes);
        }
        decided
    }

    /// Whether an event tells of something that is new or has grown, and would be too much for those who are told. What exists goes on whatever its size.
    fn is_too_large(&self, event: &Envelope) -> bool {
        let grows = event.event_kind == EventKind::Created || event.asset_kind == AssetKind::DataSample;
        grows && event.encoded.len() > self.options.event_bytes_max
    }

    /// The event of a change, which has no place in the log yet.
    fn event(&self, change: &Change, now: Timestamp) -> Option<Envelope> {
        let announcement = change.announcement()?;
        let event = Event {
            id: EventId::from_uuid(Uuid::new_v4()), // core/EVT-2
            channel: self.channel.clone(),
            timestamp: now,
            event_kind: announcement.event_kind,
            asset: announcement.asset,
            metadata: announcement
                .reason
                .map(|reason| ("reason".to_owned(), reason))
                .into_iter()
                .collect::<Metadata>(),
        };
        Some(Envelope {
            id: event.id,
            timestamp: event.timestamp,
            asset_kind: event.asset.kind(),
            event_kind: event.event_kind,
            asset_key: event.asset.key(),
            encoded: (self.options.encode_event)(&event),
            metadata: event.metadata,
        })
    }
}

/// A batch in the trace: a part of its first call, linked to the others. No call waits any more.
fn batch_span(calls: &mut [Call]) -> Span {
    calls.iter_mut().for_each(|call| call.arrival().end_waiting());
    let count = calls.len();
    let mut writes = calls.iter_mut().map(|call| &call.arrival().write);
    let Some(first) = writes.next() else { return Span::none() };
    let batch = tracing::info_span!(target: SPANS, parent: first, "batch", calls = count);
    for write in writes {
        batch.follows_from(write);
    }
    batch
}

/// What the calls need that the facts do not hold.
fn missing(calls: &mut [Call], facts: &Facts) -> Needs {
    let mut needs = Needs::default();
    calls.iter_mut().for_each(|call| call.needs(facts, &mut needs));
    needs.retain_missing(facts);
    needs
}

/// What was decided, unless it was not applied; kept aside if that is not certain.
fn remember_uncertain(
    applied: Result<(), Error>,
    decided: Decided,
    uncertain: &mut Decided,
) -> Result<Decided, Error> {
    match applied {
        Ok(()) => Ok(decided),
        Err(error) => {
            if matches!(error, Error::OutcomeUnknown(_)) {
                *uncertain = decided;
            }
            Err(error)
        }
    }
}

fn moved(head: &Head) -> Error {
    Error::Moved(format!("it ends at position {}", head.position))
}

/// Something between nothing and twice the pause, so that replicas do not meet again at once.
fn jitter(pause: Duration) -> Duration {
    let share = f64::from(Uuid::new_v4().as_bytes()[0]) / 128.0;
    pause.mul_f64(share)
}
