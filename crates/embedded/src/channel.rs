//! Channels: where the event log of each ends.

use asset::ChannelName;
use persistence::{Head, event_log::Hash};
use rusqlite::{Connection, params};

use crate::error::Result;
use crate::record::{collect, to_integer};

pub(crate) const TABLE: &str = "channel";

/// Where the log ends; an empty log if the channel has none yet.
pub(crate) fn head(connection: &Connection, channel: &ChannelName) -> Result<Head> {
    Ok(find_head(connection, channel)?.unwrap_or_default())
}

/// Where the log ends, if the channel has one.
pub(crate) fn find_head(connection: &Connection, channel: &ChannelName) -> Result<Option<Head>> {
    let sql = "-- channel::head
        SELECT name, position, hash, time
        FROM channel
        WHERE name = ?1";
    let heads = collect(connection, TABLE, sql, [channel.as_str()], |record| {
        Ok(Head {
            position: record.natural("position")?,
            hash: record.get::<Hash>("hash")?,
            time: record.time("time")?,
        })
    })?;
    Ok(heads.into_iter().next())
}

/// Moves on to where the log ends now.
pub(crate) fn put(connection: &Connection, channel: &ChannelName, head: &Head) -> Result<()> {
    let sql = "-- channel::put
        INSERT INTO channel (name, position, hash, time)
        VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT (name) DO UPDATE SET position = excluded.position, hash = excluded.hash, time = excluded.time";
    let row = params![channel.as_str(), to_integer(head.position), head.hash, head.time.as_micros()];
    connection.prepare_cached(sql)?.execute(row)?;
    Ok(())
}
