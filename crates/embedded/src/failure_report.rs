//! Failure reports (compute/FAIL-1 … FAIL-20).

use std::collections::BTreeSet;
use std::sync::Arc;

use asset::failure_report::{ErrorType, FailedAssetKind};
use asset::key::{FailedAssetKey, Key};
use asset::{ChannelName, Facts, FailureReport};
use rusqlite::{Connection, params};

use crate::error::Result;
use crate::record::{Record, array, for_each, to_optional_json};

pub(crate) const TABLE: &str = "failure_report";
pub(crate) const COLUMNS: &str = "asset_key, asset_type, error_type, logs_address, owner, creation_date";

/// The failure report of a record.
pub(crate) fn read(record: &Record<'_>) -> Result<FailureReport> {
    Ok(FailureReport {
        asset_key: record.key("asset_key")?,
        asset_type: record.number("asset_type", FailedAssetKind::from_stored_number)?,
        error_type: record.number("error_type", ErrorType::from_number)?,
        logs_address: record.optional_json("logs_address")?,
        owner: record.organization("owner")?,
        creation_date: record.time("creation_date")?,
    })
}

/// Puts those about these assets; of other channels, only that there is one (core/CHN-6).
pub(crate) fn load(
    connection: &Connection,
    channel: &ChannelName,
    assets: &BTreeSet<FailedAssetKey>,
    facts: &mut Facts,
) -> Result<()> {
    if assets.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "-- failure_report::load
        SELECT channel, {COLUMNS}
        FROM failure_report
        WHERE asset_key IN (SELECT value FROM rarray(?1))"
    );
    for_each(connection, TABLE, &sql, params![array(assets)], |record| {
        let key = record.key("asset_key")?;
        if record.text("channel")? == channel.as_str() {
            facts.failure_reports.put(key, Arc::new(read(record)?));
        } else {
            facts.failure_reports.put_elsewhere(key);
        }
        Ok(())
    })
}

/// Adds new ones.
pub(crate) fn insert(
    connection: &Connection,
    channel: &ChannelName,
    reports: &[Arc<FailureReport>],
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- failure_report::insert
        INSERT INTO failure_report (asset_key, channel, asset_type, error_type, logs_address, owner, creation_date)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for report in reports {
        statement.execute(params![
            report.asset_key.uuid(),
            channel.as_str(),
            report.asset_type_number(),
            report.error_type.number(),
            to_optional_json(report.logs_address.as_ref())?,
            report.owner.as_str(),
            report.creation_date.as_micros(),
        ])?;
    }
    Ok(())
}
