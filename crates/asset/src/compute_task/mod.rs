//! Compute tasks: one function, run once by one organization, on named inputs, for named outputs.
//!
//! This file owns what a task is and its state machine. [`registration`] judges new tasks, [`order`] sorts a batch, [`action`] lets members
//! move a task, [`cascade`] says what else moves with it, [`output`] disables outputs, [`inquiry`] answers questions.

pub mod action;
pub mod cascade;
pub mod inquiry;
pub mod order;
pub mod output;
pub mod registration;

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::caller::OrganizationId;
use crate::key::{ComputePlanKey, ComputeTaskKey, FunctionKey};
use crate::metadata::Metadata;
use crate::permission::{Permission, Permissions};
use crate::refusal::{Code, Refusal};
use crate::time::Timestamp;

/// Where a task stands. The numbers are those of the wire; their order is not that of a task's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ComputeTaskStatus {
    /// Its function is ready, some parent is not done.
    WaitingForParentTasks = 1,
    /// It can run.
    WaitingForExecutorSlot = 2,
    /// Its worker runs it.
    Executing = 3,
    /// Its worker has finished it.
    Done = 4,
    /// It was given up.
    Canceled = 5,
    /// It failed.
    Failed = 6,
    /// Nobody builds its function yet.
    WaitingForBuilderSlot = 7,
    /// Its function is being built.
    Building = 8,
}

/// What can happen to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComputeTaskTransition {
    /// The build of its function began.
    BuildStarted,
    /// The build of its function is done.
    BuildFinished {
        /// Whether all parents are done.
        parents_done: bool,
    },
    /// The last parent is done.
    ParentsDone,
    /// Its worker starts it.
    Executing,
    /// Its worker has finished it.
    Done,
    /// It is given up.
    Canceled,
    /// It fails.
    Failed,
}

impl ComputeTaskStatus {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::WaitingForParentTasks,
        Self::WaitingForExecutorSlot,
        Self::Executing,
        Self::Done,
        Self::Canceled,
        Self::Failed,
        Self::WaitingForBuilderSlot,
        Self::Building,
    ];

    /// The number on the wire and in the stores.
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// The status with this number.
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.number() == number)
    }

    /// The name on the wire; part of messages that clients match (compute, table 11.3).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WaitingForParentTasks => "STATUS_WAITING_FOR_PARENT_TASKS",
            Self::WaitingForExecutorSlot => "STATUS_WAITING_FOR_EXECUTOR_SLOT",
            Self::Executing => "STATUS_EXECUTING",
            Self::Done => "STATUS_DONE",
            Self::Canceled => "STATUS_CANCELED",
            Self::Failed => "STATUS_FAILED",
            Self::WaitingForBuilderSlot => "STATUS_WAITING_FOR_BUILDER_SLOT",
            Self::Building => "STATUS_BUILDING",
        }
    }

    /// Whether there is no way out.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Canceled | Self::Failed)
    }

    /// The status after `transition` (compute/TSM-2 … TSM-8).
    ///
    /// # Errors
    /// OE0003 for everything that is not in the table of the contract; clients look for its words (compute/DEF-23).
    pub fn apply(self, transition: ComputeTaskTransition) -> Result<Self, Refusal> {
        use ComputeTaskTransition as T;
        match (self, transition) {
            (Self::WaitingForBuilderSlot, T::BuildStarted) => Ok(Self::Building),
            (Self::Building, T::BuildFinished { parents_done: true })
            | (Self::WaitingForParentTasks, T::ParentsDone) => Ok(Self::WaitingForExecutorSlot),
            (Self::Building, T::BuildFinished { parents_done: false }) => Ok(Self::WaitingForParentTasks),
            (Self::WaitingForExecutorSlot, T::Executing) => Ok(Self::Executing),
            (Self::Executing, T::Done) => Ok(Self::Done),
            (from, T::Canceled) if !from.is_final() => Ok(Self::Canceled),
            (from, T::Failed) if !from.is_final() => Ok(Self::Failed),
            (from, transition) => Err(Refusal::illegal_transition(transition.as_str(), from.as_str())),
        }
    }
}

