//! Storage trouble, told apart by what the caller can do.

/// A storage result.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a store could not do what it was asked.
///
/// The texts are for the operator's log. They may quote the database and must never reach a client (core/ERR-5).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing happened, and the same may succeed later: the database is away, busy, or gave up a transaction.
    #[error("storage is unavailable: {0}")]
    Unavailable(String),
    /// Nothing happened: a row stands in the way that was not there when the facts were loaded. Loading them anew helps.
    #[error("stored rows are in the way: {0}")]
    Conflict(String),
    /// Nothing happened: the channel's log does not end where it was expected to. Loading the facts anew helps.
    #[error("the log of the channel has moved: {0}")]
    Moved(String),
    /// It was to be committed and the answer got lost: it may have happened.
    #[error("the outcome of a commit is unknown: {0}")]
    OutcomeUnknown(String),
    /// Stored data are not what this program writes. Trying again does not help.
    #[error("stored data are corrupt: {0}")]
    Corrupt(String),
    /// Anything else, for example a missing schema.
    #[error("storage failed: {0}")]
    Failed(String),
}
