//! Events: their rows, how they are appended, listed and replayed. Nobody here looks into their bytes.

use asset::key::Key;
use asset::{ChannelName, EventId, Timestamp};
use bytes::Bytes;
use persistence::{ByTimeAndPosition, EventFilter, PageRequest, Result, SortOrder, StoredEvent};
use tokio_postgres::types::Json;

use crate::list::Cursor;
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
    Statement::new(format!(
        "-- event::list
        SELECT {COLUMNS}
        FROM orchestrator.event
        WHERE channel = $1
          AND ($2::bigint IS NULL OR (timestamp, position) {beyond} ($2, $3::bigint))
          AND ($6::text IS NULL OR asset_key = $6)
          AND ($7::integer IS NULL OR asset_kind = $7)
          AND ($8::integer IS NULL OR event_kind = $8)
          AND ($9::jsonb IS NULL OR metadata @> $9)
          AND ($10::bigint IS NULL OR timestamp >= $10)
          AND ($11::bigint IS NULL OR timestamp <= $11)
        ORDER BY timestamp {direction}, position {direction}
        OFFSET $4::bigint LIMIT $5::bigint"
    ))
    .with(channel.as_str())
    .with(after.as_ref().map(|place| place.0.as_micros()))
    .with(after.as_ref().map(|place| bigint(place.1)))
    .with(offset)
    .with(limit)
    .with(filter.asset_key.as_deref())
    .with(filter.asset_kind)
    .with(filter.event_kind)
    .with((!filter.metadata.is_empty()).then_some(Json(&filter.metadata)))
    .with(filter.start.map(Timestamp::as_micros))
    .with(filter.end.map(Timestamp::as_micros))
}

/// At most `limit` events above a position.
pub(crate) fn after(channel: &ChannelName, position: u64, limit: usize) -> Statement<'_> {
    Statement::new(format!(
        "-- event::after
        SELECT {COLUMNS}
        FROM orchestrator.event
        WHERE channel = $1 AND position > $2
        ORDER BY position
        LIMIT $3"
    ))
    .with(channel.as_str())
    .with(bigint(position))
    .with(bigint(limit))
}

/// The position of the event with this id, if it is of this channel.
pub(crate) fn position(channel: &ChannelName, id: EventId) -> Statement<'_> {
    Statement::new(
        "-- event::position
        SELECT position
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

/// The event of a row, with its place in the list.
pub(crate) fn read_with_place(row: &Columns<'_>) -> Result<(ByTimeAndPosition, StoredEvent)> {
    let event = read(row)?;
    Ok((ByTimeAndPosition(event.timestamp, event.position), event))
}
