//! Statements and their rows, read column by column.
//!
//! Owns how values of the domain lie in columns: keys as 16 bytes, times as microseconds, numbers of enumerations, JSON text. What
//! cannot be read is corrupt, and the error names table, column and key.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::rc::Rc;

use asset::key::Key;
use asset::{OrganizationId, Timestamp};
use persistence::Room;
use rusqlite::types::{FromSql, Value, ValueRef};
use rusqlite::vtab::array::Array;
use rusqlite::{Connection, Params, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::error::{Error, Result};

/// A row of a table; its first column tells it from the others.
pub(crate) struct Record<'a> {
    table: &'static str,
    row: &'a Row<'a>,
}

/// Runs a statement and does something with each row.
pub(crate) fn for_each(
    connection: &Connection,
    table: &'static str,
    sql: &str,
    parameters: impl Params,
    mut action: impl FnMut(&Record<'_>) -> Result<()>,
) -> Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    while let Some(row) = rows.next()? {
        action(&Record { table, row })?;
    }
    Ok(())
}

/// Runs a statement and collects what is read from its rows.
pub(crate) fn collect<T>(
    connection: &Connection,
    table: &'static str,
    sql: &str,
    parameters: impl Params,
    mut read: impl FnMut(&Record<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut items = Vec::new();
    for_each(connection, table, sql, parameters, |record| {
        items.push(read(record)?);
        Ok(())
    })?;
    Ok(items)
}

/// Like [`collect`], but ends before the first row for which there is no room any more. Says whether there was one.
pub(crate) fn collect_within<T>(
    mut room: Room,
    connection: &Connection,
    table: &'static str,
    sql: &str,
    parameters: impl Params,
    mut read: impl FnMut(&Record<'_>) -> Result<T>,
) -> Result<(Vec<T>, bool)> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        let record = Record { table, row };
        if !room.takes(record.bytes()?) {
            return Ok((items, true));
        }
        items.push(read(&record)?);
    }
    Ok((items, false))
}

impl Record<'_> {
    /// The bytes of its texts and blobs.
    fn bytes(&self) -> Result<usize> {
        let columns = 0..self.row.as_ref().column_count();
        let bytes = columns.map(|column| -> Result<usize> {
            Ok(match self.row.get_ref(column)? {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
                _ => 0,
            })
        });
        bytes.sum()
    }

    /// A value that SQLite knows.
    pub(crate) fn get<T: FromSql>(&self, column: &str) -> Result<T> {
        self.row.get(column).map_err(|error| self.corrupt(column, error))
    }

    /// A blob, where it lies.
    pub(crate) fn bytes_of(&self, column: &str) -> Result<&[u8]> {
        let value = self.row.get_ref(column).map_err(|error| self.corrupt(column, error))?;
        value.as_blob().map_err(|error| self.corrupt(column, error))
    }

    /// A key.
    pub(crate) fn key<K: Key>(&self, column: &str) -> Result<K> {
        Ok(K::from_uuid(self.get::<Uuid>(column)?))
    }

    /// An organization's id.
    pub(crate) fn organization(&self, column: &str) -> Result<OrganizationId> {
        Ok(OrganizationId::new(self.get::<String>(column)?))
    }

    /// A time.
    pub(crate) fn time(&self, column: &str) -> Result<Timestamp> {
        Ok(Timestamp::from_micros(self.get(column)?))
    }

    /// A time or `NULL`.
    pub(crate) fn optional_time(&self, column: &str) -> Result<Option<Timestamp>> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp::from_micros))
    }

    /// A count or a position.
    pub(crate) fn natural(&self, column: &str) -> Result<u64> {
        u64::try_from(self.get::<i64>(column)?).map_err(|error| self.corrupt(column, error))
    }

    /// A number of an enumeration.
    pub(crate) fn number<T>(&self, column: &str, from_number: impl FnOnce(i16) -> Option<T>) -> Result<T> {
        let number = self.get(column)?;
        from_number(number).ok_or_else(|| self.corrupt(column, format!("{number} has no meaning")))
    }

    /// A value kept as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T> {
        let text = self.text(column)?;
        serde_json::from_str(text).map_err(|error| self.corrupt(column, error))
    }

    /// A value kept as JSON, or `NULL`.
    pub(crate) fn optional_json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>> {
        match self.row.get_ref(column)? {
            ValueRef::Null => Ok(None),
            _ => self.json(column).map(Some),
        }
    }

    /// Text, where it lies.
    pub(crate) fn text(&self, column: &str) -> Result<&str> {
        self.row.get_ref(column)?.as_str().map_err(|error| self.corrupt(column, error))
    }

    pub(crate) fn corrupt(&self, column: &str, error: impl Display) -> Error {
        let key = match self.row.get_ref(0) {
            Ok(ValueRef::Blob(bytes)) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            Ok(ValueRef::Text(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            Ok(ValueRef::Integer(number)) => number.to_string(),
            _ => String::from("unknown"),
        };
        Error::Corrupt(format!("{}.{column} of {key}: {error}", self.table))
    }
}

/// A value as the JSON text that [`Record::json`] reads.
pub(crate) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Failed(format!("cannot write JSON: {error}")))
}

/// A value as JSON text, or `NULL`.
pub(crate) fn to_optional_json(value: Option<&impl Serialize>) -> Result<Option<String>> {
    value.map(to_json).transpose()
}

/// A count or a position as SQLite's integer; more than it can hold is more than there can be of anything.
pub(crate) fn to_integer(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// Keys as the parameter of `rarray(?)`: one statement for all of them.
pub(crate) fn array<K: Key>(keys: &BTreeSet<K>) -> Array {
    Rc::new(keys.iter().map(|key| Value::from(key.uuid())).collect())
}
