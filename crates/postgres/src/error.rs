//! Database errors in the words of the storage contract: the only place that reads SQLSTATE.
//!
//! What an error means depends on when it comes: [`of`] is for everything before a commit was sent,
//! [`before_commit`] and [`of_commit`] are for the flight that ends with it.

use std::borrow::Borrow;

use deadpool_postgres::PoolError;
use persistence::Error;
use tokio_postgres::error::{DbError, SqlState};

use crate::channel;

/// The error of a statement that was not to commit anything, or of connecting.
pub(crate) fn of(error: impl Borrow<tokio_postgres::Error>) -> Error {
    let error = error.borrow();
    match error.as_db_error() {
        Some(database) => of_database(database),
        None => Error::Unavailable(text(error)),
    }
}

/// The error of a statement behind which the commit was sent already.
///
/// What the database says about the statement is certain: it handles them in their order, so the commit did
/// not happen. If it says nothing, nobody knows how far it came.
pub(crate) fn before_commit(error: impl Borrow<tokio_postgres::Error>) -> Error {
    let error = error.borrow();
    match error.as_db_error() {
        Some(database) => of_database(database),
        None => Error::OutcomeUnknown(text(error)),
    }
}

/// The error of the commit itself: undone if the database says so and the session goes on, else unknown.
pub(crate) fn of_commit(error: impl Borrow<tokio_postgres::Error>) -> Error {
    let error = error.borrow();
    match error.as_db_error() {
        Some(database) if !ends_session(database) => of_database(database),
        _ => Error::OutcomeUnknown(text(error)),
    }
}

/// The error of waiting for a connection.
pub(crate) fn of_pool(error: impl Borrow<PoolError>) -> Error {
    let error = error.borrow();
    match error {
        PoolError::Backend(error) => of(error),
        other => Error::Unavailable(other.to_string()),
    }
}

/// Whether the statement failed only because one before it did.
pub(crate) fn is_consequence(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION)
}

/// Whether the error says that there is no such table or schema.
pub(crate) fn is_missing_schema(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME))
}

fn of_database(error: &DbError) -> Error {
    let text = database_text(error);
    match error.code() {
        &SqlState::UNIQUE_VIOLATION => Error::Conflict(text),
        code if code.code() == channel::MOVED => Error::Moved(text),
        &SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME => {
            Error::Failed(format!("{text} (the database has no schema yet: run the migration)"))
        }
        &SqlState::READ_ONLY_SQL_TRANSACTION => Error::Unavailable(text), // a standby, for example after a failover
        code if is_corruption(code) => Error::Corrupt(text),
        code if may_pass(code) || ends_session(error) => Error::Unavailable(text),
        _ => Error::Failed(text),
    }
}

/// Classes of errors that tell about the moment, not about the statement.
fn may_pass(code: &SqlState) -> bool {
    const CONNECTION: &str = "08";
    const TRANSACTION_ROLLBACK: &str = "40";
    const INSUFFICIENT_RESOURCES: &str = "53";
    const OBJECT_NOT_READY: &str = "55";
    const OPERATOR_INTERVENTION: &str = "57";
    const SYSTEM: &str = "58";
    [
        CONNECTION,
        TRANSACTION_ROLLBACK,
        INSUFFICIENT_RESOURCES,
        OBJECT_NOT_READY,
        OPERATOR_INTERVENTION,
        SYSTEM,
    ]
    .iter()
    .any(|class| code.code().starts_with(class))
}

fn is_corruption(code: &SqlState) -> bool {
    matches!(code, &SqlState::DATA_CORRUPTED | &SqlState::INDEX_CORRUPTED)
}

/// `FATAL` and `PANIC`. A refused login is one too, but it says so by its class.
fn ends_session(error: &DbError) -> bool {
    const INVALID_AUTHORIZATION: &str = "28";
    const INVALID_CATALOG_NAME: &str = "3D";
    let refused = [INVALID_AUTHORIZATION, INVALID_CATALOG_NAME];
    error.severity() != "ERROR" && !refused.iter().any(|class| error.code().code().starts_with(class))
}

/// The message with what the database adds for its operator. The detail may quote rows, which the log of an
/// operator may hold.
fn database_text(error: &DbError) -> String {
    let mut text = format!("{} (SQLSTATE {})", error.message(), error.code().code());
    for more in [error.detail(), error.hint()].into_iter().flatten() {
        text.push_str("; ");
        text.push_str(more);
    }
    text
}

/// The error with its causes.
fn text(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
