//! Compute tasks: their rows, how they are loaded as facts, written, and listed.
//!
//! The status has a row of its own, so that a change of it is small; the rest of a task never changes, inputs and
//! outputs included. It is kept as the message that is sent, beside what tasks are looked for by. What is asked in the
//! other direction has a table of its own: the children of a task, and the tasks that name a model as input. What a
//! batch loads is found by keys alone and tells by its column `here` whether it is of the channel: a condition on the
//! channel would tempt the database to walk through all of the channel's tasks (see `plans.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use asset::key::Key;
use asset::{
    ChannelName, ComputePlanKey, ComputeTask, ComputeTaskKey, ComputeTaskStatus, Facts, FunctionKey, ModelKey,
};
use bytes::Bytes;
use persistence::task_message::{self, Beside};
use persistence::{ByDateAndKey, ComputeTaskFilter, PageRequest, Result};
use uuid::Uuid;

use crate::list::{page_by_date_and_key, place};
use crate::load::Query;
use crate::row::{Columns, put_by_key};
use crate::statement::Statement;

pub(crate) const TABLE: &str = "compute_task";

/// What never changes of a task.
const COLUMNS: &str = "key, function_key, compute_plan_key, worker, creation_date, encoded";

/// What a page is made of.
const LISTED: &str = "task.key, task.creation_date, task.encoded, current.status";

/// Whole tasks: `task.*` has [`COLUMNS`] and the channel, `current` the status.
const TASKS: &str = "orchestrator.compute_task AS task
        JOIN orchestrator.compute_task_status AS current ON current.compute_task_key = task.key";

/// All compute tasks of a channel, in no order.
pub(crate) fn all(channel: &ChannelName) -> Statement<'_> {
    Statement::new(format!(
        "-- compute_task::all
        SELECT task.*, current.status
        FROM {TASKS}
        WHERE task.channel = $1"
    ))
    .with(channel.as_str())
}

/// Compute tasks by key.
pub(crate) fn load<'a>(channel: &'a ChannelName, keys: &'a BTreeSet<ComputeTaskKey>) -> Query<'a> {
    let statement = Statement::new(format!(
        "-- compute_task::load
        SELECT task.*, current.status, task.channel = $1 AS here
        FROM {TASKS}
        WHERE task.key = ANY ($2)"
    ))
    .with(channel.as_str())
    .with_keys(keys);
    Query::new(TABLE, statement, |row, facts| put_by_key(row, &mut facts.compute_tasks, read))
}

/// Only the statuses of tasks.
pub(crate) fn load_statuses<'a>(channel: &'a ChannelName, keys: &'a BTreeSet<ComputeTaskKey>) -> Query<'a> {
    let statement = Statement::new(
        "-- compute_task::load_statuses
        SELECT compute_task_key AS key, status, channel = $1 AS here
        FROM orchestrator.compute_task_status
        WHERE compute_task_key = ANY ($2)",
    )
    .with(channel.as_str())
    .with_keys(keys);
    Query::new(TABLE, statement, |row, facts| {
        if row.get("here")? {
            put_status(row, facts)?;
        }
        Ok(())
    })
}

/// The children of tasks, each whole and once, in order of registration.
pub(crate) fn load_children<'a>(
    channel: &'a ChannelName,
    parents: &'a BTreeSet<ComputeTaskKey>,
) -> Query<'a> {
    let statement = Statement::new(format!(
        "-- compute_task::load_children
        SELECT task.*, current.status, task.channel = $1 AS here
        FROM {TASKS}
        WHERE task.key = ANY (ARRAY(
            SELECT child_key FROM orchestrator.compute_task_parent WHERE parent_key = ANY ($2)
        ))
        ORDER BY task.creation_date, task.registration"
    ))
    .with(channel.as_str())
    .with_keys(parents);
    Query::new(TABLE, statement, |row, facts| {
        let Some(child) = put_unless_known(row, facts)? else {
            return Ok(());
        };
        for parent in child.parents() {
            if parents.contains(&parent) {
                facts.children.entry(parent).or_default().push(child.key);
            }
        }
        Ok(())
    })
}

