//! Data managers (core/DM-1 … DM-13).

use std::collections::BTreeSet;
use std::sync::Arc;

use asset::key::Key;
use asset::{ChannelName, DataManager, DataManagerKey, Facts};
use persistence::{ByDateAndKey, Page, PageRequest};
use rusqlite::{Connection, params};

use crate::by_key;
use crate::error::Result;
use crate::list::{BY_DATE_AND_KEY, List};
use crate::record::{Record, to_json};
use crate::write::execute_one;

pub(crate) const TABLE: &str = "data_manager";
pub(crate) const COLUMNS: &str =
    "key, channel, name, owner, permissions, logs_permission, description, opener, metadata, creation_date";

/// The data manager of a record.
pub(crate) fn read(record: &Record<'_>) -> Result<DataManager> {
    Ok(DataManager {
        key: record.key("key")?,
        name: record.get("name")?,
        owner: record.organization("owner")?,
        permissions: record.json("permissions")?,
        logs_permission: record.json("logs_permission")?,
        description: record.json("description")?,
        opener: record.json("opener")?,
        metadata: record.json("metadata")?,
        creation_date: record.time("creation_date")?,
    })
}

/// Puts those with these keys.
pub(crate) fn load(
    connection: &Connection,
    channel: &ChannelName,
    keys: &BTreeSet<DataManagerKey>,
    facts: &mut Facts,
) -> Result<()> {
    by_key::load(connection, TABLE, COLUMNS, channel, keys, &mut facts.data_managers, read)
}

/// A page of them (core/DM-10).
pub(crate) fn list(
    connection: &Connection,
    channel: &ChannelName,
    page: PageRequest<ByDateAndKey>,
) -> Result<Page<DataManager, ByDateAndKey>> {
    List::of(TABLE, COLUMNS, channel).page(connection, &BY_DATE_AND_KEY, page, |record| {
        let manager = read(record)?;
        Ok((ByDateAndKey(manager.creation_date, manager.key.uuid()), manager))
    })
}

/// Adds new ones.
pub(crate) fn insert(
    connection: &Connection,
    channel: &ChannelName,
    managers: &[Arc<DataManager>],
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- data_manager::insert
        INSERT INTO data_manager
            (key, channel, name, owner, permissions, logs_permission, description, opener, metadata, creation_date)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for manager in managers {
        statement.execute(params![
            manager.key.uuid(),
            channel.as_str(),
            manager.name,
            manager.owner.as_str(),
            to_json(&manager.permissions)?,
            to_json(&manager.logs_permission)?,
            to_json(&manager.description)?,
            to_json(&manager.opener)?,
            to_json(&manager.metadata)?,
            manager.creation_date.as_micros(),
        ])?;
    }
    Ok(())
}

/// Gives old ones another name.
pub(crate) fn update(
    connection: &Connection,
    channel: &ChannelName,
    managers: &[Arc<DataManager>],
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- data_manager::update
        UPDATE data_manager
        SET name = ?3
        WHERE key = ?1 AND channel = ?2",
    )?;
    for manager in managers {
        execute_one(&mut statement, params![manager.key.uuid(), channel.as_str(), manager.name])?;
    }
    Ok(())
}