impl ComputeTaskTransition {
    const fn as_str(self) -> &'static str {
        match self {
            Self::BuildStarted => "transitionBuilding",
            Self::BuildFinished { parents_done: false } => "transitionWaitingParentTasks",
            Self::BuildFinished { parents_done: true } | Self::ParentsDone => "transitionWaitingExecutorSlot",
            Self::Executing => "transitionExecuting",
            Self::Done => "transitionDone",
            Self::Canceled => "transitionCanceled",
            Self::Failed => "transitionFailed",
        }
    }
}

/// An input as it was given to a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskInput {
    /// The identifier that the function declares.
    pub identifier: String,
    /// What goes in.
    pub source: InputSource,
}

/// What goes into a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputSource {
    /// An asset that exists: a data manager, a data sample or a model, as the function declares.
    Asset(Uuid),
    /// Whatever a parent task will register for one of its outputs.
    ParentOutput {
        /// The parent.
        parent_task_key: ComputeTaskKey,
        /// Its output.
        output_identifier: String,
    },
}

/// An output that a task promises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskOutput {
    /// Who may use what comes out.
    pub permissions: Permissions,
    /// Whether it may be disabled once nobody needs it any more.
    pub transient: bool,
}

/// A registered compute task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComputeTask {
    /// Its key.
    pub key: ComputeTaskKey,
    /// The function it runs.
    pub function_key: FunctionKey,
    /// The plan it belongs to.
    pub compute_plan_key: ComputePlanKey,
    /// Who registered it.
    pub owner: OrganizationId,
    /// Who runs it.
    pub worker: OrganizationId,
    /// 0 without parents, else one more than the highest rank among them (compute/TASK-26).
    pub rank: i32,
    /// Where it stands.
    pub status: ComputeTaskStatus,
    /// Free annotations.
    pub metadata: Metadata,
    /// Its inputs, in the order given.
    pub inputs: Vec<TaskInput>,
    /// Its outputs by identifier.
    pub outputs: BTreeMap<String, TaskOutput>,
    /// Who may read its logs.
    pub logs_permission: Permission,
    /// When it was registered.
    pub creation_date: Timestamp,
}

impl ComputeTask {
    /// Its parents, each once, in the order of their first appearance among the inputs (compute/TASK-5).
    pub fn parents(&self) -> Vec<ComputeTaskKey> {
        parents_of(&self.inputs)
    }

    /// The output with this identifier.
    ///
    /// # Errors
    /// OE0106.
    pub fn require_output(&self, identifier: &str) -> Result<&TaskOutput, Refusal> {
        self.outputs.get(identifier).ok_or_else(|| {
            Refusal::new(Code::MissingTaskOutput, format!("task {} has no output {identifier:?}", self.key))
        })
    }

    /// # Errors
    /// OE0102 if `caller` is not the worker.
    pub(crate) fn require_worker(&self, caller: &OrganizationId) -> Result<(), Refusal> {
        if self.worker == *caller {
            return Ok(());
        }
        Err(Refusal::permission_denied(format!("only the worker of task {} may do this", self.key)))
    }

    /// # Errors
    /// OE0102 if `caller` is not the worker, then OE0003 if the task is not executing.
    pub(crate) fn require_executing_worker(&self, caller: &OrganizationId) -> Result<(), Refusal> {
        self.require_worker(caller)?;
        if self.status == ComputeTaskStatus::Executing {
            return Ok(());
        }
        Err(Refusal::bad_request(format!("task {} is not executing but {}", self.key, self.status.as_str())))
    }
}

/// The distinct parents that inputs refer to, in the order of first appearance (compute/TASK-5).
fn parents_of(inputs: &[TaskInput]) -> Vec<ComputeTaskKey> {
    let mut seen = HashSet::new();
    let referred = inputs.iter().filter_map(|input| match &input.source {
        InputSource::ParentOutput { parent_task_key, .. } => Some(*parent_task_key),
        InputSource::Asset(_) => None,
    });
    referred.filter(|key| seen.insert(*key)).collect()
}
