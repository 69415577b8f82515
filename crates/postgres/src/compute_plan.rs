//! Compute plans: their rows, how they are loaded as facts, written, and listed.

use std::collections::BTreeSet;
use std::sync::Arc;

use asset::key::Key;
use asset::{ChannelName, ComputePlan, ComputePlanKey, Timestamp};
use persistence::{ByDateAndKey, ComputePlanFilter, PageRequest, Result};
use tokio_postgres::types::Json;

use crate::list::page_by_date_and_key;
use crate::load::Query;
use crate::row::{Columns, put_by_key};
use crate::statement::Statement;

pub(crate) const TABLE: &str = "compute_plan";

pub(crate) const COLUMNS: &str =
    "key, name, tag, owner, metadata, creation_date, cancelation_date, failure_date";

/// Compute plans by key.
pub(crate) fn load<'a>(channel: &'a ChannelName, keys: &'a BTreeSet<ComputePlanKey>) -> Query<'a> {
    let statement = Statement::new(format!(
        "-- compute_plan::load
        SELECT {COLUMNS}, channel = $1 AS here
        FROM orchestrator.compute_plan
        WHERE key = ANY ($2)"
    ))
    .with(channel.as_str())
    .with_keys(keys);
    Query::new(TABLE, statement, |row, facts| put_by_key(row, &mut facts.compute_plans, read))
}

/// Compute plans by creation date and key (compute/PLAN-12).
pub(crate) fn list<'a>(
    channel: &'a ChannelName,
    filter: &'a ComputePlanFilter,
    page: &PageRequest<ByDateAndKey>,
) -> Statement<'a> {
    let statement = Statement::new(format!(
        "-- compute_plan::list
        SELECT {COLUMNS}
        FROM orchestrator.compute_plan
        WHERE channel = $1"
    ))
    .with(channel.as_str())
    .and("owner = {}", filter.owner.as_ref().map(|owner| owner.as_str()));
    page_by_date_and_key(statement, ["creation_date", "key"], page)
}

/// New compute plans.
pub(crate) fn insert<'a>(channel: &'a ChannelName, plans: &'a [Arc<ComputePlan>]) -> Statement<'a> {
    Statement::new(format!(
        "-- compute_plan::insert
        INSERT INTO orchestrator.compute_plan (channel, {COLUMNS})
        SELECT $1, * FROM unnest(
            $2::uuid[], $3::text[], $4::text[], $5::text[], $6::json[], $7::bigint[], $8::bigint[], $9::bigint[])"
    ))
    .with(channel.as_str())
    .with_column(plans, |plan| plan.key.uuid())
    .with_column(plans, |plan| plan.name.as_str())
    .with_column(plans, |plan| plan.tag.as_str())
    .with_column(plans, |plan| plan.owner.as_str())
    .with_column(plans, |plan| Json(&plan.metadata))
    .with_column(plans, |plan| plan.creation_date.as_micros())
    .with_column(plans, |plan| plan.cancelation_date.map(Timestamp::as_micros))
    .with_column(plans, |plan| plan.failure_date.map(Timestamp::as_micros))
}

/// Compute plans with another name, cancelation date or failure date: nothing else of one can change.
pub(crate) fn update(plans: &[Arc<ComputePlan>]) -> Statement<'_> {
    Statement::new(
        "-- compute_plan::update
        UPDATE orchestrator.compute_plan AS plan
        SET name = updated.name, cancelation_date = updated.cancelation_date, failure_date = updated.failure_date
        FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[])
            AS updated (key, name, cancelation_date, failure_date)
        WHERE plan.key = updated.key",
    )
    .with_column(plans, |plan| plan.key.uuid())
    .with_column(plans, |plan| plan.name.as_str())
    .with_column(plans, |plan| plan.cancelation_date.map(Timestamp::as_micros))
    .with_column(plans, |plan| plan.failure_date.map(Timestamp::as_micros))
}

/// The compute plan of a row.
pub(crate) fn read(row: &Columns<'_>) -> Result<ComputePlan> {
    let time = |column| row.get::<Option<i64>>(column).map(|time| time.map(Timestamp::from_micros));
    Ok(ComputePlan {
        key: row.key("key")?,
        name: row.get("name")?,
        tag: row.get("tag")?,
        owner: row.organization("owner")?,
        metadata: row.json("metadata")?,
        creation_date: row.time("creation_date")?,
        cancelation_date: time("cancelation_date")?,
        failure_date: time("failure_date")?,
    })
}
