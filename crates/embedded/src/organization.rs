//! Organizations (core/ORG-1 … ORG-8).

use std::sync::Arc;

use asset::{ChannelName, Facts, Organization};
use rusqlite::{Connection, params};

use crate::error::Result;
use crate::record::{Record, collect};

pub(crate) const TABLE: &str = "organization";
pub(crate) const COLUMNS: &str = "id, address, creation_date";

/// The organization of a record.
pub(crate) fn read(record: &Record<'_>) -> Result<Organization> {
    Ok(Organization {
        id: record.organization("id")?,
        address: record.get("address")?,
        creation_date: record.time("creation_date")?,
    })
}

/// All of the channel, by creation date and id (core/ORG-8).
pub(crate) fn list(connection: &Connection, channel: &ChannelName) -> Result<Vec<Organization>> {
    let sql = format!(
        "-- organization::list
        SELECT {COLUMNS}
        FROM organization
        WHERE channel = ?1
        ORDER BY creation_date, id"
    );
    collect(connection, TABLE, &sql, [channel.as_str()], read)
}

/// Puts all of the channel.
pub(crate) fn load(connection: &Connection, channel: &ChannelName, facts: &mut Facts) -> Result<()> {
    let known = facts.organizations.get_or_insert_default();
    for organization in list(connection, channel)? {
        known.insert(organization.id.clone(), Arc::new(organization));
    }
    Ok(())
}

/// Adds new ones.
pub(crate) fn insert(
    connection: &Connection,
    channel: &ChannelName,
    organizations: &[Arc<Organization>],
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- organization::insert
        INSERT INTO organization (channel, id, address, creation_date)
        VALUES (?1, ?2, ?3, ?4)",
    )?;
    for organization in organizations {
        statement.execute(params![
            channel.as_str(),
            organization.id.as_str(),
            organization.address,
            organization.creation_date.as_micros(),
        ])?;
    }
    Ok(())
}
