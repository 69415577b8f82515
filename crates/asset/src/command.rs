//! The shape of every decision: `(facts, caller, now, request) → refusal | changes + answer`.
//!
//! A [`Command`] changes state, an [`Inquiry`] only looks. Both say which facts they need, given the facts loaded so far, and then
//! decide on them alone: no I/O, clock or randomness. Whoever runs them loads the facts in stages until nothing is missing.

use crate::caller::OrganizationId;
use crate::change::Change;
use crate::facts::{Facts, Needs};
use crate::refusal::Refusal;
use crate::time::Timestamp;

/// Who asks, and the one instant that everything written by this call carries (core/TX-3).
#[derive(Clone, Debug)]
pub struct Call {
    /// The organization that asks; it becomes the owner of what it registers (core/ID-4).
    pub caller: OrganizationId,
    /// The transaction time.
    pub now: Timestamp,
}

/// What a command wants to happen, in this order, and what its caller is told once it has.
#[derive(Debug)]
pub struct Decision<A> {
    /// The changes, in the order of their events.
    pub changes: Vec<Change>,
    /// The answer.
    pub answer: A,
}

/// A validated request that may change state.
pub trait Command: Send + Sync + 'static {
    /// What the caller gets.
    type Answer: Send + 'static;

    /// Adds to `needs` what has to be known, as far as `facts` tell already. Asking again for what is loaded is fine.
    fn needs(&self, caller: &OrganizationId, facts: &Facts, needs: &mut Needs);

    /// Decides on facts that hold everything [`Command::needs`] asked for.
    ///
    /// # Errors
    /// The first check that fails, in the order of the contract. A refused command changes nothing.
    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<Self::Answer>, Refusal>;
}

/// A validated request that only looks at a few assets by key.
pub trait Inquiry: Send + Sync + 'static {
    /// What the caller gets.
    type Answer: Send + 'static;

    /// Adds to `needs` what has to be known, as far as `facts` tell already.
    fn needs(&self, facts: &Facts, needs: &mut Needs);

    /// Answers from facts that hold everything [`Inquiry::needs`] asked for.
    ///
    /// # Errors
    /// The first check that fails, in the order of the contract.
    fn answer(&self, facts: &Facts) -> Result<Self::Answer, Refusal>;
}
