//! What a step of the corpus came to: a message, the events of a stream, or a refusal.

use std::time::Duration;

use serde_json::{Value, json};
use tonic::Code;

use crate::wire::{self, Next, Refused, Subscription};

/// How long an event that is expected may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a stream must stay quiet, after the events that are expected, to count as ended.
const QUIET: Duration = Duration::from_millis(100);

/// What came back.
pub(crate) enum Answer {
    /// A message, as JSON.
    Ok(Value),
    /// The events of a stream, and how it ended if it did.
    Events(Vec<Value>, Option<Code>),
    /// An error.
    Refused(Refused),
}

impl From<wire::Answer> for Answer {
    fn from(answer: wire::Answer) -> Self {
        answer.map_or_else(Self::Refused, Self::Ok)
    }
}

impl Answer {
    /// Reads a subscription: the events that are expected and whatever comes before it is quiet.
    pub(crate) async fn of_subscription(mut subscription: Subscription, expected: usize) -> Self {
        let mut events = Vec::new();
        loop {
            let patience = if events.len() < expected { PATIENCE } else { QUIET };
            match subscription.next(patience).await {
                Next::Event(event) => events.push(event),
                Next::Ended(refused) => return Self::Events(events, Some(refused.code)),
                Next::Nothing => return Self::Events(events, None),
            }
        }
    }

    /// What later steps can refer to.
    pub(crate) fn body(&self) -> Value {
        match self {
            Self::Ok(body) => body.clone(),
            Self::Events(events, _) => json!({ "events": events }),
            Self::Refused(_) => Value::Null,
        }
    }

    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self, Self::Refused(Refused { code: Code::Unknown, .. }))
    }
}
