//! The write in progress: a transaction of the one connection that writes.

use asset::{ChannelName, Facts, Needs};
use async_trait::async_trait;
use persistence::{Error, Head, Result, StoredEvent, WriteSet};
use tokio::sync::OwnedMutexGuard;

use crate::connection::{Lease, Writer, off_thread};
use crate::{channel, facts, write};

/// See [`persistence::Batch`].
pub(crate) struct Batch {
    channel: ChannelName,
    head: Head,
    /// Gone once a step has failed to give it back.
    lease: Option<Lease>,
}

impl Batch {
    /// Begins a batch of this channel.
    pub(crate) async fn begin(writer: OwnedMutexGuard<Writer>, channel: ChannelName) -> Result<Self> {
        let begun = off_thread(move || {
            let lease = Lease::begin(writer)?;
            let head = channel::head(lease.connection(), &channel)?;
            Ok::<_, crate::error::Error>(Self { channel, head, lease: Some(lease) })
        });
        Ok(begun.await??)
    }

    fn take_lease(&mut self) -> Result<Lease> {
        self.lease.take().ok_or_else(|| Error::Failed("an earlier step of the batch did not end".to_owned()))
    }
}

#[async_trait]
impl persistence::Batch for Batch {
    fn head(&self) -> &Head {
        &self.head
    }

    async fn load(&mut self, needs: &Needs, facts: &mut Facts) -> Result<()> {
        let lease = self.take_lease()?;
        let (channel, needs, mut loaded) = (self.channel.clone(), needs.clone(), std::mem::take(facts));
        let (lease, loaded, outcome) = off_thread(move || {
            let outcome = facts::load(lease.connection(), &channel, &needs, &mut loaded);
            (lease, loaded, outcome)
        })
        .await?;
        self.lease = Some(lease);
        *facts = loaded;
        Ok(outcome?)
    }

    async fn apply(
        mut self: Box<Self>,
        writes: WriteSet,
        events: Vec<StoredEvent>,
        head: Head,
    ) -> Result<()> {
        let lease = self.take_lease()?;
        let channel = self.channel.clone();
        let applied = off_thread(move || {
            write::write(lease.connection(), &channel, &writes, &events, &head)?;
            lease.commit()
        });
        Ok(applied.await??)
    }
}
