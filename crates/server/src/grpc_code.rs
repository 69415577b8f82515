//! The names of status codes, as the metrics and the log of Substra orchestrator 1.0.0 spell them.

use tonic::Code;

/// Every code with its name, in the order of their numbers.
pub(crate) const NAMES: [(Code, &str); 17] = [
    (Code::Ok, "OK"),
    (Code::Cancelled, "Canceled"),
    (Code::Unknown, "Unknown"),
    (Code::InvalidArgument, "InvalidArgument"),
    (Code::DeadlineExceeded, "DeadlineExceeded"),
    (Code::NotFound, "NotFound"),
    (Code::AlreadyExists, "AlreadyExists"),
    (Code::PermissionDenied, "PermissionDenied"),
    (Code::ResourceExhausted, "ResourceExhausted"),
    (Code::FailedPrecondition, "FailedPrecondition"),
    (Code::Aborted, "Aborted"),
    (Code::OutOfRange, "OutOfRange"),
    (Code::Unimplemented, "Unimplemented"),
    (Code::Internal, "Internal"),
    (Code::Unavailable, "Unavailable"),
    (Code::DataLoss, "DataLoss"),
    (Code::Unauthenticated, "Unauthenticated"),
];

/// The place of a code in [`NAMES`], which is its number.
pub(crate) fn number(code: Code) -> usize {
    NAMES.iter().position(|(named, _)| *named == code).unwrap_or_default()
}

/// The name of a code.
pub(crate) fn name(code: Code) -> &'static str {
    NAMES[number(code)].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_at_its_number() {
        for (place, (code, _)) in NAMES.into_iter().enumerate() {
            assert_eq!((number(code), usize::try_from(i32::from(code)).unwrap()), (place, place));
        }
        assert_eq!((name(Code::Ok), name(Code::Cancelled)), ("OK", "Canceled"));
    }
}
