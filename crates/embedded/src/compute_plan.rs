//! Compute plans (compute/PLAN-1 … PLAN-41).

use std::collections::BTreeSet;
use std::sync::Arc;

use asset::key::Key;
use asset::{ChannelName, ComputePlan, ComputePlanKey, Facts, Timestamp};
use persistence::{ByDateAndKey, ComputePlanFilter, Page, PageRequest};
use rusqlite::{Connection, params};

use crate::by_key;
use crate::error::Result;
use crate::list::{BY_DATE_AND_KEY, List};
use crate::record::{Record, to_json};
use crate::write::execute_one;

pub(crate) const TABLE: &str = "compute_plan";
pub(crate) const COLUMNS: &str =
    "key, channel, name, tag, owner, metadata, creation_date, cancelation_date, failure_date";

/// The compute plan of a record.
pub(crate) fn read(record: &Record<'_>) -> Result<ComputePlan> {
    Ok(ComputePlan {
        key: record.key("key")?,
        name: record.get("name")?,
        tag: record.get("tag")?,
        owner: record.organization("owner")?,
        metadata: record.json("metadata")?,
        creation_date: record.time("creation_date")?,
        cancelation_date: record.optional_time("cancelation_date")?,
        failure_date: record.optional_time("failure_date")?,
    })
}

/// Puts those with these keys.
pub(crate) fn load(
    connection: &Connection,
    channel: &ChannelName,
    keys: &BTreeSet<ComputePlanKey>,
    facts: &mut Facts,
) -> Result<()> {
    by_key::load(connection, TABLE, COLUMNS, channel, keys, &mut facts.compute_plans, read)
}

/// A page of them (compute/PLAN-12).
pub(crate) fn list(
    connection: &Connection,
    channel: &ChannelName,
    filter: ComputePlanFilter,
    page: PageRequest<ByDateAndKey>,
) -> Result<Page<ComputePlan, ByDateAndKey>> {
    List::of(TABLE, COLUMNS, channel).only_if("owner = ?", filter.owner.map(|owner| owner.to_string())).page(
        connection,
        &BY_DATE_AND_KEY,
        page,
        |record| {
            let plan = read(record)?;
            Ok((ByDateAndKey(plan.creation_date, plan.key.uuid()), plan))
        },
    )
}

/// Adds new ones.
pub(crate) fn insert(
    connection: &Connection,
    channel: &ChannelName,
    plans: &[Arc<ComputePlan>],
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- compute_plan::insert
        INSERT INTO compute_plan
            (key, channel, name, tag, owner, metadata, creation_date, cancelation_date, failure_date)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    for plan in plans {
        statement.execute(params![
            plan.key.uuid(),
            channel.as_str(),
            plan.name,
            plan.tag,
            plan.owner.as_str(),
            to_json(&plan.metadata)?,
            plan.creation_date.as_micros(),
            plan.cancelation_date.map(Timestamp::as_micros),
            plan.failure_date.map(Timestamp::as_micros),
        ])?;
    }
    Ok(())
}

/// Gives old ones another name, cancelation date or failure date.
pub(crate) fn update(
    connection: &Connection,
    channel: &ChannelName,
    plans: &[Arc<ComputePlan>],
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- compute_plan::update
        UPDATE compute_plan
        SET name = ?3, cancelation_date = ?4, failure_date = ?5
        WHERE key = ?1 AND channel = ?2",
    )?;
    for plan in plans {
        let [cancelation, failure] =
            [plan.cancelation_date, plan.failure_date].map(|date| date.map(Timestamp::as_micros));
        execute_one(
            &mut statement,
            params![plan.key.uuid(), channel.as_str(), plan.name, cancelation, failure],
        )?;
    }
    Ok(())
}
