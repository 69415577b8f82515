//! Storage addresses: which are in use in a channel, and by how they come to be.

use std::collections::BTreeSet;

use asset::ChannelName;

use crate::load::Query;
use crate::statement::Statement;

/// Which addresses are in use.
pub(crate) fn load<'a>(channel: &'a ChannelName, addresses: &'a BTreeSet<String>) -> Query<'a> {
    let statement = Statement::new(
        "-- address::load
        SELECT address
        FROM orchestrator.storage_address
        WHERE channel = $1 AND address = ANY ($2)",
    )
    .with(channel.as_str())
    .with(addresses.iter().map(String::as_str).collect::<Vec<_>>());
    Query::new("storage_address", statement, |row, facts| {
        facts.addresses.insert(row.get("address")?, true);
        Ok(())
    })
}

/// Addresses that are in use from now on.
pub(crate) fn claim<'a>(channel: &'a ChannelName, addresses: &'a [String]) -> Statement<'a> {
    Statement::new(
        "-- address::claim
        INSERT INTO orchestrator.storage_address (channel, address)
        SELECT $1, * FROM unnest($2::text[])",
    )
    .with(channel.as_str())
    .with_column(addresses, String::as_str)
}

/// Addresses that are free from now on.
pub(crate) fn release<'a>(channel: &'a ChannelName, addresses: &'a [String]) -> Statement<'a> {
    Statement::new(
        "-- address::release
        DELETE FROM orchestrator.storage_address
        WHERE channel = $1 AND address = ANY ($2)",
    )
    .with(channel.as_str())
    .with_column(addresses, String::as_str)
}
