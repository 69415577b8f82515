//! Data managers: their rows, how they are loaded as facts, written, and listed.

use std::collections::BTreeSet;
use std::sync::Arc;

use asset::key::Key;
use asset::{ChannelName, DataManager, DataManagerKey};
use persistence::{ByDateAndKey, PageRequest, Result};
use tokio_postgres::types::Json;

use crate::list::page_by_date_and_key;
use crate::load::Query;
use crate::row::{Columns, put_by_key};
use crate::statement::Statement;

pub(crate) const TABLE: &str = "data_manager";

pub(crate) const COLUMNS: &str =
    "key, name, owner, permissions, logs_permission, description, opener, metadata, creation_date";

/// Data managers by key.
pub(crate) fn load<'a>(channel: &'a ChannelName, keys: &'a BTreeSet<DataManagerKey>) -> Query<'a> {
    let statement = Statement::new(format!(
        "-- data_manager::load
        SELECT {COLUMNS}, channel = $1 AS here
        FROM orchestrator.data_manager
        WHERE key = ANY ($2)"
    ))
    .with(channel.as_str())
    .with_keys(keys);
    Query::new(TABLE, statement, |row, facts| put_by_key(row, &mut facts.data_managers, read))
}

/// Data managers by creation date and key (core/DM-10).
pub(crate) fn list<'a>(channel: &'a ChannelName, page: &PageRequest<ByDateAndKey>) -> Statement<'a> {
    let statement = Statement::new(format!(
        "-- data_manager::list
        SELECT {COLUMNS}
        FROM orchestrator.data_manager
        WHERE channel = $1"
    ))
    .with(channel.as_str());
    page_by_date_and_key(statement, ["creation_date", "key"], page)
}

/// New data managers.
pub(crate) fn insert<'a>(channel: &'a ChannelName, managers: &'a [Arc<DataManager>]) -> Statement<'a> {
    Statement::new(format!(
        "-- data_manager::insert
        INSERT INTO orchestrator.data_manager (channel, {COLUMNS})
        SELECT $1, * FROM unnest(
            $2::uuid[], $3::text[], $4::text[], $5::json[], $6::json[], $7::json[], $8::json[], $9::json[],
            $10::bigint[])"
    ))
    .with(channel.as_str())
    .with_column(managers, |manager| manager.key.uuid())
    .with_column(managers, |manager| manager.name.as_str())
    .with_column(managers, |manager| manager.owner.as_str())
    .with_column(managers, |manager| Json(&manager.permissions))
    .with_column(managers, |manager| Json(&manager.logs_permission))
    .with_column(managers, |manager| Json(&manager.description))
    .with_column(managers, |manager| Json(&manager.opener))
    .with_column(managers, |manager| Json(&manager.metadata))
    .with_column(managers, |manager| manager.creation_date.as_micros())
}

/// Data managers with another name: nothing else of one can change.
pub(crate) fn rename(managers: &[Arc<DataManager>]) -> Statement<'_> {
    Statement::new(
        "-- data_manager::rename
        UPDATE orchestrator.data_manager AS manager
        SET name = renamed.name
        FROM unnest($1::uuid[], $2::text[]) AS renamed (key, name)
        WHERE manager.key = renamed.key",
    )
    .with_column(managers, |manager| manager.key.uuid())
    .with_column(managers, |manager| manager.name.as_str())
}

/// The data manager of a row.
pub(crate) fn read(row: &Columns<'_>) -> Result<DataManager> {
    Ok(DataManager {
        key: row.key("key")?,
        name: row.get("name")?,
        owner: row.organization("owner")?,
        permissions: row.json("permissions")?,
        logs_permission: row.json("logs_permission")?,
        description: row.json("description")?,
        opener: row.json("opener")?,
        metadata: row.json("metadata")?,
        creation_date: row.time("creation_date")?,
    })
}
