//! The audience: subscribers that note every event while others write, and the comparison of what they saw.
//!
//! All of them must have seen the same events, each once, in one order, equal to a replay afterwards (core/SUB-7, core/SUB-11). It does not know
//! who writes. Start at [`Audience::gather`], and at [`first_difference`] for the comparison.

use std::collections::HashSet;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use client::Client;
use proto::{Event, QueryEventsParam, SortOrder, SubscribeToEventsParam};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::assets::{new_key, new_plan, prepare};
use super::measured::Measured;
use super::report::{Check, Row};

/// How long subscribers may take to catch up with the last event.
const PATIENCE: Duration = Duration::from_secs(60);

/// Subscribers at work.
pub(super) struct Audience {
    start_event_id: String,
    /// Everybody listens until this asset is created.
    last_asset_key: String,
    listeners: JoinSet<anyhow::Result<Seen>>,
}

/// What one subscriber saw.
#[derive(Default)]
struct Seen {
    event_ids: Vec<Uuid>,
    delays: Measured,
}

/// What all subscribers saw.
pub(super) struct Impression {
    pub(super) subscribers: usize,
    /// Events that a replay holds.
    pub(super) events: usize,
    /// From the timestamp of each event, which is earlier than its commit, to its receipt by each subscriber; the clocks of the server and of
    /// this machine must agree.
    pub(super) delays: Measured,
    /// None if all of them saw what a replay shows.
    pub(super) difference: Option<String>,
}

/// How a subscriber's events differ from a replay. Positions count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    Twice { event_id: Uuid },
    Missing { event_id: Uuid, position: usize },
    OutOfOrder { event_id: Uuid, position: usize },
    Invented { event_id: Uuid, position: usize },
}

impl Audience {
    /// Subscribes with each of these clients, and waits until all subscriptions deliver. There must be two events in the channel.
    ///
    /// # Errors
    /// The server cannot say which events are the newest.
    pub(super) async fn gather(clients: &[Client]) -> anyhow::Result<Self> {
        let first = clients.first().context("an audience needs somebody")?;
        let mut audience = Self {
            start_event_id: start_event_id(first).await?,
            last_asset_key: new_key(),
            listeners: JoinSet::new(),
        };
        let (waiting, mut ready) = mpsc::channel(1);
        for client in clients {
            let listener = audience.listen(client.clone(), Some(waiting.clone()));
            audience.listeners.spawn(listener);
        }
        drop(waiting);
        // Nothing is ever sent: the channel is closed once everybody has received an event, or failed.
        ready.recv().await;
        Ok(audience)
    }

    /// Ends the listening with one last event and compares what everybody saw.
    ///
    /// # Errors
    /// A subscription broke, or somebody does not receive the last event.
    pub(super) async fn compare(mut self, client: &Client) -> anyhow::Result<Impression> {
        prepare(client, new_plan(self.last_asset_key.clone())).await?;
        let all = self.join();
        let all = tokio::time::timeout(PATIENCE, all)
            .await
            .context("a subscriber does not receive the last event")??;
        let replay = self.listen(client.clone(), None);
        let replay = tokio::time::timeout(PATIENCE, replay)
            .await
            .context("the replay does not come to its end")??
            .event_ids;
        Ok(Impression {
            subscribers: all.len(),
            events: replay.len(),
            difference: describe_first(&replay, &all),
            delays: all.into_iter().fold(Measured::default(), |mut sum, seen| {
                sum.add(seen.delays);
                sum
            }),
        })
    }

    async fn join(&mut self) -> anyhow::Result<Vec<Seen>> {
        let mut all = Vec::with_capacity(self.listeners.len());
        while let Some(seen) = self.listeners.join_next().await {
            all.push(seen.context("a subscriber broke down")??);
        }
        Ok(all)
    }

    /// Notes all events up to the last one. The first one was there before: it only shows that the subscription works.
    fn listen(
        &self,
        client: Client,
        mut waiting: Option<mpsc::Sender<()>>,
    ) -> impl Future<Output = anyhow::Result<Seen>> + Send + use<> {
        let (start_event_id, last_asset_key) = (self.start_event_id.clone(), self.last_asset_key.clone());
        async move {
            let request = SubscribeToEventsParam { start_event_id };
            let stream = client.event().subscribe_to_events(request).await;
            let mut stream = stream.context("cannot subscribe")?.into_inner();
            let mut seen = Seen::default();
            while let Some(event) = stream.message().await.context("a subscription broke")? {
                seen.note(&event)?;
                waiting = None;
                if event.asset_key == last_asset_key {
                    return Ok(seen);
                }
            }
            drop(waiting);
            bail!("a subscription ended")
        }
    }
}

impl Impression {
    /// What was received meanwhile, and whether it was right.
    pub(super) fn row(&self, workload: &'static str, variant: &str, elapsed: Duration) -> Row {
        let Self { subscribers, events, .. } = self;
        let check = match &self.difference {
            Some(difference) => Check::Failed(difference.clone()),
            None => Check::Passed(format!(
                "all {subscribers} subscribers saw the {events} events of a replay, once and in its order"
            )),
        };
        Row::of_receipts(workload, format!("{variant}, receipt"), *subscribers, elapsed, &self.delays)
            .with_check(check)
    }
}

