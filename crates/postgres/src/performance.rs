//! Performances: their rows, how they are written, and listed.

use std::sync::Arc;

use asset::key::Key;
use asset::{ChannelName, Performance};
use persistence::{ByDateAndPerformance, PageRequest, PerformanceFilter, Result};

use crate::list::{Cursor, cut};
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
    let statement = Statement::new(format!(
        "-- performance::list
        SELECT {COLUMNS}
        FROM "
    ));
    let statement = match filter.compute_task_key {
        None => statement.text("orchestrator.performance"),
        Some(task) => statement.text_with(
            "(SELECT * FROM orchestrator.performance WHERE compute_task_key = {} OFFSET 0) AS performance",
            task.uuid(),
        ),
    };
    let statement = statement
        .text_with("\n        WHERE channel = {}", channel.as_str())
        .and("identifier = {}", filter.identifier.as_deref());
    let statement = match after {
        Some(ByDateAndPerformance(date, task, identifier)) => statement
            .text_with("\n          AND creation_date >= {}", date.as_micros())
            .text_with("\n          AND (creation_date > {}", date.as_micros())
            .text_with(" OR compute_task_key < {}", task.uuid())
            .text_with(" OR compute_task_key = {}", task.uuid())
            .text_with(" AND identifier > {})", identifier),
        None => statement,
    };
    cut(statement.text("\n        ORDER BY creation_date, compute_task_key DESC, identifier"), offset, limit)
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
