//! The predecessor's events, in the order of their positions: one sequence over all channels there, one for each here.

use asset::ChannelName;
use persistence::event_log::Envelope;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::instant::Instant;
use super::{EncodeEvent, PredecessorEvent, json, names};
use crate::row::Columns;

pub(super) const TABLE: &str = "events";

pub(super) const SELECT: &str = "
    SELECT id, channel, timestamp, asset_kind, event_kind, asset_key, metadata, asset
    FROM public.events
    ORDER BY position";

/// What the log keeps of an event, with its channel; or why the event cannot be understood (core/EVT-11).
pub(super) type Readable = std::result::Result<(ChannelName, Envelope), String>;

/// The events of rows.
pub(super) fn readable(rows: &[Row], encode_event: &EncodeEvent) -> Vec<Readable> {
    rows.iter().map(|row| of(row, encode_event)).collect()
}

fn of(row: &Row, encode_event: &EncodeEvent) -> Readable {
    let columns = Columns::of(TABLE, row);
    let event = read(&columns).map_err(|error| error.to_string())?;
    let encoded = encode_event(&event).map_err(|problem| columns.corrupt("asset", problem).to_string())?;
    let PredecessorEvent { id, channel, timestamp, asset_kind, event_kind, asset_key, metadata, .. } = event;
    Ok((channel, Envelope { id, timestamp, asset_kind, event_kind, asset_key, metadata, encoded }))
}

fn read(row: &Columns<'_>) -> persistence::Result<PredecessorEvent> {
    let named = |column: &'static str| row.get::<String>(column);
    let meaningless = |column, name: &str| row.corrupt(column, format!("{name} has no meaning"));
    let (asset_kind, event_kind) = (named("asset_kind")?, named("event_kind")?);
    let metadata: Option<Json<Value>> = row.get("metadata")?;
    let metadata = json::metadata(metadata.map(|Json(value)| value));
    Ok(PredecessorEvent {
        id: row.key("id")?,
        channel: ChannelName::new(&named("channel")?),
        timestamp: row.get::<Instant>("timestamp")?.0,
        asset_kind: names::asset_kind(&asset_kind).ok_or_else(|| meaningless("asset_kind", &asset_kind))?,
        event_kind: names::event_kind(&event_kind).ok_or_else(|| meaningless("event_kind", &event_kind))?,
        asset_key: row.get("asset_key")?,
        metadata: metadata.map_err(|problem| row.corrupt("metadata", problem))?,
        snapshot: row.json("asset")?,
    })
}
