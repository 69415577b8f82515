//! The event log (core/EVT-1 … EVT-22).

use asset::key::Key;
use asset::{ChannelName, EventId, Timestamp};
use bytes::Bytes;
use persistence::event_log::Hash;
use persistence::{
    ByTimeAndPosition, EventFilter, EventLimit, Page, PageRequest, Place, Room, SortOrder, StoredEvent,
};
use rusqlite::{Connection, params};

use crate::error::Result;
use crate::list::{List, NEWEST_FIRST, OLDEST_FIRST};
use crate::record::{Record, collect, collect_within, to_integer, to_json};

pub(crate) const TABLE: &str = "event";
pub(crate) const COLUMNS: &str =
    "id, position, timestamp, asset_kind, event_kind, asset_key, metadata, encoded, hash";

/// Every entry that is asked for is there (core/EVT-18). More are not looked for than an event has, whatever their number.
fn metadata_contained(entries: usize) -> String {
    format!(
        "CASE WHEN (SELECT count(*) FROM json_each(event.metadata)) < {entries} THEN false ELSE NOT EXISTS (
        SELECT 1
        FROM json_each(?) AS asked
        WHERE NOT EXISTS (
            SELECT 1
            FROM json_each(event.metadata) AS stored
            WHERE stored.key = asked.key AND stored.value = asked.value
        )
    ) END"
    )
}

/// The event of a record.
pub(crate) fn read(record: &Record<'_>) -> Result<StoredEvent> {
    Ok(StoredEvent {
        position: record.natural("position")?,
        id: record.key("id")?,
        timestamp: record.time("timestamp")?,
        asset_kind: record.get("asset_kind")?,
        event_kind: record.get("event_kind")?,
        asset_key: record.get("asset_key")?,
        metadata: record.json("metadata")?,
        encoded: Bytes::from(record.get::<Vec<u8>>("encoded")?),
        hash: record.get::<Hash>("hash")?,
    })
}

/// A page of the log by time (core/EVT-14 … EVT-21).
pub(crate) fn list(
    connection: &Connection,
    channel: &ChannelName,
    filter: EventFilter,
    sort: SortOrder,
    page: PageRequest<ByTimeAndPosition>,
) -> Result<Page<StoredEvent, ByTimeAndPosition>> {
    let metadata = (!filter.metadata.is_empty()).then(|| to_json(&filter.metadata)).transpose()?;
    let order = match sort {
        SortOrder::Ascending => &OLDEST_FIRST,
        SortOrder::Descending => &NEWEST_FIRST,
    };
    List::of(TABLE, COLUMNS, channel)
        .only_if("asset_key = ?", filter.asset_key)
        .only_if("asset_kind = ?", filter.asset_kind)
        .only_if("event_kind = ?", filter.event_kind)
        .only_if(&metadata_contained(filter.metadata.len()), metadata)
        .only_if("timestamp >= ?", filter.start.map(Timestamp::as_micros))
        .only_if("timestamp <= ?", filter.end.map(Timestamp::as_micros))
        .page(connection, order, page, |record| {
            let event = read(record)?;
            Ok((ByTimeAndPosition(event.timestamp, event.position), event))
        })
}

/// The next events of the log.
pub(crate) fn after(
    connection: &Connection,
    channel: &ChannelName,
    position: u64,
    limit: EventLimit,
) -> Result<Vec<StoredEvent>> {
    let sql = format!(
        "-- event::after
        SELECT {COLUMNS}
        FROM event
        WHERE channel = ?1 AND position > ?2
        ORDER BY position
        LIMIT ?3"
    );
    let parameters = params![channel.as_str(), to_integer(position), to_integer(limit.events)];
    let (events, _ended_early) =
        collect_within(Room::new(limit.bytes), connection, TABLE, &sql, parameters, read)?;
    Ok(events)
}

/// Where an event stands in the log.
pub(crate) fn place(connection: &Connection, channel: &ChannelName, id: EventId) -> Result<Option<Place>> {
    let sql = "-- event::place
        SELECT id, position, hash
        FROM event
        WHERE id = ?1 AND channel = ?2";
    let parameters = params![id.uuid(), channel.as_str()];
    let places = collect(connection, TABLE, sql, parameters, |record| {
        Ok(Place { position: record.natural("position")?, hash: record.get::<Hash>("hash")? })
    })?;
    Ok(places.into_iter().next())
}

/// Appends events.
pub(crate) fn insert(connection: &Connection, channel: &ChannelName, events: &[StoredEvent]) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- event::insert
        INSERT INTO event
            (id, channel, position, timestamp, asset_kind, event_kind, asset_key, metadata, encoded, hash)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for event in events {
        statement.execute(params![
            event.id.uuid(),
            channel.as_str(),
            to_integer(event.position),
            event.timestamp.as_micros(),
            event.asset_kind,
            event.event_kind,
            event.asset_key,
            to_json(&event.metadata)?,
            event.encoded.as_ref(),
            event.hash,
        ])?;
    }
    Ok(())
}
