//! Output assets: which model or performance was registered for which output of which task (compute/MODEL-6, compute/PERF-4).

use crate::event::AssetKind;
use crate::key::ComputeTaskKey;

/// The link from a task's output to an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputAsset {
    /// The task.
    pub compute_task_key: ComputeTaskKey,
    /// The identifier of its output.
    pub identifier: String,
    /// Counts the assets of that output, from 1 on.
    pub position: u32,
    /// Model or performance.
    pub kind: AssetKind,
    /// The key of the model, or of the performance (see [`crate::Performance::key`]).
    pub asset_key: String,
}