/// The tasks of functions that wait for the build (7) or its end (8), whole, in order of registration.
pub(crate) fn load_unbuilt<'a>(channel: &'a ChannelName, functions: &'a BTreeSet<FunctionKey>) -> Query<'a> {
    let statement = Statement::new(format!(
        "-- compute_task::load_unbuilt
        SELECT task.*, current.status, task.channel = $1 AS here
        FROM {TASKS}
        WHERE task.key = ANY (ARRAY(
            SELECT compute_task_key FROM orchestrator.compute_task_status
            WHERE function_key = ANY ($2) AND status IN (7, 8)
        ))
        ORDER BY task.creation_date, task.registration"
    ))
    .with(channel.as_str())
    .with_keys(functions);
    Query::new(TABLE, statement, |row, facts| {
        let Some(task) = put_unless_known(row, facts)? else {
            return Ok(());
        };
        facts.unbuilt_tasks.entry(task.function_key).or_default().push(task.key);
        Ok(())
    })
}

/// The tasks that name models as input by their key, with their statuses.
pub(crate) fn load_model_users<'a>(channel: &'a ChannelName, models: &'a BTreeSet<ModelKey>) -> Query<'a> {
    let statement = Statement::new(
        "-- compute_task::load_model_users
        SELECT task.key, model_use.model_key, current.status, task.channel = $1 AS here
        FROM orchestrator.model_use
        JOIN orchestrator.compute_task AS task ON task.key = model_use.compute_task_key
        JOIN orchestrator.compute_task_status AS current ON current.compute_task_key = task.key
        WHERE model_use.model_key = ANY ($2)
        ORDER BY task.creation_date, task.registration",
    )
    .with(channel.as_str())
    .with_keys(models);
    Query::new(TABLE, statement, |row, facts| {
        if row.get("here")? {
            facts.model_users.entry(row.key("model_key")?).or_default().push(row.key("key")?);
            put_status(row, facts)?;
        }
        Ok(())
    })
}

/// Which statuses occur in plans.
pub(crate) fn load_statuses_in_plans<'a>(
    channel: &'a ChannelName,
    plans: &'a BTreeSet<ComputePlanKey>,
) -> Query<'a> {
    let statement = Statement::new(
        "-- compute_task::load_statuses_in_plans
        SELECT plan.key AS compute_plan_key, known.status::smallint AS status
        FROM unnest($2::uuid[]) AS plan (key)
        CROSS JOIN generate_series(1, 8) AS known (status)
        CROSS JOIN LATERAL (
            SELECT FROM orchestrator.compute_task_status AS current
            WHERE current.compute_plan_key = plan.key AND current.status = known.status AND current.channel = $1
            LIMIT 1
        ) AS one",
    )
    .with(channel.as_str())
    .with_keys(plans);
    Query::new(TABLE, statement, |row, facts| {
        let statuses = facts.statuses_in_plans.entry(row.key("compute_plan_key")?).or_default();
        statuses.insert(row.number("status", ComputeTaskStatus::from_number)?);
        Ok(())
    })
}

/// Compute tasks by creation date and key (compute/TASK-41).
pub(crate) fn list<'a>(
    channel: &'a ChannelName,
    filter: &'a ComputeTaskFilter,
    page: &PageRequest<ByDateAndKey>,
) -> Statement<'a> {
    match filter.status {
        Some(status) if !status.is_final() => list_at_work(channel, filter, page),
        _ => list_all(channel, filter, page),
    }
}

