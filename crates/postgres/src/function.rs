//! Functions: their rows, how they are loaded as facts, written, and listed.

use std::collections::BTreeSet;
use std::sync::Arc;

use asset::key::Key;
use asset::{ChannelName, Function, FunctionKey, FunctionStatus};
use persistence::{ByDateAndKey, FunctionFilter, PageRequest, Result};
use tokio_postgres::types::Json;

use crate::list::page_by_date_and_key;
use crate::load::Query;
use crate::row::{Columns, put_by_key};
use crate::statement::Statement;

pub(crate) const TABLE: &str = "function";

pub(crate) const COLUMNS: &str =
    "key, name, owner, permissions, description, archive, image, inputs, outputs, metadata, status,
            creation_date";

/// Functions by key.
pub(crate) fn load<'a>(channel: &'a ChannelName, keys: &'a BTreeSet<FunctionKey>) -> Query<'a> {
    let statement = Statement::new(format!(
        "-- function::load
        SELECT {COLUMNS}, channel = $1 AS here
        FROM orchestrator.function
        WHERE key = ANY ($2)"
    ))
    .with(channel.as_str())
    .with_keys(keys);
    Query::new(TABLE, statement, |row, facts| put_by_key(row, &mut facts.functions, read))
}

/// Functions by creation date and key (compute/FUNC-11).
pub(crate) fn list<'a>(
    channel: &'a ChannelName,
    filter: &FunctionFilter,
    page: &PageRequest<ByDateAndKey>,
) -> Statement<'a> {
    let statement = Statement::new(format!(
        "-- function::list
        SELECT {COLUMNS}
        FROM "
    ));
    let statement = match filter.compute_plan_key {
        None => statement.text("orchestrator.function"),
        Some(plan) => statement.text_with(
            "(
            SELECT * FROM orchestrator.function
            WHERE key = ANY (ARRAY(SELECT function_key FROM orchestrator.compute_task WHERE compute_plan_key = {}))
            OFFSET 0
        ) AS function",
            plan.uuid(),
        ),
    };
    let statement = statement.text_with("\n        WHERE channel = {}", channel.as_str());
    page_by_date_and_key(statement, ["creation_date", "key"], page)
}

/// New functions.
pub(crate) fn insert<'a>(channel: &'a ChannelName, functions: &'a [Arc<Function>]) -> Statement<'a> {
    Statement::new(format!(
        "-- function::insert
        INSERT INTO orchestrator.function (channel, {COLUMNS})
        SELECT $1, * FROM unnest(
            $2::uuid[], $3::text[], $4::text[], $5::json[], $6::json[], $7::json[], $8::json[], $9::json[],
            $10::json[], $11::json[], $12::smallint[], $13::bigint[])"
    ))
    .with(channel.as_str())
    .with_column(functions, |function| function.key.uuid())
    .with_column(functions, |function| function.name.as_str())
    .with_column(functions, |function| function.owner.as_str())
    .with_column(functions, |function| Json(&function.permissions))
    .with_column(functions, |function| Json(&function.description))
    .with_column(functions, |function| Json(&function.archive))
    .with_column(functions, |function| function.image.as_ref().map(Json))
    .with_column(functions, |function| Json(&function.inputs))
    .with_column(functions, |function| Json(&function.outputs))
    .with_column(functions, |function| Json(&function.metadata))
    .with_column(functions, |function| function.status.number())
    .with_column(functions, |function| function.creation_date.as_micros())
}

/// Functions with another name, image or status: nothing else of one can change.
pub(crate) fn update(functions: &[Arc<Function>]) -> Statement<'_> {
    Statement::new(
        "-- function::update
        UPDATE orchestrator.function AS function
        SET name = updated.name, image = updated.image, status = updated.status
        FROM unnest($1::uuid[], $2::text[], $3::json[], $4::smallint[]) AS updated (key, name, image, status)
        WHERE function.key = updated.key",
    )
    .with_column(functions, |function| function.key.uuid())
    .with_column(functions, |function| function.name.as_str())
    .with_column(functions, |function| function.image.as_ref().map(Json))
    .with_column(functions, |function| function.status.number())
}

/// The function of a row.
pub(crate) fn read(row: &Columns<'_>) -> Result<Function> {
    Ok(Function {
        key: row.key("key")?,
        name: row.get("name")?,
        owner: row.organization("owner")?,
        permissions: row.json("permissions")?,
        description: row.json("description")?,
        archive: row.json("archive")?,
        image: row.optional_json("image")?,
        inputs: row.json("inputs")?,
        outputs: row.json("outputs")?,
        metadata: row.json("metadata")?,
        status: row.number("status", FunctionStatus::from_number)?,
        creation_date: row.time("creation_date")?,
    })
}
