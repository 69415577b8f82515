//! Reading rows: typed columns, and errors that say which one of which row is not what this program writes.

use std::fmt::Display;
use std::sync::Arc;

use asset::Footprint;
use asset::facts::ByKey;
use asset::key::Key;
use asset::{OrganizationId, Timestamp};
use persistence::event_log::Hash;
use persistence::{Error, Result};
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Json};
use uuid::Uuid;

/// The columns of one row of a table.
pub(crate) struct Columns<'r> {
    table: &'static str,
    row: &'r Row,
}

impl<'r> Columns<'r> {
    /// Reads a row of `table`; by convention its first column tells it from others.
    pub(crate) fn of(table: &'static str, row: &'r Row) -> Self {
        Self { table, row }
    }

    /// The value of a column.
    pub(crate) fn get<T: FromSql<'r>>(&self, column: &str) -> Result<T> {
        self.row.try_get(column).map_err(|error| self.corrupt(column, error))
    }

    /// A key.
    pub(crate) fn key<K: Key>(&self, column: &str) -> Result<K> {
        self.get(column).map(K::from_uuid)
    }

    /// A time in microseconds.
    pub(crate) fn time(&self, column: &str) -> Result<Timestamp> {
        self.get(column).map(Timestamp::from_micros)
    }

    /// The id of an organization.
    pub(crate) fn organization(&self, column: &str) -> Result<OrganizationId> {
        self.get::<String>(column).map(OrganizationId::new)
    }

    /// A value that is kept as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T> {
        self.get(column).map(|Json(value)| value)
    }

    /// A value that is kept as JSON, or nothing.
    pub(crate) fn optional_json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>> {
        let value: Option<Json<T>> = self.get(column)?;
        Ok(value.map(|Json(value)| value))
    }

    /// A number that counts something.
    pub(crate) fn count<N: TryFrom<i64, Error: Display>>(&self, column: &str) -> Result<N> {
        N::try_from(self.get(column)?).map_err(|error| self.corrupt(column, error))
    }

    /// A SHA-256.
    pub(crate) fn hash(&self, column: &str) -> Result<Hash> {
        let bytes: &[u8] = self.get(column)?;
        Hash::try_from(bytes).map_err(|error| self.corrupt(column, error))
    }

    /// A status or kind that is kept as its number.
    pub(crate) fn number<T>(&self, column: &str, from_number: fn(i16) -> Option<T>) -> Result<T> {
        let number = self.get(column)?;
        from_number(number).ok_or_else(|| self.corrupt(column, format!("{number} has no meaning")))
    }

    /// The error for a column whose value cannot be understood.
    pub(crate) fn corrupt(&self, column: &str, problem: impl Display) -> Error {
        Error::Corrupt(format!("{}.{column} of {}: {problem}", self.table, self.identity()))
    }

    fn identity(&self) -> String {
        let uuid = self.row.try_get::<_, Uuid>(0).map(|key| key.to_string());
        let text = || self.row.try_get::<_, String>(0);
        let number = || self.row.try_get::<_, i64>(0).map(|number| number.to_string());
        uuid.or_else(|_| text()).or_else(|_| number()).unwrap_or_else(|_| "a row".to_owned())
    }
}

/// Puts an asset that was looked for by key: whole if the column `here` says that it is of the channel at
/// hand.
pub(crate) fn put_by_key<K: Key, A: Footprint>(
    row: &Columns<'_>,
    assets: &mut ByKey<K, A>,
    read: fn(&Columns<'_>) -> Result<A>,
) -> Result<()> {
    let key = row.key("key")?;
    if row.get("here")? {
        assets.put(key, Arc::new(read(row)?));
    } else {
        assets.put_elsewhere(key);
    }
    Ok(())
}
