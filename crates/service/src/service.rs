//! The service: the one door to everything below the transport.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use asset::{ChannelName, Command, EventId, Inquiry, OrganizationId};
use persistence::{Hint, PoolState, Store};
use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinHandle;

use crate::failure::Failure;
use crate::feed::{Feed, Subscription};
use crate::observer::ChannelState;
use crate::options::Options;
use crate::queue::QueueEntrance;
use crate::reader::{Asking, Reader, WaitingInquiry};
use crate::turns::{Turn, Turns};
use crate::waiting::{Arrival, Waiting, WaitingCall, Weight};
use crate::writer::Writer;

/// What runs for a channel that has been used: its writer, its readers and its feed.
struct Channel {
    calls: QueueEntrance<Box<dyn Waiting>>,
    writer: JoinHandle<()>,
    questions: QueueEntrance<Box<dyn Asking>>,
    readers: Vec<JoinHandle<()>>,
    feed: Arc<Feed>,
}

impl Channel {
    fn state(&self, name: &ChannelName) -> ChannelState {
        let (position, lag_events) = self.feed.progress();
        ChannelState {
            channel: name.clone(),
            waiting_calls: self.calls.len(),
            subscribers: self.feed.subscribers(),
            position,
            lag_events,
        }
    }
}

struct Inner {
    store: Arc<dyn Store>,
    options: Options,
    channels: Mutex<HashMap<ChannelName, Arc<Channel>>>,
    /// See [`Feed`]; for all channels together.
    replays: Arc<Turns>,
    /// The turns in which lists are read and made into answers; for all channels together.
    lists: Arc<Turns>,
}

/// Subscribers that read the store at the same time, and lists: together fewer than any store has readers, so that inquiries find one.
const REPLAYS_AT_ONCE: usize = 3;
const LISTS_AT_ONCE: usize = 4;

/// Carries out calls. Cheap to clone; everything it runs ends with the last clone.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

impl Service {
    /// A service on this store. Must be called within a tokio runtime.
    pub fn new(store: Arc<dyn Store>, options: Options) -> Self {
        let hints = store.hints();
        let replays = Turns::new(REPLAYS_AT_ONCE);
        let lists = Turns::new(LISTS_AT_ONCE);
        let inner = Arc::new(Inner { store, options, channels: Mutex::default(), replays, lists });
        tokio::spawn(pass_hints(Arc::downgrade(&inner), hints));
        Self(inner)
    }

    /// Carries out a command: it is decided with whatever else is waiting in its channel, and answered once it is durable (core/TX-1).
    ///
    /// Dropping the future before the decision withdraws the call (core/TX-10).
    ///
    /// # Errors
    /// The command's refusal; [`Failure::Unavailable`] if the queue is full or storage is away for longer than the retry budget.
    pub async fn execute<C: Command>(
        &self,
        channel: &ChannelName,
        caller: &OrganizationId,
        command: C,
    ) -> Result<C::Answer, Failure> {
        self.execute_large(channel, caller, command, Weight::SMALL).await
    }

    /// Like [`Service::execute`], for a command that may be large: its weight decides with how many others it waits and shares a batch.
    ///
    /// # Errors
    /// As [`Service::execute`].
    pub async fn execute_large<C: Command>(
        &self,
        channel: &ChannelName,
        caller: &OrganizationId,
        command: C,
        weight: Weight,
    ) -> Result<C::Answer, Failure> {
        let (reply, answer) = oneshot::channel();
        let (asking, arrival) = (caller.clone(), Arrival::now());
        let call = WaitingCall { command, caller: asking, weight, arrival, outcome: None, reply };
        let queued = self.channel(channel).calls.put(caller, Box::new(call));
        queued.inspect_err(|_full| self.0.options.observer.call_turned_away(channel))?;
        answer.await.map_err(|_writer_ended| Failure::Internal)?
    }