/// Walks through the tasks of a plan, of a function or of the channel, and looks at the status of each.
fn list_all<'a>(
    channel: &'a ChannelName,
    filter: &'a ComputeTaskFilter,
    page: &PageRequest<ByDateAndKey>,
) -> Statement<'a> {
    // The index of a plan or a function is chosen for sure, if the only other one that has the order cannot be used.
    let is_narrow = filter.compute_plan_key.is_some() || filter.function_key.is_some();
    let in_channel = if is_narrow { "current.channel = {}" } else { "task.channel = {}" };
    let statement = Statement::new(format!(
        "-- compute_task::list_all
        SELECT {LISTED}
        FROM {TASKS}
        WHERE "
    ))
    .text_with(in_channel, channel.as_str())
    .and("task.worker = {}", filter.worker.as_ref().map(|worker| worker.as_str()))
    .and("current.status = {}", filter.status.map(ComputeTaskStatus::number))
    .and("task.compute_plan_key = {}", filter.compute_plan_key.map(Key::uuid))
    .and("task.function_key = {}", filter.function_key.map(Key::uuid));
    page_by_date_and_key(statement, ["task.creation_date", "task.key"], page)
}

/// Walks through the statuses: few tasks have one of those that are not final.
fn list_at_work<'a>(
    channel: &'a ChannelName,
    filter: &'a ComputeTaskFilter,
    page: &PageRequest<ByDateAndKey>,
) -> Statement<'a> {
    let statement = Statement::new(format!(
        "-- compute_task::list_at_work
        SELECT {LISTED}
        FROM (
          SELECT *
          FROM orchestrator.compute_task_status
          WHERE status IN (1, 2, 3, 7, 8) AND channel = $1"
    ))
    .with(channel.as_str())
    .and("worker = {}", filter.worker.as_ref().map(|worker| worker.as_str()))
    .and("status = {}", filter.status.map(ComputeTaskStatus::number))
    .and("compute_plan_key = {}", filter.compute_plan_key.map(Key::uuid))
    .and("function_key = {}", filter.function_key.map(Key::uuid));
    page_by_date_and_key(statement, ["creation_date", "compute_task_key"], page).text(
        "
        ) AS current
        CROSS JOIN LATERAL (
            SELECT * FROM orchestrator.compute_task WHERE key = current.compute_task_key LIMIT 1
        ) AS task
        ORDER BY current.creation_date, current.compute_task_key",
    )
}

/// New compute tasks. They are numbered in the order given, which is that of their registration.
pub(crate) fn insert<'a>(channel: &'a ChannelName, tasks: &'a [Arc<ComputeTask>]) -> Statement<'a> {
    Statement::new(format!(
        "-- compute_task::insert
        INSERT INTO orchestrator.compute_task (channel, {COLUMNS})
        SELECT $1, * FROM unnest(
            $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::bigint[], $7::bytea[])"
    ))
    .with(channel.as_str())
    .with_column(tasks, |task| task.key.uuid())
    .with_column(tasks, |task| task.function_key.uuid())
    .with_column(tasks, |task| task.compute_plan_key.uuid())
    .with_column(tasks, |task| task.worker.as_str())
    .with_column(tasks, |task| task.creation_date.as_micros())
    .with_column(tasks, |task| task_message::encode(task))
}

/// The statuses of the new tasks.
pub(crate) fn insert_statuses<'a>(channel: &'a ChannelName, tasks: &'a [Arc<ComputeTask>]) -> Statement<'a> {
    Statement::new(
        "-- compute_task::insert_statuses
        INSERT INTO orchestrator.compute_task_status
            (channel, compute_task_key, status, function_key, compute_plan_key, worker, creation_date)
        SELECT $1, * FROM unnest(
            $2::uuid[], $3::smallint[], $4::uuid[], $5::uuid[], $6::text[], $7::bigint[])",
    )
    .with(channel.as_str())
    .with_column(tasks, |task| task.key.uuid())
    .with_column(tasks, |task| task.status.number())
    .with_column(tasks, |task| task.function_key.uuid())
    .with_column(tasks, |task| task.compute_plan_key.uuid())
    .with_column(tasks, |task| task.worker.as_str())
    .with_column(tasks, |task| task.creation_date.as_micros())
}

