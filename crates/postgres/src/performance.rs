//! Performances: their rows, how they are written, and listed.

use std::sync::Arc;

use asset::key::Key;
use asset::{ChannelName, Performance};
use persistence::{ByDateAndPerformance, PageRequest, PerformanceFilter, Result};

use crate::list::Cursor;
use crate::row::Columns;
use crate::statement::Statement;

pub(crate) const TABLE: &str = "performance";

pub(crate) const COLUMNS: &str = "compute_task_key, identifier, value, creation_date";

/// Performances by creation date ascending, task key descending, identifier ascending (compute/PERF-6).
///
/// A comparison of rows has one direction for all columns, so this order has to spell it out; the first
/// condition is what finds the place in the index.
pub(crate) fn list<'a>(
    channel: &'a ChannelName,
    filter: &'a PerformanceFilter,
    page: &PageRequest<ByDateAndPerformance>,
) -> Statement<'a> {
    let Cursor { after, offset, limit } = Cursor::of(page);
    let after = after.as_ref();
    Statement::new(format!(
        "-- performance::list
        SELECT {COLUMNS}
        FROM orchestrator.performance
        WHERE channel = $1
          AND ($2::bigint IS NULL OR creation_date >= $2)
          AND ($2::bigint IS NULL
               OR creation_date > $2
               OR compute_task_key < $3::uuid
               OR (compute_task_key = $3 AND identifier > $4::text))
          AND ($7::uuid IS NULL OR compute_task_key = $7)
          AND ($8::text IS NULL OR identifier = $8)
        ORDER BY creation_date, compute_task_key DESC, identifier
        OFFSET $5::bigint LIMIT $6::bigint"
    ))
    .with(channel.as_str())
    .with(after.map(|place| place.0.as_micros()))
    .with(after.map(|place| place.1.uuid()))
    .with(after.map(|place| place.2.clone()))
    .with(offset)
    .with(limit)
    .with(filter.compute_task_key.map(Key::uuid))
    .with(filter.identifier.as_deref())
}

/// New performances.
pub(crate) fn insert<'a>(channel: &'a ChannelName, performances: &'a [Arc<Performance>]) -> Statement<'a> {
    Statement::new(
        "-- performance::insert
        INSERT INTO orchestrator.performance (channel, compute_task_key, identifier, value, creation_date)
        SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::real[], $5::bigint[])",
    )
    .with(channel.as_str())
    .with_column(performances, |performance| performance.compute_task_key.uuid())
    .with_column(performances, |performance| performance.identifier.as_str())
    .with_column(performances, |performance| performance.value)
    .with_column(performances, |performance| performance.creation_date.as_micros())
}

/// The performance of a row, with its place in the list.
pub(crate) fn read(row: &Columns<'_>) -> Result<(ByDateAndPerformance, Performance)> {
    let performance = Performance {
        compute_task_key: row.key("compute_task_key")?,
        identifier: row.get("identifier")?,
        value: row.get("value")?,
        creation_date: row.time("creation_date")?,
    };
    let Performance { compute_task_key, identifier, creation_date, .. } = &performance;
    Ok((ByDateAndPerformance(*creation_date, *compute_task_key, identifier.clone()), performance))
}