    /// Answers an inquiry from one snapshot (core/TX-8), which it shares with whatever else is waiting in its channel.
    ///
    /// # Errors
    /// The inquiry's refusal; [`Failure::Unavailable`] if the queue is full or storage is away.
    pub async fn inquire<I: Inquiry>(
        &self,
        channel: &ChannelName,
        caller: &OrganizationId,
        inquiry: I,
    ) -> Result<I::Answer, Failure> {
        let (reply, answer) = oneshot::channel();
        let queued = self.channel(channel).questions.put(caller, Box::new(WaitingInquiry { inquiry, reply }));
        queued.inspect_err(|_full| self.0.options.observer.call_turned_away(channel))?;
        answer.await.map_err(|_reader_ended| Failure::Internal)?
    }

    /// Subscribes to the events of a channel after `start`, or from the first one on.
    ///
    /// # Errors
    /// OE0002 for an event that the channel does not have (core/SUB-4); [`Failure::Unavailable`] if storage is away.
    pub async fn subscribe(
        &self,
        channel: &ChannelName,
        caller: &OrganizationId,
        start: Option<EventId>,
    ) -> Result<Subscription, Failure> {
        Subscription::begin(Arc::clone(&self.channel(channel).feed), caller.clone(), start).await
    }

    /// Waits until the writers and readers have ended and let go of the store. For after the last call: whoever calls later starts them again.
    pub async fn stop(self) {
        let channels = std::mem::take(&mut *self.0.channels.lock().unwrap_or_else(PoisonError::into_inner));
        for channel in channels.into_values() {
            // A channel that somebody still uses ends with its last user.
            if let Ok(Channel { calls, writer, questions, readers, .. }) = Arc::try_unwrap(channel) {
                drop((calls, questions));
                for running in readers.into_iter().chain([writer]) {
                    let _broke_down_before = running.await;
                }
            }
        }
    }

    /// The channels that have been used since the start, as they are now.
    pub fn channels(&self) -> Vec<ChannelState> {
        let channels = self.0.channels.lock().unwrap_or_else(PoisonError::into_inner);
        channels.iter().map(|(name, channel)| channel.state(name)).collect()
    }

    /// Whether storage has the schema that this program works on.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] or [`Failure::Internal`] if storage does not answer.
    pub async fn schema_is_current(&self) -> Result<bool, Failure> {
        self.store().schema_is_current().await.map_err(|error| Failure::of_storage(&error))
    }

    /// How the connections to storage are used, if there are any.
    pub fn pools(&self) -> Vec<PoolState> {
        self.store().pools()
    }

    /// The caller's turn to read a list: a caller that asks for many long ones waits for itself only.
    ///
    /// # Errors
    /// As [`Turns::take`].
    pub(crate) async fn list_turn(&self, caller: &OrganizationId) -> Result<Turn, Failure> {
        self.0.lists.take(caller).await
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.0.store.as_ref()
    }

    /// What runs for the channel, started at first use.
    fn channel(&self, name: &ChannelName) -> Arc<Channel> {
        let inner = &self.0;
        let mut channels = inner.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = channels.entry(name.clone()).or_insert_with(|| {
            let (store, options) = (&inner.store, &inner.options);
            let feed = Feed::start(name.clone(), Arc::clone(store), options, Arc::clone(&inner.replays));
            let (calls, writer) =
                Writer::start(name.clone(), Arc::clone(store), Arc::clone(&feed), options.clone());
            let (questions, readers) = Reader::start(name, store, options);
            Arc::new(Channel { calls, writer, questions, readers, feed })
        });
        Arc::clone(channel)
    }
}

/// Passes the hints of other processes on to the feeds.
async fn pass_hints(service: std::sync::Weak<Inner>, mut hints: broadcast::Receiver<Hint>) {
    loop {
        let hint = match hints.recv().await {
            Ok(hint) => hint,
            Err(broadcast::error::RecvError::Lagged(_)) => continue, // feeds poll, too
            Err(broadcast::error::RecvError::Closed) => return,
        };
        let Some(service) = service.upgrade() else { return };
        let channels = service.channels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channels.get(&hint.channel) {
            channel.feed.hint(hint.position);
        }
    }
}
