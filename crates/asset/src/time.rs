//! Instants as the contract sees them: UTC, whole microseconds (core/TX-3).
//!
//! Owns the one time type of the domain; reading a clock is somebody else's business.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00:00Z, negative before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest instant that can be told apart.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest instant that can be told apart.
    pub const MAX: Self = Self(i64::MAX);

    /// The instant so many microseconds after the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The instant one microsecond later; the latest instant stays.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How long it has been since an earlier instant; nothing if that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0).try_into().unwrap_or_default())
    }
}
