//! Channels: the row whose lock is the channel's lock, and which tells where the event log ends.

use asset::ChannelName;
use persistence::{Head, Result};

use crate::row::Columns;
use crate::statement::{Statement, bigint};

pub(crate) const TABLE: &str = "channel";

/// What the database says if a channel's log does not end where it was expected to.
pub(crate) const MOVED: &str = "ORMOV";

/// Locks the channel until the transaction ends, and tells where its log ends; no row if the channel does not
/// exist yet.
pub(crate) fn lock(channel: &ChannelName) -> Statement<'_> {
    Statement::new(
        "-- channel::lock
        SELECT name, position, hash, time
        FROM orchestrator.channel
        WHERE name = $1
        FOR UPDATE",
    )
    .with(channel.as_str())
}

/// Makes the channel, unless somebody else has.
pub(crate) fn create(channel: &ChannelName) -> Statement<'_> {
    let Head { position, hash, time } = Head::default();
    Statement::new(
        "-- channel::create
        INSERT INTO orchestrator.channel (name, position, hash, time)
        VALUES ($1, $2, $3, $4)
        ON CONFLICT (name) DO NOTHING",
    )
    .with(channel.as_str())
    .with(bigint(position))
    .with(hash.to_vec())
    .with(time.as_micros())
}

/// Where the channel's log ends.
pub(crate) fn head(channel: &ChannelName) -> Statement<'_> {
    Statement::new(
        "-- channel::head
        SELECT name, position, hash, time
        FROM orchestrator.channel
        WHERE name = $1",
    )
    .with(channel.as_str())
}

/// Moves the end of the log.
pub(crate) fn advance<'a>(channel: &'a ChannelName, head: &'a Head) -> Statement<'a> {
    Statement::new(
        "-- channel::advance
        UPDATE orchestrator.channel
        SET position = $2, hash = $3, time = $4
        WHERE name = $1",
    )
    .with(channel.as_str())
    .with(bigint(head.position))
    .with(head.hash.as_slice())
    .with(head.time.as_micros())
}

/// Locks the channel and moves the end of its log, if that is where it is expected; an error with the code [`MOVED`] if it is not.
pub(crate) fn advance_from<'a>(
    channel: &'a ChannelName,
    expected: &'a Head,
    head: &'a Head,
) -> Statement<'a> {
    Statement::new(
        "-- channel::advance_from
        SELECT orchestrator.advance_channel($1, $2, $3, $4, $5, $6, $7)",
    )
    .with(channel.as_str())
    .with(bigint(expected.position))
    .with(expected.hash.as_slice())
    .with(expected.time.as_micros())
    .with(bigint(head.position))
    .with(head.hash.as_slice())
    .with(head.time.as_micros())
}

/// Where the log of the row's channel ends.
pub(crate) fn read(row: &Columns<'_>) -> Result<Head> {
    Ok(Head { position: row.count("position")?, hash: row.hash("hash")?, time: row.time("time")? })
}
