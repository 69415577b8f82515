//! Audits: everything that a store keeps, as it stood at one moment, for whoever checks it.
//!
//! Unlike [`Store`](crate::Store), which answers what calls ask, an audit walks through whole tables and hides no row: one that this program
//! did not write comes as [`Error::Corrupt`](crate::Error::Corrupt), and the walk goes on after it. It never writes and waits for no lock.

use asset::{AssetKind, ChannelName, EventAsset};
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::{Head, Result, StoredEvent};

/// Rows in portions, one after the other; only a few of them are in memory.
pub type Rows<'a, T> = BoxStream<'a, Portion<T>>;

/// Rows that came together, as they came: they are understood when they are read, on whichever thread that happens.
pub struct Portion<T>(Box<dyn FnOnce() -> Vec<Result<T>> + Send>);

impl<T> Portion<T> {
    /// What this will understand.
    pub fn new(read: impl FnOnce() -> Vec<Result<T>> + Send + 'static) -> Self {
        Self(Box::new(read))
    }

    /// The rows, in their order.
    pub fn read(self) -> Vec<Result<T>> {
        (self.0)()
    }
}

/// The first of the rows, if there are any.
///
/// # Errors
/// It cannot be read.
pub async fn first<T>(mut rows: Rows<'_, T>) -> Result<Option<T>> {
    while let Some(portion) = rows.next().await {
        if let Some(row) = portion.read().into_iter().next() {
            return row.map(Some);
        }
    }
    Ok(None)
}

/// A store at one moment, however long it is looked at and whatever others write meanwhile.
#[async_trait]
pub trait Audit: Send {
    /// All channels that have an end of a log, or events, each once and by name.
    async fn channels(&mut self) -> Result<Vec<ChannelName>>;

    /// Where the channel's log ends according to the store; `None` if nothing says so.
    async fn head(&mut self, channel: &ChannelName) -> Result<Option<Head>>;

    /// Up to which position the events of a channel were adopted from a predecessor that kept no complete log: what they tell of an asset
    /// may lack fields, or changes that no event told. 0 if there are none.
    async fn adopted(&mut self, _channel: &ChannelName) -> Result<u64> {
        Ok(0)
    }

    /// At most `limit` events of a channel above a position, by position.
    async fn events(
        &mut self,
        channel: &ChannelName,
        after: u64,
        limit: usize,
    ) -> Result<Rows<'_, StoredEvent>>;

    /// The assets of one kind of a channel, in no order.
    async fn assets(&mut self, channel: &ChannelName, kind: AssetKind) -> Result<Rows<'_, EventAsset>>;
}
