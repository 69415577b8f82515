//! Changes: everything that can happen to a channel's state, one variant each.
//!
//! A change carries the whole asset as it stands right after it. It knows the event it raises (or that it raises none) and the storage
//! addresses it takes and gives back, so nobody can change state and forget either. Stores write changes; they never judge them.

use std::sync::Arc;

use crate::compute_plan::ComputePlan;
use crate::compute_task::ComputeTask;
use crate::data_manager::DataManager;
use crate::data_sample::DataSample;
use crate::event::{EventAsset, EventKind};
use crate::failure_report::FailureReport;
use crate::function::Function;
use crate::key::{ComputeTaskKey, DataManagerKey, ModelKey};
use crate::model::Model;
use crate::organization::Organization;
use crate::output_asset::OutputAsset;
use crate::performance::Performance;
use crate::profiling_step::ProfilingStep;

/// One change of state.
#[derive(Clone, Debug)]
pub enum Change {
    /// An organization became known in the channel (core/ORG-4).
    OrganizationRegistered(Arc<Organization>),
    /// A data manager exists (core/DM-4).
    DataManagerRegistered(Arc<DataManager>),
    /// A data manager has another name (core/DM-13).
    DataManagerRenamed(Arc<DataManager>),
    /// A data sample exists (core/DS-6).
    DataSampleRegistered(Arc<DataSample>),
    /// A data sample was offered to more managers (core/DS-13).
    DataSampleLinked {
        /// The sample with all its managers.
        sample: Arc<DataSample>,
        /// Those that are new; they are the last ones of the sample's list.
        added: Vec<DataManagerKey>,
    },
    /// A function exists (compute/FUNC-6).
    FunctionRegistered(Arc<Function>),
    /// A function has another name or image (compute/FUNC-22).
    FunctionUpdated {
        /// The function afterwards.
        function: Arc<Function>,
        /// The address of the image before, if it had one.
        image_address_before: Option<String>,
    },
    /// A function's build went on (compute/FSM-2 … FSM-5).
    FunctionStatusChanged {
        /// The function afterwards.
        function: Arc<Function>,
        /// Why, as told in the event.
        reason: String,
    },
    /// A compute plan exists (compute/PLAN-4).
    ComputePlanRegistered(Arc<ComputePlan>),
    /// A compute plan has another name (compute/PLAN-22).
    ComputePlanRenamed(Arc<ComputePlan>),
    /// A compute plan was canceled by its owner (compute/PLAN-31).
    ComputePlanCanceled(Arc<ComputePlan>),
    /// A compute plan failed with one of its tasks; raises no event (compute/PLAN-41).
    ComputePlanFailed(Arc<ComputePlan>),
    /// A compute task exists (compute/TASK-25).
    ComputeTaskRegistered(Arc<ComputeTask>),
    /// A new task names a model as input by the model's key; told with the task, so it raises no event (compute/DEF-16).
    ModelUsed {
        /// The model.
        model: ModelKey,
        /// The task.
        compute_task: ComputeTaskKey,
    },
    /// A compute task has another status (compute/TSM-2 … TSM-8).
    ComputeTaskStatusChanged {
        /// The task afterwards.
        task: Arc<ComputeTask>,
        /// Why, as told in the event.
        reason: String,
    },
    /// A model exists (compute/MODEL-6).
    ModelRegistered(Arc<Model>),
    /// A model lost its address (compute/TASK-71).
    ModelDisabled {
        /// The model afterwards.
        model: Arc<Model>,
        /// The address it had.
        address_before: String,
    },
    /// A performance exists (compute/PERF-4).
    PerformanceRegistered(Arc<Performance>),
    /// An asset was registered for a task's output (compute/MODEL-6, compute/PERF-4).
    OutputAssetRegistered(Arc<OutputAsset>),
    /// A failure was reported (compute/FAIL-12).
    FailureReportRegistered(Arc<FailureReport>),
    /// A step was measured; leaves nothing but its event (compute/PROF-3).
    ProfilingStepRecorded(Arc<ProfilingStep>),
}

/// What an event tells of a change.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// What happened to the asset.
    pub event_kind: EventKind,
    /// The asset right after it (core/EVT-8).
    pub asset: EventAsset,
    /// Why, on status changes of tasks and functions (core/EVT-7).
    pub reason: Option<String>,
}

