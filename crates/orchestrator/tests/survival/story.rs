//! The story: what subscribers read, and how it is held against what was written.
//!
//! A subscriber goes on after every interruption where it was. Start at [`Story::agrees_with`].

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use client::Client;
use futures::future::join_all;
use proto::event::Asset;
use tokio::task::JoinHandle;

use crate::CHANNELS;
use crate::load::{Mark, Write, client};

/// How long a subscriber may take to catch up when nothing is broken any more.
const CATCH_UP_TIME_MAX: Duration = Duration::from_secs(60);
/// Between two attempts to subscribe.
const PAUSE: Duration = Duration::from_millis(100);

/// The events of one channel, as a subscriber read them.
type Channel = Vec<proto::Event>;

/// What was read of all channels.
pub(crate) struct Story(Vec<Channel>);

/// Those who read while everything breaks: one for each server and channel.
pub(crate) struct Subscribers {
    ends: tokio::sync::watch::Sender<Vec<String>>,
    reading: Vec<(usize, JoinHandle<Channel>)>,
}

/// What all of them have read, each with its channel.
pub(crate) struct Stories(Vec<(usize, Channel)>);

/// What was held against the story.
pub(crate) struct Counts {
    events: usize,
    acknowledged: usize,
    uncertain_and_there: usize,
    uncertain_and_not_there: usize,
}

impl Story {
    /// Begins to read at each server.
    pub(crate) fn read(entrances: &[String]) -> Subscribers {
        let ends = tokio::sync::watch::Sender::new(Vec::new());
        let mut reading = Vec::new();
        for entrance in entrances {
            for channel in 0..CHANNELS.len() {
                let (entrance, ends) = (entrance.clone(), ends.subscribe());
                let reader = async move { follow(&client(&entrance, channel).await, channel, ends).await };
                reading.push((channel, tokio::spawn(reader)));
            }
        }
        Subscribers { ends, reading }
    }

    /// Reads everything once more, from the start to these plans, at the last server.
    pub(crate) async fn from_the_start(entrances: &[String], last: &[String]) -> Self {
        let (_ends, known) = tokio::sync::watch::channel(last.to_vec());
        let mut channels = Vec::new();
        for channel in 0..CHANNELS.len() {
            let client = client(entrances.last().unwrap(), channel).await;
            let reading = follow(&client, channel, known.clone());
            channels
                .push(tokio::time::timeout(CATCH_UP_TIME_MAX, reading).await.expect("the story has an end"));
        }
        Self(channels)
    }

    /// Every acknowledged write is told of once and entirely; every other one in the same way or not at all.
    pub(crate) fn agrees_with(&self, writes: &[Write]) -> Counts {
        let told: Vec<HashMap<Mark, usize>> = self.0.iter().map(count).collect();
        let mut counts = Counts {
            events: self.0.iter().map(Vec::len).sum(),
            acknowledged: 0,
            uncertain_and_there: 0,
            uncertain_and_not_there: 0,
        };
        for Write { channel, marks, is_acknowledged } in writes {
            let found: Vec<usize> =
                marks.iter().map(|mark| told[*channel].get(mark).copied().unwrap_or_default()).collect();
            let (all, none) = (found.iter().all(|count| *count == 1), found.iter().all(|count| *count == 0));
            match (is_acknowledged, all, none) {
                (true, true, _) => counts.acknowledged += 1,
                (false, true, _) => counts.uncertain_and_there += 1,
                (false, _, true) => counts.uncertain_and_not_there += 1,
                (true, ..) => panic!("acknowledged and not there: {marks:?} {found:?}"),
                (false, ..) => panic!("half there: {marks:?} {found:?}"),
            }
        }
        assert!(counts.acknowledged > 0, "something was written");
        counts
    }
}

impl Subscribers {
    /// Waits until everybody has read up to these plans.
    pub(crate) async fn end(self, last: &[String]) -> Stories {
        self.ends.send_replace(last.to_vec());
        let read = self.reading.into_iter().map(|(channel, reader)| async move {
            let story = tokio::time::timeout(CATCH_UP_TIME_MAX, reader).await;
            (channel, story.expect("a subscriber catches up").expect("no subscriber fails"))
        });
        Stories(join_all(read).await)
    }
}

impl Stories {
    /// All have read the same, and nothing else than this.
    pub(crate) fn are_one_with(&self, whole: &Story) {
        for (channel, story) in &self.0 {
            let told = &whole.0[*channel];
            let differs = story.iter().zip(told).position(|(one, other)| one != other);
            assert_eq!(differs, None, "subscribers of {} read different stories", CHANNELS[*channel]);
            assert_eq!(story.len(), told.len());
        }
    }
}

/// Reads a channel until the plan that `ends` names for it, once it does.
async fn follow(
    client: &Client,
    channel: usize,
    mut ends: tokio::sync::watch::Receiver<Vec<String>>,
) -> Channel {
    let mut events = client.events("");
    let mut story: Channel = Vec::new();
    loop {
        let end = ends.borrow_and_update().get(channel).cloned();
        let is_end = |event: &proto::Event| Some(&event.asset_key) == end.as_ref();
        if let Some(place) = story.iter().rposition(is_end) {
            // What a server has done after everybody gave up on it is beyond the end.
            story.truncate(place + 1);
            return story;
        }
        tokio::select! {
            next = events.next() => match next {
                Ok(event) => story.push(event),
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            _named = ends.changed() => {}
        }
    }
}

/// How often each thing is told.
fn count(channel: &Channel) -> HashMap<Mark, usize> {
    let mut told = HashMap::new();
    for event in channel {
        let status = match &event.asset {
            Some(Asset::ComputeTask(task)) => task.status,
            _ => 0,
        };
        let mark = (event.asset_kind, event.asset_key.clone(), event.event_kind, status);
        *told.entry(mark).or_default() += 1;
    }
    told
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, acknowledged, uncertain_and_there, uncertain_and_not_there } = self;
        let calls = acknowledged + uncertain_and_there + uncertain_and_not_there;
        write!(
            f,
            "{calls} writes checked: {acknowledged} acknowledged and there; without an answer \
             {uncertain_and_there} there and {uncertain_and_not_there} not, none by half; {events} events"
        )
    }
}
