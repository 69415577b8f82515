//! Refusals: the answers of a rule that says no, as ordinary values with a stable code.
//!
//! Owns the codes of core/ERR-2 and the texts that clients match (core/ERR-7). It does not know gRPC: which status a code gets is decided
//! where answers leave the server.

use std::fmt;

use crate::key::Key;

/// The four-digit code at the start of every refusal (core/ERR-2). New codes must not reuse a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// OE0002: no such asset in this channel.
    NotFound,
    /// OE0003: the request cannot be carried out as made, or not now.
    BadRequest,
    /// OE0006: an asset with this key, or this address, exists.
    Conflict,
    /// OE0010: nobody has implemented this.
    Unimplemented,
    /// OE0101: the asset or a parameter is not valid.
    InvalidAsset,
    /// OE0102: the caller may not do this.
    PermissionDenied,
    /// OE0106: the task has no output of that name.
    MissingTaskOutput,
    /// OE0107: the kind does not fit the task's output.
    IncompatibleOutputKind,
    /// OE0108: the output cannot be disabled.
    CannotDisableOutput,
    /// OE0109: the compute plan is already over.
    TerminatedComputePlan,
}

impl Code {
    /// The code as it is written in messages, for example `OE0002`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "OE0002",
            Self::BadRequest => "OE0003",
            Self::Conflict => "OE0006",
            Self::Unimplemented => "OE0010",
            Self::InvalidAsset => "OE0101",
            Self::PermissionDenied => "OE0102",
            Self::MissingTaskOutput => "OE0106",
            Self::IncompatibleOutputKind => "OE0107",
            Self::CannotDisableOutput => "OE0108",
            Self::TerminatedComputePlan => "OE0109",
        }
    }
}

/// A rule said no. Its text is for people; only the code and the fragments of core/ERR-7 are for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which kind of no.
    pub code: Code,
    /// A lower-case fragment without the code; never text of a database.
    pub message: String,
}

impl Refusal {
    /// A refusal with this code and text.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// OE0002, naming the resource and the key (core/ERR-8).
    pub fn not_found<K: Key>(key: K) -> Self {
        Self::nameless(K::RESOURCE, &key.to_string())
    }

    /// OE0002 for what is looked up by a text that is no key.
    pub fn nameless(resource: &str, name: &str) -> Self {
        Self::new(Code::NotFound, format!("{resource} with key {name:?} not found"))
    }

    /// OE0006, naming the resource and the key; worded alike whichever channel holds it (core/CHN-6).
    pub fn key_in_use<K: Key>(key: K) -> Self {
        Self::new(Code::Conflict, format!("{} with key {:?} already exists", K::RESOURCE, key.to_string()))
    }

    /// OE0006 for a storage address that is used in the channel (core/DM-7).
    pub fn address_in_use(address: &str) -> Self {
        Self::new(Code::Conflict, format!("storage address {address:?} is already used"))
    }

    /// OE0003.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, message)
    }

    /// OE0003 for an action that the state machine does not know; the text is matched by clients (compute/TSM-1, compute/DEF-23).
    pub fn illegal_transition(transition: &str, status: &str) -> Self {
        Self::bad_request(format!("event {transition} inappropriate in current state {status}"))
    }

    /// OE0003 for an owner that has not registered in the channel (core/DM-8).
    pub fn unregistered_owner(owner: impl fmt::Display) -> Self {
        Self::bad_request(format!("organization {:?} is not registered in the channel", owner.to_string()))
    }

    /// OE0101.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidAsset, message)
    }

    /// OE0102.
    pub fn permission_denied(message: impl Into<String>) -> Self {
        Self::new(Code::PermissionDenied, message)
    }

    /// OE0102 for a caller who does not own the asset.
    pub fn not_owner<K: Key>(key: K) -> Self {
        Self::permission_denied(format!("only the owner of {} {} may do this", K::RESOURCE, key))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Refusal {}
