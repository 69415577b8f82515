//! The names by which the predecessor keeps statuses and kinds: those of the wire's enumerations.

use asset::failure_report::{ErrorType, FailedAssetKind};
use asset::{AssetKind, ComputeTaskStatus, EventKind, FunctionStatus};

/// The kind with this name. Metrics, which were a kind of their own once, are none.
pub(super) fn asset_kind(name: &str) -> Option<AssetKind> {
    Some(match name {
        "ASSET_ORGANIZATION" => AssetKind::Organization,
        "ASSET_DATA_SAMPLE" => AssetKind::DataSample,
        "ASSET_DATA_MANAGER" => AssetKind::DataManager,
        "ASSET_FUNCTION" => AssetKind::Function,
        "ASSET_COMPUTE_TASK" => AssetKind::ComputeTask,
        "ASSET_COMPUTE_PLAN" => AssetKind::ComputePlan,
        "ASSET_MODEL" => AssetKind::Model,
        "ASSET_PERFORMANCE" => AssetKind::Performance,
        "ASSET_FAILURE_REPORT" => AssetKind::FailureReport,
        "ASSET_COMPUTE_TASK_OUTPUT_ASSET" => AssetKind::OutputAsset,
        "ASSET_PROFILING_STEP" => AssetKind::ProfilingStep,
        _ => return None,
    })
}

/// The kind with this name.
pub(super) fn event_kind(name: &str) -> Option<EventKind> {
    Some(match name {
        "EVENT_ASSET_CREATED" => EventKind::Created,
        "EVENT_ASSET_UPDATED" => EventKind::Updated,
        "EVENT_ASSET_DISABLED" => EventKind::Disabled,
        _ => return None,
    })
}

/// The status with this name.
pub(super) fn function_status(name: &str) -> Option<FunctionStatus> {
    FunctionStatus::ALL.into_iter().find(|status| status.as_str() == name)
}

/// The status with this name.
pub(super) fn compute_task_status(name: &str) -> Option<ComputeTaskStatus> {
    ComputeTaskStatus::ALL.into_iter().find(|status| status.as_str() == name)
}

/// The type with this name.
pub(super) fn error_type(name: &str) -> Option<ErrorType> {
    Some(match name {
        "ERROR_TYPE_BUILD" => ErrorType::Build,
        "ERROR_TYPE_EXECUTION" => ErrorType::Execution,
        "ERROR_TYPE_INTERNAL" => ErrorType::Internal,
        _ => return None,
    })
}

/// The kind with this name, or the one that does not tell.
pub(super) fn failed_asset_kind(name: &str) -> Option<Option<FailedAssetKind>> {
    Some(match name {
        "FAILED_ASSET_UNKNOWN" => None,
        "FAILED_ASSET_COMPUTE_TASK" => Some(FailedAssetKind::ComputeTask),
        "FAILED_ASSET_FUNCTION" => Some(FailedAssetKind::Function),
        _ => return None,
    })
}
