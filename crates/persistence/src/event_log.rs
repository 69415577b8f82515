//! The event log: one per channel, append-only, without gaps, each event chained to the one before.
//!
//! Owns positions and hashes. An event's bytes are the encoded message that goes on the wire; nobody here looks into them.

use asset::{AssetKind, EventId, EventKind, Metadata, Timestamp};
use bytes::Bytes;
use sha2::{Digest, Sha256};

/// SHA-256 of an event and everything before it.
pub type Hash = [u8; 32];

/// A place in a log: behind an event, or at the beginning. Two logs that have the same place are the same up to there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The position of the event; 0 at the beginning.
    pub position: u64,
    /// The hash of the event; zeros at the beginning.
    pub hash: Hash,
}

/// Where a channel's log ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The position of the last event; 0 if there is none.
    pub position: u64,
    /// The hash of the last event; zeros if there is none.
    pub hash: Hash,
    /// The time of the last call that changed something. Each such call carries a later one than those before it, so a head tells the state of
    /// its channel from every other.
    pub time: Timestamp,
}

impl Default for Head {
    /// An empty log.
    fn default() -> Self {
        Self { position: 0, hash: [0; 32], time: crate::DAWN }
    }
}

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Counts the events of the channel, from 1 on.
    pub position: u64,
    /// Unique across channels.
    pub id: EventId,
    /// When it happened.
    pub timestamp: Timestamp,
    /// What kind of asset it is about; a number of the wire.
    pub asset_kind: i16,
    /// What happened to it; a number of the wire.
    pub event_kind: i16,
    /// The text by which events of the asset are found.
    pub asset_key: String,
    /// Why it happened.
    pub metadata: Metadata,
    /// The encoded message, as it goes on the wire.
    pub encoded: Bytes,
    /// SHA-256 of the hash before, the position (8 bytes, big endian) and the encoded message.
    pub hash: Hash,
}

/// What the log keeps of an event beside its bytes, before it has a place.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// See [`StoredEvent::id`].
    pub id: EventId,
    /// See [`StoredEvent::timestamp`].
    pub timestamp: Timestamp,
    /// See [`StoredEvent::asset_kind`].
    pub asset_kind: AssetKind,
    /// See [`StoredEvent::event_kind`].
    pub event_kind: EventKind,
    /// See [`StoredEvent::asset_key`].
    pub asset_key: String,
    /// See [`StoredEvent::metadata`].
    pub metadata: Metadata,
    /// See [`StoredEvent::encoded`].
    pub encoded: Bytes,
}

impl StoredEvent {
    /// The place behind it.
    pub fn place(&self) -> Place {
        Place { position: self.position, hash: self.hash }
    }
}

impl Head {
    /// Where the log ends.
    pub fn place(&self) -> Place {
        Place { position: self.position, hash: self.hash }
    }

    /// Gives an event the next place, and moves on to it.
    pub fn append(&mut self, envelope: Envelope) -> StoredEvent {
        self.position += 1;
        self.hash = chain(&self.hash, self.position, &envelope.encoded);
        self.time = self.time.max(envelope.timestamp);
        StoredEvent {
            position: self.position,
            id: envelope.id,
            timestamp: envelope.timestamp,
            asset_kind: envelope.asset_kind.number(),
            event_kind: envelope.event_kind.number(),
            asset_key: envelope.asset_key,
            metadata: envelope.metadata,
            encoded: envelope.encoded,
            hash: self.hash,
        }
    }
}

/// The hash of an event after the hash before it.
pub fn chain(before: &Hash, position: u64, encoded: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(before);
    hasher.update(position.to_be_bytes());
    hasher.update(encoded);
    hasher.finalize().into()
}