/// Which of their parents the new tasks are children of: all of them, each once.
pub(crate) fn insert_parents(tasks: &[Arc<ComputeTask>]) -> Statement<'static> {
    let links = tasks
        .iter()
        .flat_map(|task| task.parents().into_iter().map(|parent| (parent.uuid(), task.key.uuid())));
    let (parents, children): (Vec<Uuid>, Vec<Uuid>) = links.unzip();
    Statement::new(
        "-- compute_task::insert_parents
        INSERT INTO orchestrator.compute_task_parent (parent_key, child_key)
        SELECT * FROM unnest($1::uuid[], $2::uuid[])",
    )
    .with(parents)
    .with(children)
}

/// Which new tasks name which models.
pub(crate) fn insert_model_uses(uses: &[(ModelKey, ComputeTaskKey)]) -> Statement<'static> {
    let (models, tasks): (Vec<Uuid>, Vec<Uuid>) =
        uses.iter().map(|(model, task)| (model.uuid(), task.uuid())).unzip();
    Statement::new(
        "-- compute_task::insert_model_uses
        INSERT INTO orchestrator.model_use (model_key, compute_task_key)
        SELECT * FROM unnest($1::uuid[], $2::uuid[])",
    )
    .with(models)
    .with(tasks)
}

/// Compute tasks with another status, one statement for each new status: nothing else of a task can change.
pub(crate) fn update(tasks: &[Arc<ComputeTask>]) -> Vec<Statement<'static>> {
    let mut keys: BTreeMap<i16, Vec<Uuid>> = BTreeMap::new();
    for task in tasks {
        keys.entry(task.status.number()).or_default().push(task.key.uuid());
    }
    keys.into_iter().map(|(status, keys)| set_status(status, keys)).collect()
}

/// Gives tasks this status.
pub(crate) fn set_status(status: i16, keys: Vec<Uuid>) -> Statement<'static> {
    Statement::new(
        "-- compute_task::set_status
        UPDATE orchestrator.compute_task_status
        SET status = $1
        WHERE compute_task_key = ANY ($2)",
    )
    .with(status)
    .with(keys)
}

/// Puts a whole task that was not asked for by key, unless something newer is known of it. `None` if it is of
/// another channel.
fn put_unless_known(row: &Columns<'_>, facts: &mut Facts) -> Result<Option<Arc<ComputeTask>>> {
    if !row.get::<bool>("here")? {
        return Ok(None);
    }
    let task = Arc::new(read(row)?);
    if !facts.compute_tasks.knows(task.key) {
        facts.compute_tasks.put(task.key, Arc::clone(&task));
    }
    Ok(Some(task))
}

/// Puts the status of a task, unless something newer is known of it.
fn put_status(row: &Columns<'_>, facts: &mut Facts) -> Result<()> {
    let status = row.number("status", ComputeTaskStatus::from_number)?;
    facts.task_statuses.entry(row.key("key")?).or_insert(status);
    Ok(())
}

/// The compute task of a row.
pub(crate) fn read(row: &Columns<'_>) -> Result<ComputeTask> {
    let beside = Beside {
        key: row.key("key")?,
        function_key: row.key("function_key")?,
        compute_plan_key: row.key("compute_plan_key")?,
        worker: row.organization("worker")?,
        status: row.number("status", ComputeTaskStatus::from_number)?,
        creation_date: row.time("creation_date")?,
    };
    task_message::decode(row.get("encoded")?, &beside).map_err(|problem| row.corrupt("encoded", problem))
}

/// The encoded message of a row of a list, with its place.
pub(crate) fn read_listed(row: &Columns<'_>) -> Result<(ByDateAndKey, Bytes)> {
    let status = row.number("status", ComputeTaskStatus::from_number)?;
    Ok((place(row)?, task_message::with_status(row.get("encoded")?, status).into()))
}
