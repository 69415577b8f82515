//! Output assets: their rows, how they are loaded as facts, and written.

use std::collections::BTreeSet;
use std::sync::Arc;

use asset::key::Key;
use asset::{AssetKind, ChannelName, ComputeTaskKey, OutputAsset};
use persistence::Result;

use crate::load::Query;
use crate::row::Columns;
use crate::statement::{Statement, bigint};

pub(crate) const TABLE: &str = "output_asset";

pub(crate) const COLUMNS: &str = "compute_task_key, identifier, position, kind, asset_key";

/// The assets registered for the outputs of tasks, by identifier and position. Their models are loaded by
/// [`crate::model::load_of_tasks`].
pub(crate) fn load<'a>(channel: &'a ChannelName, tasks: &'a BTreeSet<ComputeTaskKey>) -> Query<'a> {
    let statement = Statement::new(format!(
        "-- output_asset::load
        SELECT {COLUMNS}
        FROM orchestrator.output_asset
        WHERE compute_task_key = ANY ($2) AND channel = $1
        ORDER BY compute_task_key, identifier, position"
    ))
    .with(channel.as_str())
    .with_keys(tasks);
    Query::new(TABLE, statement, |row, facts| {
        let output_asset = read(row)?;
        facts.output_assets.entry(output_asset.compute_task_key).or_default().push(Arc::new(output_asset));
        Ok(())
    })
}

/// New output assets.
pub(crate) fn insert<'a>(channel: &'a ChannelName, output_assets: &'a [Arc<OutputAsset>]) -> Statement<'a> {
    Statement::new(format!(
        "-- output_asset::insert
        INSERT INTO orchestrator.output_asset (channel, {COLUMNS})
        SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::bigint[], $5::smallint[], $6::text[])"
    ))
    .with(channel.as_str())
    .with_column(output_assets, |asset| asset.compute_task_key.uuid())
    .with_column(output_assets, |asset| asset.identifier.as_str())
    .with_column(output_assets, |asset| bigint(asset.position))
    .with_column(output_assets, |asset| asset.kind.number())
    .with_column(output_assets, |asset| asset.asset_key.as_str())
}

/// The output asset of a row.
pub(crate) fn read(row: &Columns<'_>) -> Result<OutputAsset> {
    Ok(OutputAsset {
        compute_task_key: row.key("compute_task_key")?,
        identifier: row.get("identifier")?,
        position: row.count("position")?,
        kind: row.number("kind", |number| AssetKind::try_from(number).ok())?,
        asset_key: row.get("asset_key")?,
    })
}
