//! Models: their rows, how they are loaded as facts, and written.

use std::collections::BTreeSet;
use std::sync::Arc;

use asset::key::Key;
use asset::{ChannelName, ComputeTaskKey, Model, ModelKey};
use persistence::Result;
use tokio_postgres::types::Json;

use crate::load::Query;
use crate::row::{Columns, put_by_key};
use crate::statement::Statement;

pub(crate) const TABLE: &str = "model";

pub(crate) const COLUMNS: &str = "key, compute_task_key, address, permissions, owner, creation_date";

/// Models by key.
pub(crate) fn load<'a>(channel: &'a ChannelName, keys: &'a BTreeSet<ModelKey>) -> Query<'a> {
    let statement = Statement::new(format!(
        "-- model::load
        SELECT {COLUMNS}, channel = $1 AS here
        FROM orchestrator.model
        WHERE key = ANY ($2)"
    ))
    .with(channel.as_str())
    .with_keys(keys);
    Query::new(TABLE, statement, |row, facts| put_by_key(row, &mut facts.models, read))
}

/// The models that tasks have made, unless something newer is known of one.
pub(crate) fn load_of_tasks<'a>(channel: &'a ChannelName, tasks: &'a BTreeSet<ComputeTaskKey>) -> Query<'a> {
    let statement = Statement::new(format!(
        "-- model::load_of_tasks
        SELECT {COLUMNS}
        FROM orchestrator.model
        WHERE compute_task_key = ANY ($2) AND channel = $1"
    ))
    .with(channel.as_str())
    .with_keys(tasks);
    Query::new(TABLE, statement, |row, facts| {
        let model = read(row)?;
        if !facts.models.knows(model.key) {
            facts.models.put(model.key, Arc::new(model));
        }
        Ok(())
    })
}

/// New models.
pub(crate) fn insert<'a>(channel: &'a ChannelName, models: &'a [Arc<Model>]) -> Statement<'a> {
    Statement::new(format!(
        "-- model::insert
        INSERT INTO orchestrator.model (channel, {COLUMNS})
        SELECT $1, * FROM unnest(
            $2::uuid[], $3::uuid[], $4::json[], $5::json[], $6::text[], $7::bigint[])"
    ))
    .with(channel.as_str())
    .with_column(models, |model| model.key.uuid())
    .with_column(models, |model| model.compute_task_key.uuid())
    .with_column(models, |model| model.address.as_ref().map(Json))
    .with_column(models, |model| Json(&model.permissions))
    .with_column(models, |model| model.owner.as_str())
    .with_column(models, |model| model.creation_date.as_micros())
}

/// Models that lose their address: nothing else of one can change.
pub(crate) fn disable(models: &[Arc<Model>]) -> Statement<'_> {
    Statement::new(
        "-- model::disable
        UPDATE orchestrator.model
        SET address = NULL
        WHERE key = ANY ($1)",
    )
    .with_column(models, |model| model.key.uuid())
}

/// The model of a row.
pub(crate) fn read(row: &Columns<'_>) -> Result<Model> {
    Ok(Model {
        key: row.key("key")?,
        compute_task_key: row.key("compute_task_key")?,
        address: row.optional_json("address")?,
        permissions: row.json("permissions")?,
        owner: row.organization("owner")?,
        creation_date: row.time("creation_date")?,
    })
}
