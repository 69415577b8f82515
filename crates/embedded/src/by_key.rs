//! Loading assets by key: the one access path that all kinds of assets share.

use asset::facts::ByKey;
use asset::key::Key;
use asset::{ChannelName, Footprint};
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::Result;
use crate::record::{Record, array, for_each};

/// Puts the assets of the channel that have these keys; of other channels, only that the key is taken (core/CHN-6).
pub(crate) fn load<K: Key, A: Footprint>(
    connection: &Connection,
    table: &'static str,
    columns: &str,
    channel: &ChannelName,
    keys: &BTreeSet<K>,
    known: &mut ByKey<K, A>,
    read: fn(&Record<'_>) -> Result<A>,
) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "-- {table}::load\nSELECT {columns}\nFROM {table}\nWHERE key IN (SELECT value FROM rarray(?1))"
    );
    for_each(connection, table, &sql, params![array(keys)], |record| {
        let key = record.key("key")?;
        if record.text("channel")? == channel.as_str() {
            known.put(key, Arc::new(read(record)?));
        } else {
            known.put_elsewhere(key);
        }
        Ok(())
    })
}
