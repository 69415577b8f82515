//! Compute tasks, and the ways that lead to them: from their parents, functions, plans and inputs (compute/TASK-1 … TASK-71).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use asset::facts::ByKey;
use asset::key::Key;
use asset::{
    ChannelName, ComputePlanKey, ComputeTask, ComputeTaskKey, ComputeTaskStatus, Facts, FunctionKey, ModelKey,
};
use bytes::Bytes;
use persistence::task_message::{self, Beside};
use persistence::{ByDateAndKey, ComputeTaskFilter, Page, PageRequest};
use rusqlite::{Connection, params};

use crate::by_key;
use crate::error::Result;
use crate::list::{BY_DATE_AND_KEY, List};
use crate::record::{Record, array, for_each};
use crate::write::execute_one;

pub(crate) const TABLE: &str = "compute_task";
pub(crate) const COLUMNS: &str =
    "key, channel, function_key, compute_plan_key, worker, status, creation_date, encoded";

/// The compute task of a record.
pub(crate) fn read(record: &Record<'_>) -> Result<ComputeTask> {
    let beside = Beside {
        key: record.key("key")?,
        function_key: record.key("function_key")?,
        compute_plan_key: record.key("compute_plan_key")?,
        worker: record.organization("worker")?,
        status: record.number("status", ComputeTaskStatus::from_number)?,
        creation_date: record.time("creation_date")?,
    };
    task_message::decode(record.bytes_of("encoded")?, &beside)
        .map_err(|problem| record.corrupt("encoded", problem))
}

/// The encoded message of a record of a list, with its place.
fn read_listed(record: &Record<'_>) -> Result<(ByDateAndKey, Bytes)> {
    let status = record.number("status", ComputeTaskStatus::from_number)?;
    let encoded = task_message::with_status(record.bytes_of("encoded")?, status);
    Ok((ByDateAndKey(record.time("creation_date")?, record.get("key")?), encoded.into()))
}

/// Puts those with these keys.
pub(crate) fn load(
    connection: &Connection,
    channel: &ChannelName,
    keys: &BTreeSet<ComputeTaskKey>,
    facts: &mut Facts,
) -> Result<()> {
    by_key::load(connection, TABLE, COLUMNS, channel, keys, &mut facts.compute_tasks, read)
}

/// Puts the statuses of those with these keys.
pub(crate) fn load_statuses(
    connection: &Connection,
    channel: &ChannelName,
    keys: &BTreeSet<ComputeTaskKey>,
    facts: &mut Facts,
) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let sql = "-- compute_task::load_statuses
        SELECT key, status
        FROM compute_task
        WHERE key IN (SELECT value FROM rarray(?1)) AND channel = ?2";
    for_each(connection, TABLE, sql, params![array(keys), channel.as_str()], |record| {
        put_status(record, &mut facts.task_statuses)?;
        Ok(())
    })
}

/// Puts the children of these tasks, in order of registration.
pub(crate) fn load_children(
    connection: &Connection,
    channel: &ChannelName,
    parents: &BTreeSet<ComputeTaskKey>,
    facts: &mut Facts,
) -> Result<()> {
    if parents.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "-- compute_task::load_children
        SELECT {COLUMNS}, parent_key
        FROM compute_task_child
        JOIN compute_task ON compute_task.serial = compute_task_child.child
        WHERE parent_key IN (SELECT value FROM rarray(?1)) AND channel = ?2
        ORDER BY creation_date, serial"
    );
    for_each(connection, TABLE, &sql, params![array(parents), channel.as_str()], |record| {
        let child = put_new(record, &mut facts.compute_tasks)?;
        facts.children.entry(record.key("parent_key")?).or_default().push(child);
        Ok(())
    })
}

/// Puts the tasks of these functions that wait for the builder or the build, in order of registration.
pub(crate) fn load_unbuilt(
    connection: &Connection,
    channel: &ChannelName,
    functions: &BTreeSet<FunctionKey>,
    facts: &mut Facts,
) -> Result<()> {
    if functions.is_empty() {
        return Ok(());
    }
    // The statuses are written out because the index holds only rows with these; few at any time, among all tasks of a function.
    let sql = format!(
        "-- compute_task::load_unbuilt
        SELECT {COLUMNS}
        FROM compute_task INDEXED BY compute_task_unbuilt
        WHERE function_key IN (SELECT value FROM rarray(?1)) AND status IN ({}, {}) AND channel = ?2
        ORDER BY creation_date, serial",
        ComputeTaskStatus::WaitingForBuilderSlot.number(),
        ComputeTaskStatus::Building.number(),
    );
    for_each(connection, TABLE, &sql, params![array(functions), channel.as_str()], |record| {
        let task = put_new(record, &mut facts.compute_tasks)?;
        facts.unbuilt_tasks.entry(record.key("function_key")?).or_default().push(task);
        Ok(())
    })
}

