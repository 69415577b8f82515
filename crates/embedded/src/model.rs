//! Models (compute/MODEL-1 … MODEL-11).

use std::collections::BTreeSet;
use std::sync::Arc;

use asset::key::Key;
use asset::{ChannelName, ComputeTaskKey, Facts, Model, ModelKey};
use rusqlite::{Connection, params};

use crate::by_key;
use crate::error::Result;
use crate::record::{Record, array, for_each, to_json, to_optional_json};
use crate::write::execute_one;

pub(crate) const TABLE: &str = "model";
pub(crate) const COLUMNS: &str = "key, channel, compute_task_key, address, permissions, owner, creation_date";

/// The model of a record.
pub(crate) fn read(record: &Record<'_>) -> Result<Model> {
    Ok(Model {
        key: record.key("key")?,
        compute_task_key: record.key("compute_task_key")?,
        address: record.optional_json("address")?,
        permissions: record.json("permissions")?,
        owner: record.organization("owner")?,
        creation_date: record.time("creation_date")?,
    })
}

/// Puts those with these keys.
pub(crate) fn load(
    connection: &Connection,
    channel: &ChannelName,
    keys: &BTreeSet<ModelKey>,
    facts: &mut Facts,
) -> Result<()> {
    by_key::load(connection, TABLE, COLUMNS, channel, keys, &mut facts.models, read)
}

/// Puts those that these tasks made, unless they are known.
pub(crate) fn load_of_tasks(
    connection: &Connection,
    channel: &ChannelName,
    tasks: &BTreeSet<ComputeTaskKey>,
    facts: &mut Facts,
) -> Result<()> {
    if tasks.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "-- model::load_of_tasks
        SELECT {COLUMNS}
        FROM model
        WHERE compute_task_key IN (SELECT value FROM rarray(?1)) AND channel = ?2"
    );
    for_each(connection, TABLE, &sql, params![array(tasks), channel.as_str()], |record| {
        let key = record.key("key")?;
        if !facts.models.knows(key) {
            facts.models.put(key, Arc::new(read(record)?));
        }
        Ok(())
    })
}

/// Adds new ones.
pub(crate) fn insert(connection: &Connection, channel: &ChannelName, models: &[Arc<Model>]) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- model::insert
        INSERT INTO model (key, channel, compute_task_key, address, permissions, owner, creation_date)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for model in models {
        statement.execute(params![
            model.key.uuid(),
            channel.as_str(),
            model.compute_task_key.uuid(),
            to_optional_json(model.address.as_ref())?,
            to_json(&model.permissions)?,
            model.owner.as_str(),
            model.creation_date.as_micros(),
        ])?;
    }
    Ok(())
}

/// Takes their address from old ones.
pub(crate) fn update(connection: &Connection, channel: &ChannelName, models: &[Arc<Model>]) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- model::update
        UPDATE model
        SET address = ?3
        WHERE key = ?1 AND channel = ?2",
    )?;
    for model in models {
        let address = to_optional_json(model.address.as_ref())?;
        execute_one(&mut statement, params![model.key.uuid(), channel.as_str(), address])?;
    }
    Ok(())
}
