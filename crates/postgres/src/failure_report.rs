//! Failure reports: their rows, how they are loaded as facts, and written.

use std::collections::BTreeSet;
use std::sync::Arc;

use asset::failure_report::{ErrorType, FailedAssetKind};
use asset::key::{FailedAssetKey, Key};
use asset::{ChannelName, FailureReport};
use persistence::Result;
use tokio_postgres::types::Json;

use crate::load::Query;
use crate::row::{Columns, put_by_key};
use crate::statement::Statement;

pub(crate) const TABLE: &str = "failure_report";

pub(crate) const COLUMNS: &str = "asset_key, asset_type, error_type, logs_address, owner, creation_date";

/// Failure reports by the key of what failed; of other channels, only that there is one (core/CHN-6).
pub(crate) fn load<'a>(channel: &'a ChannelName, keys: &'a BTreeSet<FailedAssetKey>) -> Query<'a> {
    let statement = Statement::new(format!(
        "-- failure_report::load
        SELECT {COLUMNS}, asset_key AS key, channel = $1 AS here
        FROM orchestrator.failure_report
        WHERE asset_key = ANY ($2)"
    ))
    .with(channel.as_str())
    .with_keys(keys);
    Query::new(TABLE, statement, |row, facts| put_by_key(row, &mut facts.failure_reports, read))
}

/// New failure reports.
pub(crate) fn insert<'a>(channel: &'a ChannelName, reports: &'a [Arc<FailureReport>]) -> Statement<'a> {
    Statement::new(format!(
        "-- failure_report::insert
        INSERT INTO orchestrator.failure_report (channel, {COLUMNS})
        SELECT $1, * FROM unnest(
            $2::uuid[], $3::smallint[], $4::smallint[], $5::json[], $6::text[], $7::bigint[])"
    ))
    .with(channel.as_str())
    .with_column(reports, |report| report.asset_key.uuid())
    .with_column(reports, |report| report.asset_type_number())
    .with_column(reports, |report| report.error_type.number())
    .with_column(reports, |report| report.logs_address.as_ref().map(Json))
    .with_column(reports, |report| report.owner.as_str())
    .with_column(reports, |report| report.creation_date.as_micros())
}

/// The failure report of a row.
pub(crate) fn read(row: &Columns<'_>) -> Result<FailureReport> {
    Ok(FailureReport {
        asset_key: row.key("asset_key")?,
        asset_type: row.number("asset_type", FailedAssetKind::from_stored_number)?,
        error_type: row.number("error_type", ErrorType::from_number)?,
        logs_address: row.optional_json("logs_address")?,
        owner: row.organization("owner")?,
        creation_date: row.time("creation_date")?,
    })
}
