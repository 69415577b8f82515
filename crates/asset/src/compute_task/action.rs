//! Actions of members on a task (compute/TASK-50 … TASK-54).

use crate::caller::OrganizationId;
use crate::command::{Call, Command, Decision};
use crate::compute_task::{ComputeTask, ComputeTaskTransition, cascade};
use crate::event::REASON_USER_ACTION;
use crate::facts::{Facts, Needs};
use crate::key::{ComputeTaskKey, Key};
use crate::refusal::Refusal;

/// What a member can do to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComputeTaskAction {
    /// Start it.
    Executing,
    /// Give it up.
    Canceled,
    /// Let it fail.
    Failed,
    /// Finish it.
    Done,
}

impl ComputeTaskAction {
    const fn transition(self) -> ComputeTaskTransition {
        match self {
            Self::Executing => ComputeTaskTransition::Executing,
            Self::Canceled => ComputeTaskTransition::Canceled,
            Self::Failed => ComputeTaskTransition::Failed,
            Self::Done => ComputeTaskTransition::Done,
        }
    }

    /// compute/TASK-51: the worker may do everything, the owner may end the task.
    fn is_allowed(self, task: &ComputeTask, caller: &OrganizationId) -> bool {
        match self {
            Self::Executing | Self::Done => task.worker == *caller,
            Self::Canceled | Self::Failed => task.worker == *caller || task.owner == *caller,
        }
    }
}

/// Moves a task.
#[derive(Debug)]
pub struct ApplyComputeTaskAction {
    key: ComputeTaskKey,
    action: Option<ComputeTaskAction>,
    reason: String,
}

impl ApplyComputeTaskAction {
    /// An action that members cannot take, known or not, is `None` and judged after existence (compute/TASK-51). An empty
    /// `log` becomes the usual reason (compute/TASK-52).
    ///
    /// # Errors
    /// OE0101 if the key is no UUID (compute/DEF-20) or the log holds U+0000 (core/VAL-15).
    pub fn new(key: &str, action: Option<ComputeTaskAction>, log: String) -> Result<Self, Refusal> {
        let key = ComputeTaskKey::look_up(key)?;
        if log.contains('\0') {
            return Err(Refusal::invalid(
                "computetask action is not valid: log: must not contain NUL characters",
            ));
        }
        let reason = if log.is_empty() { REASON_USER_ACTION.to_owned() } else { log };
        Ok(Self { key, action, reason })
    }
}

impl Command for ApplyComputeTaskAction {
    type Answer = ();

    fn needs(&self, _caller: &OrganizationId, facts: &Facts, needs: &mut Needs) {
        needs.compute_tasks.insert(self.key);
        if let Some(action) = self.action {
            cascade::needs_of_task_transition(self.key, action.transition(), facts, needs);
        }
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let task = facts.compute_tasks.require(self.key)?;
        let action = self.action.filter(|action| action.is_allowed(task, &call.caller)).ok_or_else(|| {
            Refusal::permission_denied(format!(
                "organization {:?} may not do this to task {}",
                call.caller.as_str(),
                self.key
            ))
        })?;
        let changes = cascade::task_moved(task, action.transition(), &self.reason, call, facts)?;
        Ok(Decision { changes, answer: () })
    }
}
