//! Organizations: their rows, how they are loaded as facts, written, and listed.

use std::sync::Arc;

use asset::{ChannelName, Organization};
use persistence::Result;

use crate::load::Query;
use crate::row::Columns;
use crate::statement::Statement;

pub(crate) const TABLE: &str = "organization";

pub(crate) const COLUMNS: &str = "id, address, creation_date";

/// All organizations of the channel.
pub(crate) fn load(channel: &ChannelName) -> Query<'_> {
    Query::new(TABLE, list(channel), |row, facts| {
        let organization = read(row)?;
        let organizations = facts.organizations.get_or_insert_default();
        organizations.entry(organization.id.clone()).or_insert_with(|| Arc::new(organization));
        Ok(())
    })
}

/// All organizations of the channel, by creation date and id (core/ORG-8).
pub(crate) fn list(channel: &ChannelName) -> Statement<'_> {
    Statement::new(format!(
        "-- organization::list
        SELECT {COLUMNS}
        FROM orchestrator.organization
        WHERE channel = $1
        ORDER BY creation_date, id"
    ))
    .with(channel.as_str())
}

/// New organizations.
pub(crate) fn insert<'a>(channel: &'a ChannelName, organizations: &'a [Arc<Organization>]) -> Statement<'a> {
    Statement::new(
        "-- organization::insert
        INSERT INTO orchestrator.organization (channel, id, address, creation_date)
        SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[])",
    )
    .with(channel.as_str())
    .with_column(organizations, |organization| organization.id.as_str())
    .with_column(organizations, |organization| organization.address.as_str())
    .with_column(organizations, |organization| organization.creation_date.as_micros())
}

/// The organization of a row.
pub(crate) fn read(row: &Columns<'_>) -> Result<Organization> {
    Ok(Organization {
        id: row.organization("id")?,
        address: row.get("address")?,
        creation_date: row.time("creation_date")?,
    })
}