impl Change {
    /// The event that this change raises, if it raises one.
    pub fn announcement(&self) -> Option<Announcement> {
        use EventKind::{Created, Disabled, Updated};
        let (event_kind, asset) = match self {
            Self::OrganizationRegistered(organization) => {
                (Created, EventAsset::Organization(Arc::clone(organization)))
            }
            Self::DataManagerRegistered(manager) => (Created, EventAsset::DataManager(Arc::clone(manager))),
            Self::DataManagerRenamed(manager) => (Updated, EventAsset::DataManager(Arc::clone(manager))),
            Self::DataSampleRegistered(sample) => (Created, EventAsset::DataSample(Arc::clone(sample))),
            Self::DataSampleLinked { sample, .. } => (Updated, EventAsset::DataSample(Arc::clone(sample))),
            Self::FunctionRegistered(function) => (Created, EventAsset::Function(Arc::clone(function))),
            Self::FunctionUpdated { function, .. } | Self::FunctionStatusChanged { function, .. } => {
                (Updated, EventAsset::Function(Arc::clone(function)))
            }
            Self::ComputePlanRegistered(plan) => (Created, EventAsset::ComputePlan(Arc::clone(plan))),
            Self::ComputePlanRenamed(plan) | Self::ComputePlanCanceled(plan) => {
                (Updated, EventAsset::ComputePlan(Arc::clone(plan)))
            }
            Self::ComputePlanFailed(_) | Self::ModelUsed { .. } => return None,
            Self::ComputeTaskRegistered(task) => (Created, EventAsset::ComputeTask(Arc::clone(task))),
            Self::ComputeTaskStatusChanged { task, .. } => {
                (Updated, EventAsset::ComputeTask(Arc::clone(task)))
            }
            Self::ModelRegistered(model) => (Created, EventAsset::Model(Arc::clone(model))),
            Self::ModelDisabled { model, .. } => (Disabled, EventAsset::Model(Arc::clone(model))),
            Self::PerformanceRegistered(performance) => {
                (Created, EventAsset::Performance(Arc::clone(performance)))
            }
            Self::OutputAssetRegistered(output_asset) => {
                (Created, EventAsset::OutputAsset(Arc::clone(output_asset)))
            }
            Self::FailureReportRegistered(report) => (Created, EventAsset::FailureReport(Arc::clone(report))),
            Self::ProfilingStepRecorded(step) => (Created, EventAsset::ProfilingStep(Arc::clone(step))),
        };
        Some(Announcement { event_kind, asset, reason: self.reason().map(str::to_owned) })
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Self::FunctionStatusChanged { reason, .. } | Self::ComputeTaskStatusChanged { reason, .. } => {
                Some(reason)
            }
            _ => None,
        }
    }

    /// The storage addresses that are in use from now on.
    pub fn claimed_addresses(&self) -> Vec<&str> {
        match self {
            Self::DataManagerRegistered(manager) => {
                vec![&manager.description.storage_address, &manager.opener.storage_address]
            }
            Self::FunctionRegistered(function) => {
                vec![&function.description.storage_address, &function.archive.storage_address]
            }
            Self::FunctionUpdated { function, image_address_before } => function
                .image
                .as_ref()
                .map(|image| image.storage_address.as_str())
                .filter(|address| Some(*address) != image_address_before.as_deref())
                .into_iter()
                .collect(),
            Self::ModelRegistered(model) => {
                model.address.as_ref().map(|address| address.storage_address.as_str()).into_iter().collect()
            }
            Self::FailureReportRegistered(report) => report
                .logs_address
                .as_ref()
                .map(|address| address.storage_address.as_str())
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The storage addresses that are free again.
    pub fn released_addresses(&self) -> Vec<&str> {
        match self {
            Self::FunctionUpdated { function, image_address_before: Some(before) } => {
                let kept = function.image.as_ref().is_some_and(|image| image.storage_address == *before);
                if kept { Vec::new() } else { vec![before] }
            }
            Self::ModelDisabled { address_before, .. } => vec![address_before],
            _ => Vec::new(),
        }
    }
}
