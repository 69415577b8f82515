//! Performances (compute/PERF-1 … PERF-6).

use std::sync::Arc;

use asset::key::Key;
use asset::{ChannelName, Performance};
use persistence::{ByDateAndPerformance, Page, PageRequest, PerformanceFilter};
use rusqlite::{Connection, params};

use crate::error::Result;
use crate::list::{BY_DATE_AND_PERFORMANCE, List};
use crate::record::Record;

pub(crate) const TABLE: &str = "performance";
pub(crate) const COLUMNS: &str = "compute_task_key, identifier, value, creation_date";

/// The performance of a record.
pub(crate) fn read(record: &Record<'_>) -> Result<Performance> {
    Ok(Performance {
        compute_task_key: record.key("compute_task_key")?,
        identifier: record.get("identifier")?,
        value: f32::from_bits(record.get("value")?),
        creation_date: record.time("creation_date")?,
    })
}

/// A page of them (compute/PERF-6).
pub(crate) fn list(
    connection: &Connection,
    channel: &ChannelName,
    filter: PerformanceFilter,
    page: PageRequest<ByDateAndPerformance>,
) -> Result<Page<Performance, ByDateAndPerformance>> {
    List::of(TABLE, COLUMNS, channel)
        .only_if("compute_task_key = ?", filter.compute_task_key.map(Key::uuid))
        .only_if("identifier = ?", filter.identifier)
        .page(connection, &BY_DATE_AND_PERFORMANCE, page, |record| {
            let performance = read(record)?;
            let (date, task) = (performance.creation_date, performance.compute_task_key);
            Ok((ByDateAndPerformance(date, task, performance.identifier.clone()), performance))
        })
}

/// Adds new ones.
pub(crate) fn insert(
    connection: &Connection,
    channel: &ChannelName,
    performances: &[Arc<Performance>],
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- performance::insert
        INSERT INTO performance (compute_task_key, identifier, channel, value, creation_date)
        VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for performance in performances {
        statement.execute(params![
            performance.compute_task_key.uuid(),
            performance.identifier,
            channel.as_str(),
            performance.value.to_bits(),
            performance.creation_date.as_micros(),
        ])?;
    }
    Ok(())
}
