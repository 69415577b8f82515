//! Instants as the predecessor keeps them: `timestamptz`, read to the microsecond on every version of PostgreSQL.

use std::error::Error;

use asset::Timestamp;
use tokio_postgres::types::{FromSql, Type};

/// From 1970, where ours begin, to 2000, where those of PostgreSQL do, in microseconds.
const EPOCH_DISTANCE: i64 = 946_684_800_000_000;

/// An instant of a row.
pub(super) struct Instant(pub(super) Timestamp);

impl<'a> FromSql<'a> for Instant {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        match i64::from_be_bytes(raw.try_into()?) {
            i64::MIN | i64::MAX => Err("it is infinite".into()),
            micros => Ok(Self(Timestamp::from_micros(micros.saturating_add(EPOCH_DISTANCE)))),
        }
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ
    }
}
