//! Storage addresses in use: unique within a channel while somebody has them (core/DM-7).

use std::collections::BTreeSet;
use std::rc::Rc;

use asset::{ChannelName, Facts};
use rusqlite::types::Value;
use rusqlite::{Connection, params};

use crate::error::Result;
use crate::record::for_each;
use crate::write::execute_one;

/// Puts which of these are in use.
pub(crate) fn load(
    connection: &Connection,
    channel: &ChannelName,
    addresses: &BTreeSet<String>,
    facts: &mut Facts,
) -> Result<()> {
    if addresses.is_empty() {
        return Ok(());
    }
    let sql = "-- address::load
        SELECT address
        FROM address
        WHERE channel = ?2 AND address IN (SELECT value FROM rarray(?1))";
    let array: Rc<Vec<Value>> = Rc::new(addresses.iter().cloned().map(Value::from).collect());
    for_each(connection, "address", sql, params![array, channel.as_str()], |record| {
        facts.addresses.insert(record.get("address")?, true);
        Ok(())
    })
}

/// Takes addresses that were free.
pub(crate) fn insert(connection: &Connection, channel: &ChannelName, addresses: &[String]) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- address::insert
        INSERT INTO address (channel, address)
        VALUES (?1, ?2)",
    )?;
    for address in addresses {
        statement.execute(params![channel.as_str(), address])?;
    }
    Ok(())
}

/// Gives addresses back that were in use.
pub(crate) fn delete(connection: &Connection, channel: &ChannelName, addresses: &[String]) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- address::delete
        DELETE FROM address
        WHERE channel = ?1 AND address = ?2",
    )?;
    for address in addresses {
        execute_one(&mut statement, params![channel.as_str(), address])?;
    }
    Ok(())
}
