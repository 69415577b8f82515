//! Functions (compute/FUNC-1 … FUNC-22).

use std::collections::BTreeSet;
use std::sync::Arc;

use asset::key::Key;
use asset::{ChannelName, Facts, Function, FunctionKey, FunctionStatus};
use persistence::{ByDateAndKey, FunctionFilter, Page, PageRequest};
use rusqlite::{Connection, params};

use crate::by_key;
use crate::error::Result;
use crate::list::{BY_DATE_AND_KEY, List};
use crate::record::{Record, to_json, to_optional_json};
use crate::write::execute_one;

pub(crate) const TABLE: &str = "function";
pub(crate) const COLUMNS: &str = "key, channel, name, owner, permissions, description, archive, image, inputs, outputs, metadata, \
    status, creation_date";

/// The function of a record.
pub(crate) fn read(record: &Record<'_>) -> Result<Function> {
    Ok(Function {
        key: record.key("key")?,
        name: record.get("name")?,
        owner: record.organization("owner")?,
        permissions: record.json("permissions")?,
        description: record.json("description")?,
        archive: record.json("archive")?,
        image: record.optional_json("image")?,
        inputs: record.json("inputs")?,
        outputs: record.json("outputs")?,
        metadata: record.json("metadata")?,
        status: record.number("status", FunctionStatus::from_number)?,
        creation_date: record.time("creation_date")?,
    })
}

/// Puts those with these keys.
pub(crate) fn load(
    connection: &Connection,
    channel: &ChannelName,
    keys: &BTreeSet<FunctionKey>,
    facts: &mut Facts,
) -> Result<()> {
    by_key::load(connection, TABLE, COLUMNS, channel, keys, &mut facts.functions, read)
}

/// A page of them (compute/FUNC-11).
pub(crate) fn list(
    connection: &Connection,
    channel: &ChannelName,
    filter: &FunctionFilter,
    page: PageRequest<ByDateAndKey>,
) -> Result<Page<Function, ByDateAndKey>> {
    let run_by_plan = "key IN (
        SELECT function_key
        FROM compute_task
        WHERE channel = ?1 AND compute_plan_key = ?
    )";
    List::of(TABLE, COLUMNS, channel).only_if(run_by_plan, filter.compute_plan_key.map(Key::uuid)).page(
        connection,
        &BY_DATE_AND_KEY,
        page,
        |record| {
            let function = read(record)?;
            Ok((ByDateAndKey(function.creation_date, function.key.uuid()), function))
        },
    )
}

/// Adds new ones.
pub(crate) fn insert(
    connection: &Connection,
    channel: &ChannelName,
    functions: &[Arc<Function>],
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- function::insert
        INSERT INTO function
            (key, channel, name, owner, permissions, description, archive, image, inputs, outputs, metadata, status, creation_date)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    for function in functions {
        statement.execute(params![
            function.key.uuid(),
            channel.as_str(),
            function.name,
            function.owner.as_str(),
            to_json(&function.permissions)?,
            to_json(&function.description)?,
            to_json(&function.archive)?,
            to_optional_json(function.image.as_ref())?,
            to_json(&function.inputs)?,
            to_json(&function.outputs)?,
            to_json(&function.metadata)?,
            function.status.number(),
            function.creation_date.as_micros(),
        ])?;
    }
    Ok(())
}

/// Gives old ones another name, image or status.
pub(crate) fn update(
    connection: &Connection,
    channel: &ChannelName,
    functions: &[Arc<Function>],
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- function::update
        UPDATE function
        SET name = ?3, image = ?4, status = ?5
        WHERE key = ?1 AND channel = ?2",
    )?;
    for function in functions {
        let image = to_optional_json(function.image.as_ref())?;
        let (key, status) = (function.key.uuid(), function.status.number());
        execute_one(&mut statement, params![key, channel.as_str(), function.name, image, status])?;
    }
    Ok(())
}
