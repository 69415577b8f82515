//! Output assets: what was registered for the outputs of tasks (compute/MODEL-6, compute/PERF-4).

use std::collections::BTreeSet;
use std::sync::Arc;

use asset::key::Key;
use asset::{AssetKind, ChannelName, ComputeTaskKey, Facts, OutputAsset};
use rusqlite::{Connection, params};

use crate::error::Result;
use crate::record::{Record, array, for_each};

pub(crate) const TABLE: &str = "output_asset";
pub(crate) const COLUMNS: &str = "compute_task_key, identifier, position, kind, asset_key";

/// The output asset of a record.
pub(crate) fn read(record: &Record<'_>) -> Result<OutputAsset> {
    Ok(OutputAsset {
        compute_task_key: record.key("compute_task_key")?,
        identifier: record.get("identifier")?,
        position: record.get("position")?,
        kind: record.number("kind", |number| AssetKind::try_from(number).ok())?,
        asset_key: record.get("asset_key")?,
    })
}

/// Puts those of these tasks, by identifier and position; their models are the business of [`crate::model::load_of_tasks`].
pub(crate) fn load(
    connection: &Connection,
    channel: &ChannelName,
    tasks: &BTreeSet<ComputeTaskKey>,
    facts: &mut Facts,
) -> Result<()> {
    if tasks.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "-- output_asset::load
        SELECT {COLUMNS}
        FROM output_asset
        WHERE compute_task_key IN (SELECT value FROM rarray(?1)) AND channel = ?2
        ORDER BY compute_task_key, identifier, position"
    );
    for_each(connection, TABLE, &sql, params![array(tasks), channel.as_str()], |record| {
        let output_asset = read(record)?;
        facts.output_assets.entry(output_asset.compute_task_key).or_default().push(Arc::new(output_asset));
        Ok(())
    })
}

/// Adds new ones.
pub(crate) fn insert(
    connection: &Connection,
    channel: &ChannelName,
    output_assets: &[Arc<OutputAsset>],
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- output_asset::insert
        INSERT INTO output_asset (compute_task_key, identifier, position, channel, kind, asset_key)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for output_asset in output_assets {
        statement.execute(params![
            output_asset.compute_task_key.uuid(),
            output_asset.identifier,
            output_asset.position,
            channel.as_str(),
            output_asset.kind.number(),
            output_asset.asset_key,
        ])?;
    }
    Ok(())
}
