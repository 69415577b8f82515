//! Output assets on the wire: they appear in events only (compute/MODEL-6, compute/PERF-4).

use asset::OutputAsset;

use crate::asset_kind;

/// The message of an output asset. Its position among the assets of the output is not part of the wire.
pub(crate) fn message(output_asset: &OutputAsset) -> proto::ComputeTaskOutputAsset {
    let OutputAsset { compute_task_key, identifier, position: _, kind, asset_key } = output_asset;
    proto::ComputeTaskOutputAsset {
        compute_task_key: compute_task_key.to_string(),
        compute_task_output_identifier: identifier.clone(),
        asset_kind: asset_kind::number(*kind),
        asset_key: asset_key.clone(),
    }
}
