//! Why a call was not carried out, told apart by what the caller can do about it.

use asset::Refusal;

/// A call failed. Nothing of it was stored, except where [`Failure::Unavailable`] says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A rule said no; asking again does not help.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Overload, or storage is away: try again later. If storage went away while it committed, the call may have happened (core/TX-9).
    #[error("the service is unavailable, try again later")]
    Unavailable,
    /// A fault of the service; its detail is in the log only (core/ERR-5).
    #[error("internal error")]
    Internal,
}

impl Failure {
    /// What a caller is told of storage trouble; the trouble itself goes to the log.
    pub(crate) fn of_storage(error: &persistence::Error) -> Self {
        use persistence::Error;
        match error {
            Error::Unavailable(_) | Error::Conflict(_) | Error::Moved(_) | Error::OutcomeUnknown(_) => {
                tracing::warn!(%error, "storage is unavailable");
                Self::Unavailable
            }
            Error::Corrupt(_) | Error::Failed(_) => {
                tracing::error!(%error, "storage failed");
                Self::Internal
            }
        }
    }
}
