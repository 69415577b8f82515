//! Hints: telling the other processes that a channel has new events, and hearing it from them.
//!
//! A NOTIFY inside a writing transaction would make all commits of the database wait for each other, so hints
//! are sent afterwards, together, on a connection of their own. They may get lost, and nobody relies on them.
//! Start at [`Hints`].

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use asset::ChannelName;
use futures::future::try_join;
use persistence::Hint;
use tokio::sync::{Notify, broadcast};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_postgres::{AsyncMessage, Error};

use crate::pool::Connector;

/// Listens on the database channel on which processes tell each other.
const LISTEN: &str = "LISTEN orchestrator_events";

/// Tells all of them at once.
const NOTIFY: &str = "SELECT pg_notify('orchestrator_events', hint) FROM unnest($1::text[]) AS hint";

/// Nothing is lost with a hint that a crash of the database undoes.
const SENDER_SETTINGS: &str = "SET synchronous_commit = off";

/// A channel is announced at most once in this time, however many batches it has.
const PAUSE: Duration = Duration::from_millis(2);

/// How long to wait before connecting again: doubled each time.
const RETRY_WAIT_MIN: Duration = Duration::from_millis(100);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(5);

/// How many hints a receiver may be behind before it misses the oldest.
const HINTS_BEHIND_MAX: usize = 1024;

/// Both directions; they end with this value.
pub(crate) struct Hints {
    outgoing: Arc<Outgoing>,
    incoming: broadcast::Sender<Hint>,
    _tasks: JoinSet<()>,
}

/// What is to be sent: of each channel only the newest position.
#[derive(Default)]
struct Outgoing {
    positions: Mutex<HashMap<ChannelName, u64>>,
    arrived: Notify,
}

impl Hints {
    /// Begins to listen. The connection for sending is made for the first hint.
    pub(crate) fn new(connector: &Connector) -> Self {
        let outgoing = Arc::new(Outgoing::default());
        let (incoming, _) = broadcast::channel(HINTS_BEHIND_MAX);
        let mut tasks = JoinSet::new();
        tasks.spawn(keep_sending(connector.clone(), Arc::clone(&outgoing)));
        tasks.spawn(keep_listening(connector.clone(), incoming.clone()));
        Self { outgoing, incoming, _tasks: tasks }
    }

    /// Has a hint sent, sooner or later.
    pub(crate) fn announce(&self, hint: Hint) {
        self.outgoing.put(hint);
    }

    /// The hints that arrive from now on, our own included.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Hint> {
        self.incoming.subscribe()
    }
}

impl Outgoing {
    fn put(&self, hint: Hint) {
        let mut positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        let position = positions.entry(hint.channel).or_default();
        *position = hint.position.max(*position);
        self.arrived.notify_one();
    }

    fn take(&self) -> Vec<String> {
        let mut positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        positions.drain().map(|(channel, position)| write(&Hint { channel, position })).collect()
    }
}

async fn keep_sending(connector: Connector, outgoing: Arc<Outgoing>) {
    let mut wait = RETRY_WAIT_MIN;
    loop {
        outgoing.arrived.notified().await;
        let Err(error) = send(&connector, &outgoing, &mut wait).await;
        tracing::warn!(%error, "cannot tell other processes about new events");
        pause(&mut wait).await;
        outgoing.arrived.notify_one();
    }
}

async fn send(connector: &Connector, outgoing: &Outgoing, wait: &mut Duration) -> Result<Infallible, Error> {
    let client = connector.client().await?;
    client.batch_execute(SENDER_SETTINGS).await?;
    let notify = client.prepare(NOTIFY).await?;
    *wait = RETRY_WAIT_MIN;
    loop {
        client.execute(&notify, &[&outgoing.take()]).await?;
        sleep(PAUSE).await;
        outgoing.arrived.notified().await;
    }
}

async fn keep_listening(connector: Connector, incoming: broadcast::Sender<Hint>) {
    let mut wait = RETRY_WAIT_MIN;
    loop {
        match listen(&connector, &incoming, &mut wait).await {
            Ok(()) => tracing::debug!("the connection that listens was closed"),
            Err(error) => tracing::warn!(%error, "cannot hear of new events from other processes"),
        }
        pause(&mut wait).await;
    }
}

/// Hands on what arrives until the connection ends.
async fn listen(
    connector: &Connector,
    incoming: &broadcast::Sender<Hint>,
    wait: &mut Duration,
) -> Result<(), Error> {
    let (client, mut connection) = connector.connect().await?;
    let begin = async {
        client.batch_execute(LISTEN).await?;
        *wait = RETRY_WAIT_MIN;
        Ok(())
    };
    let receive = async {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(notification) = message?
                && let Some(hint) = read(notification.payload())
            {
                // That nobody listens in this process is fine.
                let _ = incoming.send(hint);
            }
        }
        Ok(())
    };
    try_join(begin, receive).await.map(drop)
}

async fn pause(wait: &mut Duration) {
    sleep(*wait).await;
    *wait = (*wait * 2).min(RETRY_WAIT_MAX);
}

/// The position, a blank, and the channel, which may contain anything.
fn write(hint: &Hint) -> String {
    format!("{} {}", hint.position, hint.channel)
}

fn read(payload: &str) -> Option<Hint> {
    let (position, channel) = payload.split_once(' ')?;
    Some(Hint { channel: ChannelName::new(channel), position: position.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_survives_the_way() {
        for channel in ["mychannel", "", "with a blank", "7 up", "ünïcode", "\"quoted\""] {
            let hint = Hint { channel: ChannelName::new(channel), position: u64::MAX };
            assert_eq!(read(&write(&hint)), Some(hint));
        }
        for payload in ["", "mychannel", "-1 mychannel", "x mychannel"] {
            assert_eq!(read(payload), None, "{payload:?}");
        }
    }

    #[test]
    fn only_the_newest_position_of_a_channel_is_sent() {
        let outgoing = Outgoing::default();
        for (channel, position) in [("a", 1), ("b", 7), ("a", 3), ("a", 2)] {
            outgoing.put(Hint { channel: ChannelName::new(channel), position });
        }
        let mut sent = outgoing.take();
        sent.sort();
        assert_eq!(sent, ["3 a", "7 b"]);
        assert!(outgoing.take().is_empty());
    }
}
