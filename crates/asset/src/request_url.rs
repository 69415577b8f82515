//! Whether a text is the address an organization can be reached at (core/VAL-11).
//!
//! Owns that one verdict. It knows nothing of the 200 characters an organization's address may have (core/VAL-14) nor of its being optional
//! (core/ORG-1): the validation of the message asks for both. Start at [`is_request_url`].

use crate::structural_parse::{Mode, structural_parse};

/// Whether `s` has a scheme and is well formed, by the loose standard of core/VAL-11; the host may be empty.
pub fn is_request_url(s: &str) -> bool {
    structural_parse(s, Mode::Request).is_some_and(|parsed| parsed.scheme.is_some())
}
