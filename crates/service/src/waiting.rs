//! A call that waits to be decided: the command, who asked, and where the answer goes.
//!
//! Owns the containment of faults: a panic while one call is decided answers that call and leaves the others alone (core/DEF-14).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use asset::{Call, Change, Command, Facts, Needs, OrganizationId, Refusal, Timestamp};
use tokio::sync::oneshot;
use tracing::Span;

use crate::SPANS;
use crate::failure::Failure;
use crate::queue::Weighed;

/// A waiting call of any kind, as the writer sees it.
pub(crate) trait Waiting: Send {
    /// Whether the caller has left; then the call must not be decided any more (core/TX-10).
    fn is_abandoned(&self) -> bool;

    /// Adds what has to be known to decide it.
    fn needs(&mut self, facts: &Facts, needs: &mut Needs);

    /// Decides it anew, keeps the answer, and returns the changes: none if it is refused.
    fn decide(&mut self, now: Timestamp, facts: &Facts) -> Vec<Change>;

    /// Takes the last decision back: this is the answer instead.
    fn refuse(&mut self, refusal: Refusal);

    /// Sends the answer that the last decision kept.
    fn answer(self: Box<Self>);

    /// Sends this failure instead.
    fn fail(self: Box<Self>, failure: Failure);

    /// See [`Weighed::weight`].
    fn weight(&self) -> Weight;

    /// How it came here.
    fn arrival(&mut self) -> &mut Arrival;
}

impl Weighed for Box<dyn Waiting> {
    fn weight(&self) -> Weight {
        self.as_ref().weight()
    }
}

/// How much a call is: what it may be expected to write, and what its request takes in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Rows.
    pub rows: usize,
    /// Bytes.
    pub bytes: usize,
}

impl Weight {
    /// A call about one asset.
    pub const SMALL: Self = Self { rows: 1, bytes: 1024 };

    pub(crate) fn fits(self, room: Self) -> bool {
        self.rows <= room.rows && self.bytes <= room.bytes
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self { rows: self.rows.saturating_sub(other.rows), bytes: self.bytes.saturating_sub(other.bytes) }
    }
}

/// When a call began to wait, and its part in the trace.
pub(crate) struct Arrival {
    pub(crate) since: Instant,
    /// From now until its answer.
    pub(crate) write: Span,
    /// From now until its batch begins.
    wait: Span,
}

impl Arrival {
    /// A call arrives.
    pub(crate) fn now() -> Self {
        let write = tracing::info_span!(target: SPANS, "write");
        let wait = tracing::info_span!(target: SPANS, parent: &write, "wait");
        Self { since: Instant::now(), write, wait }
    }

    /// It need not wait any more.
    pub(crate) fn end_waiting(&mut self) {
        self.wait = Span::none();
    }
}

/// A waiting call with its command.
pub(crate) struct WaitingCall<C: Command> {
    pub(crate) command: C,
    pub(crate) caller: OrganizationId,
    pub(crate) weight: Weight,
    pub(crate) arrival: Arrival,
    pub(crate) outcome: Option<Result<C::Answer, Failure>>,
    pub(crate) reply: oneshot::Sender<Result<C::Answer, Failure>>,
}

impl<C: Command> Waiting for WaitingCall<C> {
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn needs(&mut self, facts: &Facts, needs: &mut Needs) {
        // A fault here comes back when the call is decided, which answers it.
        let mut own = Needs::default();
        if contain(|| self.command.needs(&self.caller, facts, &mut own)).is_ok() {
            needs.extend(own);
        }
    }

    fn decide(&mut self, now: Timestamp, facts: &Facts) -> Vec<Change> {
        let call = Call { caller: self.caller.clone(), now };
        let (changes, outcome) = match contain(|| self.command.decide(&call, facts)) {
            Ok(Ok(decision)) => (decision.changes, Ok(decision.answer)),
            Ok(Err(refusal)) => (Vec::new(), Err(Failure::Refused(refusal))),
            Err(failure) => (Vec::new(), Err(failure)),
        };
        self.outcome = Some(outcome);
        changes
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.outcome = Some(Err(Failure::Refused(refusal)));
    }

    fn answer(self: Box<Self>) {
        let outcome = self.outcome.unwrap_or(Err(Failure::Internal));
        // A caller that has left does not need its answer.
        let _left = self.reply.send(outcome);
    }

    fn fail(self: Box<Self>, failure: Failure) {
        let _left = self.reply.send(Err(failure));
    }

    fn weight(&self) -> Weight {
        self.weight
    }

    fn arrival(&mut self) -> &mut Arrival {
        &mut self.arrival
    }
}

/// Runs a piece of a decision; a panic becomes a failure of this call alone. Nothing outside is left half changed, since decisions only read.
pub(crate) fn contain<T>(decide: impl FnOnce() -> T) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(decide)).map_err(|_panic| {
        tracing::error!("a call was given up because of a fault while it was decided");
        Failure::Internal
    })
}
