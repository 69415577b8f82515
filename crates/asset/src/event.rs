//! Events: what organizations are told, in one order and without a gap (core/EVT-1 … EVT-12).
//!
//! Owns what an event says. Positions, hashes and encoded bytes belong to the event log of the storage contract.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::caller::ChannelName;
use crate::compute_plan::ComputePlan;
use crate::compute_task::ComputeTask;
use crate::data_manager::DataManager;
use crate::data_sample::DataSample;
use crate::failure_report::FailureReport;
use crate::function::Function;
use crate::key::EventId;
use crate::metadata::Metadata;
use crate::model::Model;
use crate::organization::Organization;
use crate::output_asset::OutputAsset;
use crate::performance::Performance;
use crate::profiling_step::ProfilingStep;
use crate::time::Timestamp;

/// The reason of a status change whose request gave none (compute, table 11.3).
pub const REASON_USER_ACTION: &str = "User action";

/// What happened to the asset. The numbers are those of the wire and of stored events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// It was registered.
    Created = 1,
    /// It changed.
    Updated = 2,
    /// It can no longer be fetched.
    Disabled = 3,
}

/// Kinds of assets. The numbers are those of the wire and of stored data; 2 is retired (core/EVT-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "i16", try_from = "i16")]
pub enum AssetKind {
    /// An organization.
    Organization = 1,
    /// A data sample.
    DataSample = 3,
    /// A data manager.
    DataManager = 4,
    /// A function.
    Function = 5,
    /// A compute task.
    ComputeTask = 6,
    /// A compute plan.
    ComputePlan = 7,
    /// A model.
    Model = 8,
    /// A performance.
    Performance = 9,
    /// A failure report.
    FailureReport = 10,
    /// An asset registered for a task's output.
    OutputAsset = 11,
    /// A profiling step.
    ProfilingStep = 12,
}

impl EventKind {
    /// The number on the wire and in stored events.
    pub const fn number(self) -> i16 {
        self as i16
    }
}

impl AssetKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Organization,
        Self::DataSample,
        Self::DataManager,
        Self::Function,
        Self::ComputeTask,
        Self::ComputePlan,
        Self::Model,
        Self::Performance,
        Self::FailureReport,
        Self::OutputAsset,
        Self::ProfilingStep,
    ];

    /// The number on the wire and in stored data.
    pub const fn number(self) -> i16 {
        self as i16
    }
}

impl From<AssetKind> for i16 {
    fn from(kind: AssetKind) -> Self {
        kind.number()
    }
}

impl TryFrom<i16> for AssetKind {
    type Error = String;

    fn try_from(number: i16) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|kind| kind.number() == number);
        known.ok_or_else(|| format!("{number} is no asset kind"))
    }
}

/// The asset of an event, as it stood right after the change (core/EVT-8).
#[derive(Clone, Debug)]
pub enum EventAsset {
    /// An organization.
    Organization(Arc<Organization>),
    /// A data sample.
    DataSample(Arc<DataSample>),
    /// A data manager.
    DataManager(Arc<DataManager>),
    /// A function.
    Function(Arc<Function>),
    /// A compute task.
    ComputeTask(Arc<ComputeTask>),
    /// A compute plan.
    ComputePlan(Arc<ComputePlan>),
    /// A model.
    Model(Arc<Model>),
    /// A performance.
    Performance(Arc<Performance>),
    /// A failure report.
    FailureReport(Arc<FailureReport>),
    /// An asset registered for a task's output.
    OutputAsset(Arc<OutputAsset>),
    /// A profiling step.
    ProfilingStep(Arc<ProfilingStep>),
}

impl EventAsset {
    /// The kind that fits the asset.
    pub fn kind(&self) -> AssetKind {
        match self {
            Self::Organization(_) => AssetKind::Organization,
            Self::DataSample(_) => AssetKind::DataSample,
            Self::DataManager(_) => AssetKind::DataManager,
            Self::Function(_) => AssetKind::Function,
            Self::ComputeTask(_) => AssetKind::ComputeTask,
            Self::ComputePlan(_) => AssetKind::ComputePlan,
            Self::Model(_) => AssetKind::Model,
            Self::Performance(_) => AssetKind::Performance,
            Self::FailureReport(_) => AssetKind::FailureReport,
            Self::OutputAsset(_) => AssetKind::OutputAsset,
            Self::ProfilingStep(_) => AssetKind::ProfilingStep,
        }
    }

    /// The text by which events of the asset are found; not always a UUID (core/EVT-5, EVT-6).
    pub fn key(&self) -> String {
        match self {
            Self::Organization(organization) => organization.id.to_string(),
            Self::DataSample(sample) => sample.key.to_string(),
            Self::DataManager(manager) => manager.key.to_string(),
            Self::Function(function) => function.key.to_string(),
            Self::ComputeTask(task) => task.key.to_string(),
            Self::ComputePlan(plan) => plan.key.to_string(),
            Self::Model(model) => model.key.to_string(),
            Self::Performance(performance) => performance.key(),
            Self::FailureReport(report) => report.asset_key.to_string(),
            Self::OutputAsset(output_asset) => output_asset.compute_task_key.to_string(),
            Self::ProfilingStep(step) => step.asset_key.to_string(),
        }
    }
}

/// One event of a channel.
#[derive(Clone, Debug)]
pub struct Event {
    /// Unique across channels.
    pub id: EventId,
    /// The channel of the call that made it (core/EVT-4).
    pub channel: ChannelName,
    /// The transaction time of that call (core/EVT-3).
    pub timestamp: Timestamp,
    /// What happened.
    pub event_kind: EventKind,
    /// To what.
    pub asset: EventAsset,
    /// `reason` on status changes of tasks and functions, else empty (core/EVT-7).
    pub metadata: Metadata,
}
