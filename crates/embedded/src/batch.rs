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
    /// Begins a batch of this channel, and loads what is needed.
    pub(crate) async fn begin(
        writer: OwnedMutexGuard<Writer>,
        channel: ChannelName,
        needs: &Needs,
        facts: &mut Facts,
    ) -> Result<Self> {
        let (needs, mut loaded) = (needs.clone(), std::mem::take(facts));
        let begun = off_thread(move || {
            let lease = Lease::begin(writer)?;
            let head = channel::head(lease.connection(), &channel)?;
            facts::load(lease.connection(), &channel, &needs, &mut loaded)?;
            Ok::<_, crate::error::Error>((Self { channel, head, lease: Some(lease) }, loaded))
        });
        let (batch, loaded) = begun.await??;
        *facts = loaded;
        Ok(batch)
    }

    fn take_lease(&mut self) -> Result<Lease> {
        self.lease.take().ok_or_else(|| Error::Failed("an earlier step of the batch did not end".to_owned()))
    }
}

/// A whole batch in one step, written only if the channel's log ends where it is expected to.
pub(crate) async fn apply_at(
    writer: OwnedMutexGuard<Writer>,
    channel: ChannelName,
    expected: Head,
    writes: WriteSet,
    events: Vec<StoredEvent>,
    head: Head,
) -> Result<()> {
    let applied = off_thread(move || {
        let lease = Lease::begin(writer)?;
        let found = channel::head(lease.connection(), &channel)?;
        if found != expected {
            return Ok(Err(Error::Moved(format!("it ends at position {}", found.position))));
        }
        write::write(lease.connection(), &channel, &writes, &events, &head)?;
        lease.commit()?;
        Ok::<_, crate::error::Error>(Ok(()))
    });
    applied.await??
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