/// Puts the keys and statuses of the tasks that name these models as input.
pub(crate) fn load_model_users(
    connection: &Connection,
    channel: &ChannelName,
    models: &BTreeSet<ModelKey>,
    facts: &mut Facts,
) -> Result<()> {
    if models.is_empty() {
        return Ok(());
    }
    let sql = "-- compute_task::load_model_users
        SELECT key, status, model_key
        FROM model_use
        JOIN compute_task ON compute_task.key = model_use.compute_task_key
        WHERE model_key IN (SELECT value FROM rarray(?1)) AND channel = ?2
        ORDER BY creation_date, serial";
    for_each(connection, TABLE, sql, params![array(models), channel.as_str()], |record| {
        let user = put_status(record, &mut facts.task_statuses)?;
        facts.model_users.entry(record.key("model_key")?).or_default().push(user);
        Ok(())
    })
}

/// Puts which statuses occur in these plans. Asks the index for each status, so it costs the same however many tasks a plan has.
pub(crate) fn load_statuses_in_plans(
    connection: &Connection,
    channel: &ChannelName,
    plans: &BTreeSet<ComputePlanKey>,
    facts: &mut Facts,
) -> Result<()> {
    if plans.is_empty() {
        return Ok(());
    }
    let statuses = ComputeTaskStatus::ALL.map(|status| format!("({})", status.number())).join(", ");
    let sql = format!(
        "-- compute_task::load_statuses_in_plans
        WITH status (number) AS (VALUES {statuses})
        SELECT plan.value AS compute_plan_key, status.number AS status
        FROM rarray(?1) AS plan
        CROSS JOIN status
        WHERE EXISTS (
            SELECT 1
            FROM compute_task
            WHERE channel = ?2 AND compute_plan_key = plan.value AND compute_task.status = status.number
        )"
    );
    for_each(connection, TABLE, &sql, params![array(plans), channel.as_str()], |record| {
        let statuses = facts.statuses_in_plans.entry(record.key("compute_plan_key")?).or_default();
        statuses.insert(record.number("status", ComputeTaskStatus::from_number)?);
        Ok(())
    })
}

/// What is known stays: changes of the same batch may lie over it.
fn put_new(record: &Record<'_>, known: &mut ByKey<ComputeTaskKey, ComputeTask>) -> Result<ComputeTaskKey> {
    let key = record.key("key")?;
    if !known.knows(key) {
        known.put(key, Arc::new(read(record)?));
    }
    Ok(key)
}

/// As [`put_new`], for tasks that are not needed whole.
fn put_status(
    record: &Record<'_>,
    known: &mut HashMap<ComputeTaskKey, ComputeTaskStatus>,
) -> Result<ComputeTaskKey> {
    let key = record.key("key")?;
    known.entry(key).or_insert(record.number("status", ComputeTaskStatus::from_number)?);
    Ok(key)
}

/// A page of them (compute/TASK-41).
pub(crate) fn list(
    connection: &Connection,
    channel: &ChannelName,
    filter: ComputeTaskFilter,
    page: PageRequest<ByDateAndKey>,
) -> Result<Page<Bytes, ByDateAndKey>> {
    List::of(TABLE, "key, creation_date, status, encoded", channel)
        .only_if("worker = ?", filter.worker.map(|worker| worker.to_string()))
        .only_if("status = ?", filter.status.map(ComputeTaskStatus::number))
        .only_if("compute_plan_key = ?", filter.compute_plan_key.map(Key::uuid))
        .only_if("function_key = ?", filter.function_key.map(Key::uuid))
        .page(connection, &BY_DATE_AND_KEY, page, read_listed)
}

/// Adds new ones, and that their parents lead to them.
pub(crate) fn insert(
    connection: &Connection,
    channel: &ChannelName,
    tasks: &[Arc<ComputeTask>],
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- compute_task::insert
        INSERT INTO compute_task
            (key, channel, function_key, compute_plan_key, worker, status, creation_date, encoded)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let mut child = connection.prepare_cached(
        "-- compute_task::insert child
        INSERT INTO compute_task_child (parent_key, child)
        VALUES (?1, ?2)",
    )?;
    for task in tasks {
        statement.execute(params![
            task.key.uuid(),
            channel.as_str(),
            task.function_key.uuid(),
            task.compute_plan_key.uuid(),
            task.worker.as_str(),
            task.status.number(),
            task.creation_date.as_micros(),
            task_message::encode(task),
        ])?;
        let serial = connection.last_insert_rowid();
        for parent in task.parents() {
            child.execute(params![parent.uuid(), serial])?;
        }
    }
    Ok(())
}

/// Adds which new ones name which models.
pub(crate) fn insert_model_uses(connection: &Connection, uses: &[(ModelKey, ComputeTaskKey)]) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- compute_task::insert_model_uses
        INSERT INTO model_use (model_key, compute_task_key)
        VALUES (?1, ?2)",
    )?;
    for (model, task) in uses {
        execute_one(&mut statement, params![model.uuid(), task.uuid()])?;
    }
    Ok(())
}

/// Gives old ones another status.
pub(crate) fn update(
    connection: &Connection,
    channel: &ChannelName,
    tasks: &[Arc<ComputeTask>],
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- compute_task::update
        UPDATE compute_task
        SET status = ?3
        WHERE key = ?1 AND channel = ?2",
    )?;
    for task in tasks {
        execute_one(&mut statement, params![task.key.uuid(), channel.as_str(), task.status.number()])?;
    }
    Ok(())
}