impl Seen {
    fn note(&mut self, event: &Event) -> anyhow::Result<()> {
        let is_first = self.event_ids.is_empty();
        let id = Uuid::try_parse(&event.id).context("the id of an event is no UUID")?;
        self.event_ids.push(id);
        if !is_first {
            self.delays.succeed(age(event));
        }
        Ok(())
    }
}

/// How long ago an event was made; nothing if the server's clock is ahead.
fn age(event: &Event) -> Duration {
    let made = event.timestamp.as_ref().map_or(Duration::ZERO, |timestamp| {
        let seconds = u64::try_from(timestamp.seconds).unwrap_or_default();
        Duration::new(seconds, u32::try_from(timestamp.nanos).unwrap_or_default())
    });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(made)
}

/// The last event but one: who starts there receives one event at once.
pub(super) async fn start_event_id(client: &Client) -> anyhow::Result<String> {
    let newest =
        QueryEventsParam { page_size: 2, sort: SortOrder::Descending.into(), ..QueryEventsParam::default() };
    let events = prepare(client, newest).await?.events;
    ensure!(events.len() == 2, "there are no two events to start from");
    Ok(events[1].id.clone())
}

fn describe_first(replay: &[Uuid], all: &[Seen]) -> Option<String> {
    all.iter().zip(1..).find_map(|(seen, number)| {
        let difference = first_difference(replay, &seen.event_ids)?;
        Some(format!("subscriber {number} of {}: {difference}", all.len()))
    })
}

/// How these events differ from the replay, unless they are the same.
pub(super) fn first_difference(replay: &[Uuid], seen: &[Uuid]) -> Option<Difference> {
    twice(replay).or_else(|| twice(seen)).or_else(|| {
        let position = (0..replay.len().max(seen.len())).find(|&at| replay.get(at) != seen.get(at))?;
        differ_at(position, replay, seen)
    })
}

fn twice(event_ids: &[Uuid]) -> Option<Difference> {
    let mut before = HashSet::with_capacity(event_ids.len());
    let again = event_ids.iter().find(|id| !before.insert(**id))?;
    Some(Difference::Twice { event_id: *again })
}

/// Which of the two has something here that the other one lacks; if neither has, the order is wrong.
fn differ_at(position: usize, replay: &[Uuid], seen: &[Uuid]) -> Option<Difference> {
    let (expected, found) = (replay.get(position).copied(), seen.get(position).copied());
    let missing = expected.filter(|event_id| !seen.contains(event_id));
    let invented = found.filter(|event_id| !replay.contains(event_id));
    missing
        .map(|event_id| Difference::Missing { event_id, position })
        .or(invented.map(|event_id| Difference::Invented { event_id, position }))
        .or(expected.map(|event_id| Difference::OutOfOrder { event_id, position }))
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice { event_id } => write!(f, "event {event_id} came twice"),
            Self::Missing { event_id, position } => {
                write!(f, "event {event_id} of position {position} is missing")
            }
            Self::OutOfOrder { event_id, position } => {
                write!(f, "event {event_id} of position {position} came out of order")
            }
            Self::Invented { event_id, position } => {
                write!(f, "event {event_id} at position {position} is in no replay")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Difference, first_difference};
    use uuid::Uuid;

    fn ids(numbers: &[u128]) -> Vec<Uuid> {
        numbers.iter().copied().map(Uuid::from_u128).collect()
    }

    #[test]
    fn every_kind_of_difference_is_found() {
        let event_id = Uuid::from_u128;
        let missing = |id, position| Some(Difference::Missing { event_id: event_id(id), position });
        let out_of_order = |id, position| Some(Difference::OutOfOrder { event_id: event_id(id), position });
        let invented = |id, position| Some(Difference::Invented { event_id: event_id(id), position });
        let twice = |id| Some(Difference::Twice { event_id: event_id(id) });
        let cases: [(&[u128], Option<Difference>); 10] = [
            (&[1, 2, 3, 4], None),
            (&[2, 3, 4], missing(1, 0)),
            (&[1, 3, 4], missing(2, 1)),
            (&[1, 2, 3], missing(4, 3)),
            (&[], missing(1, 0)),
            (&[1, 2, 2, 3, 4], twice(2)),
            (&[1, 2, 3, 4, 1], twice(1)),
            (&[1, 3, 2, 4], out_of_order(2, 1)),
            (&[1, 2, 9, 3, 4], invented(9, 2)),
            (&[1, 2, 3, 4, 9], invented(9, 4)),
        ];
        for (seen, difference) in cases {
            assert_eq!(first_difference(&ids(&[1, 2, 3, 4]), &ids(seen)), difference, "{seen:?}");
        }
        assert_eq!(first_difference(&ids(&[1, 1]), &ids(&[1, 1])), twice(1), "also in the replay");
    }
}
