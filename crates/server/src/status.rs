//! The one mapping from failures to gRPC statuses, for unary calls and streams alike (core/ERR-2, ERR-6).
//!
//! Owns which status a code gets and how long a text may be. Which code a refusal has is the domain's business.

use asset::Refusal;
use asset::refusal::Code;
use service::Failure;
use tonic::Status;

/// Longest text of a status in bytes: it travels in a header, and clients refuse headers of more than 8 KiB.
const MESSAGE_BYTES_MAX: usize = 2048;

/// How the text of a fault of the server begins.
pub(crate) const FAULT: &str = "OE0007";

/// The status of a failure. Texts begin with the code, except where the contract knows no code (core/ERR-1, ERR-5).
pub(crate) fn of_failure(failure: &Failure) -> Status {
    match failure {
        Failure::Refused(refusal) => of_refusal(refusal),
        Failure::Unavailable => Status::unavailable(failure.to_string()),
        Failure::Internal => internal(),
    }
}

/// The status of a refusal.
pub(crate) fn of_refusal(refusal: &Refusal) -> Status {
    let mut message = refusal.to_string();
    if message.len() > MESSAGE_BYTES_MAX {
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        message.push('…');
    }
    Status::new(code(refusal.code), message)
}

/// The status of a fault of the server; its detail is in the log only (core/ERR-5).
pub(crate) fn internal() -> Status {
    Status::internal(format!("{FAULT}: internal error"))
}

/// Whether a call that ends with this text has met a fault of the server. The code does not say it: a message that cannot be decoded has the same
/// (core/ID-14).
pub(crate) fn is_fault(text: &[u8]) -> bool {
    text.starts_with(FAULT.as_bytes())
}

/// The status of a stream that ends because the server does (core/SUB-11).
pub(crate) fn stopping() -> Status {
    Status::unavailable("the server is shutting down")
}

/// The status of a stream whose caller may no longer follow it: the certificate has ended, or the membership (core/DEF-9).
pub(crate) fn authority_ended() -> Status {
    Status::unavailable("the authority to follow this stream has ended; call again")
}

/// The status of a call on a connection whose certificate would be refused now: only another handshake can help (core/ID-11).
pub(crate) fn not_trusted() -> Status {
    Status::unavailable("the certificate of this connection is not trusted any more; connect again")
}

/// The status of a call that has taken too long, its request or its turn: the caller may try again.
pub(crate) fn overdue() -> Status {
    Status::unavailable("the call has taken too long")
}

/// The status of a call of an organization that has as many under way as it may: some of them will end soon.
pub(crate) fn too_many_calls() -> Status {
    Status::unavailable("too many calls of the organization are under way; try again")
}

/// The status of a call that asks for no identity, of a connection that has as many of them as it may.
pub(crate) fn too_many_exempt_calls() -> Status {
    Status::resource_exhausted("the connection has as many health calls open as it may")
}

/// The status of a stream of an organization that follows as many as it may.
pub(crate) fn too_many_streams() -> Status {
    Status::resource_exhausted("the organization has as many streams open as it may")
}

/// The status of a call whose request is more than the organization may have under way.
pub(crate) fn too_many_request_bytes() -> Status {
    Status::resource_exhausted("the requests of the organization that are under way are too large together")
}

/// The status of a call or stream of an organization that has not taken too many answers: some of them will be sent soon, or given up.
pub(crate) fn too_many_answer_bytes() -> Status {
    Status::unavailable("the answers that the organization has not taken are too large together; try again")
}

/// The table of core/ERR-2.
fn code(code: Code) -> tonic::Code {
    match code {
        Code::NotFound => tonic::Code::NotFound,
        Code::Conflict => tonic::Code::AlreadyExists,
        Code::Unimplemented => tonic::Code::Unimplemented,
        Code::PermissionDenied => tonic::Code::PermissionDenied,
        Code::InvalidAsset | Code::MissingTaskOutput | Code::IncompatibleOutputKind => {
            tonic::Code::InvalidArgument
        }
        Code::BadRequest | Code::CannotDisableOutput | Code::TerminatedComputePlan => {
            tonic::Code::FailedPrecondition
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_status() {
        // core/ERR-2, copied from the contract's table.
        let table = [
            (Code::NotFound, "OE0002", tonic::Code::NotFound),
            (Code::BadRequest, "OE0003", tonic::Code::FailedPrecondition),
            (Code::Conflict, "OE0006", tonic::Code::AlreadyExists),
            (Code::Unimplemented, "OE0010", tonic::Code::Unimplemented),
            (Code::InvalidAsset, "OE0101", tonic::Code::InvalidArgument),
            (Code::PermissionDenied, "OE0102", tonic::Code::PermissionDenied),
            (Code::MissingTaskOutput, "OE0106", tonic::Code::InvalidArgument),
            (Code::IncompatibleOutputKind, "OE0107", tonic::Code::InvalidArgument),
            (Code::CannotDisableOutput, "OE0108", tonic::Code::FailedPrecondition),
            (Code::TerminatedComputePlan, "OE0109", tonic::Code::FailedPrecondition),
        ];
        for (code, number, expected) in table {
            let status = of_failure(&Failure::Refused(Refusal::new(code, "because")));
            assert_eq!(status.code(), expected);
            assert_eq!(status.message(), format!("{number}: because"));
        }
    }

    #[test]
    fn a_passing_trouble_has_no_code_and_a_fault_says_nothing() {
        // core/TX-6, ERR-5
        let unavailable = of_failure(&Failure::Unavailable);
        assert_eq!(unavailable.code(), tonic::Code::Unavailable);
        assert!(!unavailable.message().starts_with("OE"), "{unavailable:?}");
        let internal = of_failure(&Failure::Internal);
        assert_eq!((internal.code(), internal.message()), (tonic::Code::Internal, "OE0007: internal error"));
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let status = of_refusal(&Refusal::invalid("ü".repeat(MESSAGE_BYTES_MAX)));
        assert!(status.message().len() <= MESSAGE_BYTES_MAX + '…'.len_utf8(), "{}", status.message().len());
        assert!(status.message().ends_with("ü…"));
    }
}
