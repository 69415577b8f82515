//! What can go wrong in a statement, and what the storage contract calls it.
//!
//! This is the one place that knows SQLite's codes. Elsewhere `?` collects faults as [`Error`]; leaving the crate turns them into
//! [`persistence::Error`], told apart by what the caller can do.

use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};

/// The result of a statement.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// A fault below the storage contract.
#[derive(Debug)]
pub(crate) enum Error {
    /// SQLite refused a statement.
    Statement(rusqlite::Error),
    /// SQLite could not commit.
    Commit(rusqlite::Error),
    /// A row that this program did not write: table, column, key and what is wrong.
    Corrupt(String),
    /// Anything else.
    Failed(String),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Statement(error)
    }
}

impl From<Error> for persistence::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Statement(error) => classify(&error),
            // SQLite has rolled back, but a commit mark that went wrong on its way to the disk may be found there after a crash.
            Error::Commit(error) if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) => {
                Self::OutcomeUnknown(error.to_string())
            }
            Error::Commit(error) => classify(&error),
            Error::Corrupt(text) => Self::Corrupt(text),
            Error::Failed(text) => Self::Failed(text),
        }
    }
}

fn classify(error: &rusqlite::Error) -> persistence::Error {
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) if is_duplicate(error) => persistence::Error::Conflict(text),
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory,
        ) => persistence::Error::Unavailable(text),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => persistence::Error::Corrupt(text),
        _ => persistence::Error::Failed(text),
    }
}

/// A row with this key exists. Other constraints guard against our own mistakes, and loading the facts anew would not help.
fn is_duplicate(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(SQLITE_CONSTRAINT_PRIMARYKEY | SQLITE_CONSTRAINT_UNIQUE))
}
