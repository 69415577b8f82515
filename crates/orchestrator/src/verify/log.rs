//! The log of one channel: positions without a gap, the chain of hashes, and columns that say what the message says.
//!
//! It goes on after each fault as well as it can, so that one fault is told once. An event's place follows from what is stored of the one before, so
//! pieces of a log can be examined at once. Whether the tables agree is not its business. Start at [`Log::examine`].

use std::fmt;

use asset::ChannelName;
use asset::key::Key;
use persistence::audit::Portion;
use persistence::event_log::{Hash, chain};
use persistence::{Head, StoredEvent};
use prost::Message;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::Piece;
use super::assets::Telling;
use super::difference::Difference;

/// How far a log was read.
#[derive(Clone, Debug)]
pub(super) struct Log {
    channel: ChannelName,
    events: u64,
    position: u64,
    /// The hash of the event at the position; unknown if that event could not be read.
    hash: Option<Hash>,
}

impl Log {
    /// The beginning of the log of a channel.
    pub(super) fn new(channel: ChannelName) -> Self {
        let Head { position, hash, .. } = Head::default();
        Self { channel, events: 0, position, hash: Some(hash) }
    }

    /// How many events there were.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// Where a log begins, for whoever examines its first rows.
    pub(super) fn handed_over(self) -> oneshot::Receiver<Self> {
        let (next, start) = oneshot::channel();
        let _received = next.send(self);
        start
    }

    /// Goes on past rows.
    fn pass(&mut self, rows: &[persistence::Result<StoredEvent>]) {
        for row in rows {
            match row {
                Ok(event) => self.stand_at(event),
                Err(_) => self.skip(),
            }
        }
    }

    /// What rows tell of assets, with their positions. Waits until whoever has the rows before knows where these end, and lets whoever has
    /// those that come next know the same, before the work begins.
    ///
    /// # Errors
    /// The store does not answer.
    pub(super) fn examine(
        before: oneshot::Receiver<Self>,
        rows: Portion<StoredEvent>,
        next: oneshot::Sender<Self>,
    ) -> anyhow::Result<Piece<(u64, Telling)>> {
        let rows = rows.read();
        let mut log = before.blocking_recv()?;
        let mut end = log.clone();
        end.pass(&rows);
        let _received = next.send(end);
        Piece::of(rows, |event, differences| match event {
            Some(event) => {
                let message = log.append(&event, differences)?;
                Some((event.position, Telling::of(message, &event.encoded)?))
            }
            None => {
                log.skip();
                None
            }
        })
    }

    /// Goes on to the next event; its message, if that can be understood.
    fn append(&mut self, event: &StoredEvent, differences: &mut Vec<Difference>) -> Option<proto::Event> {
        let position = event.position;
        let mut before = self.hash;
        if position != self.position + 1 {
            differences.push(Difference::EventsMissing { first: self.position + 1, last: position - 1 });
            before = None;
        }
        if before.is_some_and(|before| chain(&before, position, &event.encoded) != event.hash) {
            differences.push(Difference::Chain { position });
        }
        self.stand_at(event);
        match proto::Event::decode(event.encoded.clone()) {
            Ok(message) => {
                let columns = self.differing_columns(event, &message);
                differences.extend(columns.map(|column| Difference::Column { position, column }));
                Some(message)
            }
            Err(_) => {
                differences.push(Difference::Message { position });
                None
            }
        }
    }

    fn stand_at(&mut self, event: &StoredEvent) {
        self.events += 1;
        (self.position, self.hash) = (event.position, Some(event.hash));
    }

    /// Goes on past an event that cannot be read.
    fn skip(&mut self) {
        self.events += 1;
        self.position += 1;
        self.hash = None;
    }

    /// Compares where the log ended with where the channel says it ends.
    pub(super) fn end(&self, head: Option<&Head>, differences: &mut Vec<Difference>) {
        match head {
            None => differences.push(Difference::HeadMissing),
            Some(head) if head.position > self.position => {
                differences.push(Difference::EventsMissing { first: self.position + 1, last: head.position });
            }
            Some(head)
                if head.position < self.position || self.hash.is_some_and(|hash| hash != head.hash) =>
            {
                differences.push(Difference::Head { says: head.position, ends: self.position });
            }
            Some(_) => {}
        }
    }

    /// The columns that say something else than the message.
    fn differing_columns(
        &self,
        event: &StoredEvent,
        message: &proto::Event,
    ) -> impl Iterator<Item = &'static str> + use<> {
        let StoredEvent { id, timestamp, asset_kind, event_kind, asset_key, metadata, .. } = event;
        let columns = [
            ("id", *id.uuid().hyphenated().encode_lower(&mut Uuid::encode_buffer()) == *message.id),
            ("channel", self.channel.as_str() == message.channel),
            ("timestamp", message.timestamp.map(|time| micros(&time)) == Some(timestamp.as_micros())),
            ("asset_kind", i32::from(*asset_kind) == message.asset_kind),
            ("event_kind", i32::from(*event_kind) == message.event_kind),
            ("asset_key", *asset_key == message.asset_key),
            ("metadata", *metadata == message.metadata),
        ];
        columns.into_iter().filter_map(|(column, same)| (!same).then_some(column))
    }
}

fn micros(time: &prost_types::Timestamp) -> i64 {
    time.seconds.saturating_mul(1_000_000).saturating_add(i64::from(time.nanos / 1_000))
}

impl fmt::Display for Log {
    /// The last hash stands for the whole log: whoever has noted it can tell later that nothing before it was changed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, position, hash, .. } = self;
        let hash = hash.map_or_else(|| "unknown".to_owned(), hex::encode);
        write!(f, "{events} events up to {position} with hash {hash}")
    }
}
