//! The build of a function, as its owner tells it (compute/FUNC-30 … FUNC-33).
//!
//! Every step moves the tasks that wait for it, see [`crate::compute_task::cascade`]; a failure report takes the same way. Start at
//! [`ApplyFunctionAction`].

use std::sync::Arc;

use crate::caller::OrganizationId;
use crate::change::Change;
use crate::command::{Call, Command, Decision};
use crate::compute_task::cascade;
use crate::event::REASON_USER_ACTION;
use crate::facts::{Facts, Needs};
use crate::function::Function;
use crate::key::{FunctionKey, Key};
use crate::refusal::Refusal;

/// What a function's owner can do to its build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionAction {
    /// The build begins.
    Building,
    /// The build is given up.
    Canceled,
    /// The build failed.
    Failed,
    /// The build is done.
    Ready,
}

impl FunctionAction {
    pub(super) const fn transition(self) -> &'static str {
        match self {
            Self::Building => "transitionBuilding",
            Self::Canceled => "transitionCanceled",
            Self::Failed => "transitionFailed",
            Self::Ready => "transitionReady",
        }
    }
}

impl Function {
    /// The changes of `action`: the function's own, then those of the tasks that wait for it (compute/FUNC-32).
    ///
    /// # Errors
    /// OE0003 if the action is not legal in this status.
    pub(crate) fn act(
        &self,
        action: FunctionAction,
        reason: &str,
        call: &Call,
        facts: &Facts,
    ) -> Result<Vec<Change>, Refusal> {
        let status = self.status.apply(action)?;
        let function = Arc::new(Self { status, ..self.clone() });
        let mut changes = vec![Change::FunctionStatusChanged { function, reason: reason.to_owned() }];
        changes.extend(cascade::function_acted(self.key, action, reason, call, facts)?);
        Ok(changes)
    }
}

/// Moves a function's build on.
#[derive(Debug)]
pub struct ApplyFunctionAction {
    key: FunctionKey,
    action: FunctionAction,
}

impl ApplyFunctionAction {
    /// The action is judged before the key is looked at (compute/FUNC-30); `None` is a number that is no action.
    ///
    /// # Errors
    /// OE0003 for an unknown action, OE0101 for a key that is no UUID (compute/DEF-20).
    pub fn new(key: &str, action: Option<FunctionAction>) -> Result<Self, Refusal> {
        let action = action.ok_or_else(|| Refusal::bad_request("unsupported function action"))?;
        Ok(Self { key: FunctionKey::look_up(key)?, action })
    }
}

impl Command for ApplyFunctionAction {
    type Answer = ();

    fn needs(&self, _caller: &OrganizationId, facts: &Facts, needs: &mut Needs) {
        needs.functions.insert(self.key);
        cascade::needs_of_function_action(self.key, self.action, facts, needs);
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let function = facts.functions.require(self.key)?;
        function.require_owner(&call.caller)?;
        Ok(Decision { changes: function.act(self.action, REASON_USER_ACTION, call, facts)?, answer: () })
    }
}
