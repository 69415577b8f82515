//! The events of the channel as one endless stream, whatever happens to the connections that carry it.
//!
//! It remembers the last event it handed out and resumes behind it, which is all it needs: the server keeps the order and leaves no gap
//! (core/SUB-7, core/SUB-11). It does not look into events. Start at [`Events::next`].

use proto::Event;
use proto::SubscribeToEventsParam;
use proto::event_service_client::EventServiceClient;
use tokio::time::Instant;
use tonic::{Code, Status, Streaming};

use crate::retry::Backoff;
use crate::{Connection, RetryPolicy};

/// The events of a channel, each exactly once and in order.
#[derive(Debug)]
pub struct Events {
    service: EventServiceClient<Connection>,
    policy: RetryPolicy,
    last_event_id: String,
    subscription: Option<Subscription>,
    backoff: Backoff,
}

#[derive(Debug)]
struct Subscription {
    stream: Streaming<Event>,
    since: Instant,
}

impl Events {
    pub(crate) fn new(
        service: EventServiceClient<Connection>,
        policy: RetryPolicy,
        start_event_id: String,
    ) -> Self {
        Self {
            service,
            backoff: Backoff::new(policy.clone()),
            policy,
            last_event_id: start_event_id,
            subscription: None,
        }
    }

    /// Waits for the next event, however long that takes, and subscribes again when a subscription breaks. Dropping the future loses
    /// no event.
    ///
    /// # Errors
    ///
    /// The server refuses the subscription, or it could not be had again within the bounds of the retry policy. The place in the stream
    /// is kept: calling again goes on there.
    pub async fn next(&mut self) -> Result<Event, Status> {
        loop {
            let status = match self.receive().await {
                Ok(event) => return Ok(event),
                Err(status) => status,
            };
            self.close();
            if !is_interruption(&status) || !self.backoff.pause().await {
                self.backoff.reset();
                return Err(status);
            }
        }
    }

    async fn receive(&mut self) -> Result<Event, Status> {
        let subscription = match self.subscription.take() {
            Some(open) => open,
            None => self.subscribe().await?,
        };
        let received = self.subscription.insert(subscription).stream.message().await?;
        let event = received.ok_or_else(|| Status::unavailable("the stream of events ended"))?;
        event.id.clone_into(&mut self.last_event_id);
        self.backoff.reset();
        Ok(event)
    }

    async fn subscribe(&mut self) -> Result<Subscription, Status> {
        let start = SubscribeToEventsParam { start_event_id: self.last_event_id.clone() };
        let answer = tokio::time::timeout(self.policy.deadline, self.service.subscribe_to_events(start));
        let answer = answer.await.map_err(|_| Status::unavailable("the subscription was not answered"))?;
        Ok(Subscription { stream: answer?.into_inner(), since: Instant::now() })
    }

    /// Gives up the subscription. If it lasted, the failures before it have nothing to do with those to come.
    fn close(&mut self) {
        let closed = self.subscription.take();
        if closed.is_some_and(|subscription| subscription.since.elapsed() >= self.policy.pause_max) {
            self.backoff.reset();
        }
    }
}

/// Whether the stream was interrupted, rather than refused by the server. Statuses with a source were made on this side, from an error of
/// the transport; UNKNOWN is what the transport reports when the server vanished, and no answer of the server itself (compute/COM-8).
fn is_interruption(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Unknown) || std::error::Error::source(status).is_some()
}

#[cfg(test)]
mod tests;
