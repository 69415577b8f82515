//! Events: their rows, how they are appended, listed and replayed. Nobody here looks into their bytes.

use asset::key::Key;
use asset::{ChannelName, EventId, Timestamp};
use bytes::Bytes;
use persistence::{
    ByTimeAndPosition, EventFilter, EventLimit, PageRequest, Place, Result, SortOrder, StoredEvent,
};
use tokio_postgres::types::Json;

use crate::list::{Cursor, cut};
use crate::row::Columns;
use crate::statement::{Statement, bigint};

pub(crate) const TABLE: &str = "event";

pub(crate) const COLUMNS: &str =
    "position, id, timestamp, asset_kind, event_kind, asset_key, metadata, encoded, hash";

/// Events by timestamp and position, in the order asked for (core/EVT-21).
pub(crate) fn list<'a>(
    channel: &'a ChannelName,
    filter: &'a EventFilter,
    sort: SortOrder,
    page: &PageRequest<ByTimeAndPosition>,
) -> Statement<'a> {
    let Cursor { after, offset, limit } = Cursor::of(page);
    let (beyond, direction) = match sort {
        SortOrder::Ascending => (">", "ASC"),
        SortOrder::Descending => ("<", "DESC"),
    };
    let order = format!("\n        ORDER BY timestamp {direction}, position {direction}");
    let statement = Statement::new(format!(
        "-- event::list
        SELECT {COLUMNS}
        FROM "
    ));
    let statement = match &filter.asset_key {
        None => statement.text("orchestrator.event"),
        Some(asset_key) => statement
            .text_with(
                "(\n            SELECT * FROM orchestrator.event WHERE asset_key = {}",
                asset_key.as_str(),
            )
            .text(&format!("{order} OFFSET 0\n        ) AS event")),
    };
    let statement = statement
        .text_with("\n        WHERE channel = {}", channel.as_str())
        .and("asset_kind::integer = {}", filter.asset_kind)
        .and("event_kind::integer = {}", filter.event_kind)
        .and("metadata @> {}", (!filter.metadata.is_empty()).then_some(Json(&filter.metadata)))
        .and("timestamp >= {}", filter.start.map(Timestamp::as_micros))
        .and("timestamp <= {}", filter.end.map(Timestamp::as_micros));
    let statement = match after {
        Some(ByTimeAndPosition(time, position)) => statement
            .text_with(&format!("\n          AND (timestamp, position) {beyond} ({{}}"), time.as_micros())
            .text_with(", {})", bigint(position)),
        None => statement,
    };
    cut(statement.text(&order), offset, limit)
}

/// The next events above a position. The database adds up their bytes without looking at them, so it sends no more than are wanted.
pub(crate) fn after(channel: &ChannelName, position: u64, limit: EventLimit) -> Statement<'_> {
    Statement::new(format!(
        "-- event::after
        SELECT {COLUMNS}
        FROM (
            SELECT {COLUMNS}, sum(octet_length(encoded)) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING) AS bytes
            FROM orchestrator.event
            WHERE channel = $1 AND position > $2
            ORDER BY position
            LIMIT $3
        ) AS event
        WHERE bytes <= $4 OR bytes = octet_length(encoded)
        ORDER BY position"
    ))
    .with(channel.as_str())
    .with(bigint(position))
    .with(bigint(limit.events))
    .with(bigint(limit.bytes))
}

/// The events above a position, however many bytes they have.
pub(crate) fn log(channel: &ChannelName, after: u64, limit: usize) -> Statement<'_> {
    Statement::new(format!(
        "-- event::log
        SELECT {COLUMNS}
        FROM orchestrator.event
        WHERE channel = $1 AND position > $2
        ORDER BY position
        LIMIT $3"
    ))
    .with(channel.as_str())
    .with(bigint(after))
    .with(bigint(limit))
}

/// The place of the event with this id, if it is of this channel.
pub(crate) fn place(channel: &ChannelName, id: EventId) -> Statement<'_> {
    Statement::new(
        "-- event::place
        SELECT position, hash
        FROM orchestrator.event
        WHERE id = $2 AND channel = $1",
    )
    .with(channel.as_str())
    .with(id.uuid())
}

/// Appends events that already have their places.
pub(crate) fn append<'a>(channel: &'a ChannelName, events: &'a [StoredEvent]) -> Statement<'a> {
    Statement::new(format!(
        "-- event::append
        INSERT INTO orchestrator.event (channel, {COLUMNS})
        SELECT $1, * FROM unnest(
            $2::bigint[], $3::uuid[], $4::bigint[], $5::smallint[], $6::smallint[], $7::text[], $8::jsonb[],
            $9::bytea[], $10::bytea[])"
    ))
    .with(channel.as_str())
    .with_column(events, |event| bigint(event.position))
    .with_column(events, |event| event.id.uuid())
    .with_column(events, |event| event.timestamp.as_micros())
    .with_column(events, |event| event.asset_kind)
    .with_column(events, |event| event.event_kind)
    .with_column(events, |event| event.asset_key.as_str())
    .with_column(events, |event| Json(&event.metadata))
    .with_column(events, |event| event.encoded.as_ref())
    .with_column(events, |event| event.hash.as_slice())
}

/// The event of a row.
pub(crate) fn read(row: &Columns<'_>) -> Result<StoredEvent> {
    Ok(StoredEvent {
        position: row.count("position")?,
        id: row.key("id")?,
        timestamp: row.time("timestamp")?,
        asset_kind: row.get("asset_kind")?,
        event_kind: row.get("event_kind")?,
        asset_key: row.get("asset_key")?,
        metadata: row.json("metadata")?,
        encoded: Bytes::from(row.get::<Vec<u8>>("encoded")?),
        hash: row.hash("hash")?,
    })
}

/// The place of a row's event in the log.
pub(crate) fn read_place(row: &Columns<'_>) -> Result<Place> {
    Ok(Place { position: row.count("position")?, hash: row.hash("hash")? })
}

/// The event of a row, with its place in the list.
pub(crate) fn read_with_place(row: &Columns<'_>) -> Result<(ByTimeAndPosition, StoredEvent)> {
    let event = read(row)?;
    Ok((ByTimeAndPosition(event.timestamp, event.position), event))
}
