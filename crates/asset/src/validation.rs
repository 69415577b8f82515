//! Field validation: collects what is wrong with one message and refuses it once (core/VAL-13).
//!
//! Owns the shared value rules of both contracts (core/VAL-1 … VAL-16, compute/VAL-1 … VAL-9). It needs no stored state, so it runs before a
//! call is queued. Each method records its violation and returns a value all the same; [`Violations::finish`] decides.

use crate::addressable::Addressable;
use crate::footprint::Footprint;
use crate::key::Key;
use crate::limits::{
    ADDRESS_CHARACTERS_MAX, AUTHORIZED_IDS_BYTES_MAX, CHECKSUM_DIGITS, IDENTIFIER_BYTES_MAX,
    METADATA_BYTES_MAX, NAME_BYTES_MAX,
};
use crate::metadata::Metadata;
use crate::permission::NewPermissions;
use crate::refusal::Refusal;
use crate::request_url::is_request_url;
use crate::storage_address::{is_storage_address, is_strict_storage_address};

/// What an operator may tighten beyond the contract's default acceptance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Refuse assets that are valid here but stop the event consumers of the known backend (core/DEF-61).
    pub refuse_assets_that_stop_consumers: bool,
}

/// The violations found so far in one message.
#[derive(Debug)]
pub struct Violations {
    resource: &'static str,
    policy: Policy,
    found: Vec<(String, &'static str)>,
}

impl Violations {
    /// Nothing is wrong yet with this message about a `resource` (a name of core/ERR-8).
    pub fn new(resource: &'static str, policy: Policy) -> Self {
        Self { resource, policy, found: Vec::new() }
    }

    /// Records that `field` is wrong because of `reason`.
    pub fn add(&mut self, field: &str, reason: &'static str) {
        // Once is enough: there may be a million of it in one message.
        if !self.found.iter().any(|(found, because)| found == field && *because == reason) {
            self.found.push((field.to_owned(), reason));
        }
    }

    /// Records `reason` unless `holds`.
    pub fn require(&mut self, field: &str, holds: bool, reason: &'static str) {
        if !holds {
            self.add(field, reason);
        }
    }

    /// Ends the validation.
    ///
    /// # Errors
    /// One OE0101 that names every failing field, sorted by field (core/VAL-13).
    pub fn finish(mut self) -> Result<(), Refusal> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort();
        let list: Vec<String> =
            self.found.iter().map(|(field, reason)| format!("{field}: {reason}")).collect();
        Err(Refusal::invalid(format!("{} is not valid: {}", self.resource, list.join("; "))))
    }

    /// A required key in strict form (core/VAL-4). What is returned for a wrong one is never used.
    pub fn key<K: Key>(&mut self, field: &str, text: &str) -> K {
        K::parse(text).unwrap_or_else(|| {
            self.add(field, if text.is_empty() { "cannot be blank" } else { "must be a valid UUID" });
            K::from_uuid(uuid::Uuid::nil())
        })
    }

    /// A list of keys in strict form. An empty text passes and names no key at all (core/VAL-5).
    pub fn keys<K: Key>(&mut self, field: &str, texts: &[String]) -> Vec<Option<K>> {
        let keys: Vec<Option<K>> = texts.iter().map(|text| K::parse(text)).collect();
        let malformed = texts.iter().zip(&keys).any(|(text, key)| key.is_none() && !text.is_empty());
        self.require(field, !malformed, "must be a list of valid UUIDs");
        keys
    }

    /// A required name (core/VAL-7).
    pub fn name(&mut self, field: &str, text: String) -> String {
        self.require(field, !text.is_empty(), "cannot be blank");
        if self.policy.refuse_assets_that_stop_consumers {
            self.require(field, text.is_empty() || !text.trim().is_empty(), "must contain more than spaces");
        }
        self.text(field, text, NAME_BYTES_MAX)
    }

    /// A text of at most `bytes_max` bytes, perhaps empty (core/VAL-3), without U+0000 (core/VAL-15).
    pub fn text(&mut self, field: &str, text: String, bytes_max: usize) -> String {
        self.require(field, text.len() <= bytes_max, "is too long");
        self.without_nul(field, &text);
        text
    }

    /// Refuses U+0000, which cannot be stored (core/VAL-15).
    pub fn without_nul(&mut self, field: &str, text: &str) {
        self.require(field, !text.contains('\0'), "must not contain NUL characters");
    }

    /// A required identifier of a function's input or output (compute/FUNC-3).
    pub fn identifier(&mut self, field: &str, text: &str) {
        self.require(field, !text.is_empty(), "identifier cannot be blank");
        self.require(field, text.len() <= IDENTIFIER_BYTES_MAX, "identifier is too long");
        self.without_nul(field, text);
    }

    /// Metadata: each name and value at most 100 bytes (core/VAL-8).
    pub fn metadata(&mut self, metadata: Metadata) -> Metadata {
        let fits = |text: &str| text.len() <= METADATA_BYTES_MAX;
        let whole = |text: &str| !text.contains('\0');
        let entries_all =
            |holds: &dyn Fn(&str) -> bool| metadata.iter().all(|(key, value)| holds(key) && holds(value));
        let (fit, without_nul) = (entries_all(&fits), entries_all(&whole));
        self.require("metadata", fit, "keys and values must not be longer than 100 bytes");
        self.require("metadata", without_nul, "must not contain NUL characters");
        metadata
    }

    /// A required file reference (core/VAL-9).
    pub fn addressable(&mut self, field: &str, addressable: Option<Addressable>) -> Addressable {
        let Some(addressable) = addressable else {
            self.add(field, "is required");
            return Addressable::default();
        };
        self.checksum(&format!("{field}.checksum"), &addressable.checksum);
        self.storage_address(&format!("{field}.storage_address"), &addressable.storage_address);
        addressable
    }

    /// A required checksum (core/VAL-6).
    pub fn checksum(&mut self, field: &str, text: &str) {
        let hexadecimal = text.len() == CHECKSUM_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.require(field, hexadecimal, "must be 64 hexadecimal digits");
    }

    /// A required storage address (core/VAL-10, VAL-14), narrower if the operator says so (core/DEF-61).
    fn storage_address(&mut self, field: &str, text: &str) {
        if text.chars().count() > ADDRESS_CHARACTERS_MAX {
            self.add(field, "must not be longer than 200 characters");
            return; // so that the grammar is never matched against a text of any length
        }
        self.require(field, is_storage_address(text), "must be a valid URL");
        self.without_nul(field, text);
        if self.policy.refuse_assets_that_stop_consumers {
            self.require(field, is_strict_storage_address(text), "must be a plain http or https URL");
        }
    }

    /// An organization's own address, perhaps empty (core/ORG-1).
    pub fn request_url(&mut self, field: &str, text: &str) {
        self.require(field, text.is_empty() || is_request_url(text), "must be a valid URL");
        self.require(
            field,
            text.chars().count() <= ADDRESS_CHARACTERS_MAX,
            "must not be longer than 200 characters",
        );
    }

    /// Required permissions; an empty message is fine and means private to the owner (core/DM-1). How many organizations they name is bounded, since
    /// a task can take them over from an asset that it uses.
    pub fn permissions(&mut self, field: &str, permissions: Option<NewPermissions>) -> NewPermissions {
        let Some(permissions) = permissions else {
            self.add(field, "is required");
            return NewPermissions::default();
        };
        for id in &permissions.authorized_ids {
            self.without_nul(field, id.as_str());
        }
        let fit = permissions.authorized_ids.outside_bytes() <= AUTHORIZED_IDS_BYTES_MAX;
        self.require(field, fit, "names too many organizations");
        if self.policy.refuse_assets_that_stop_consumers {
            let named = permissions.authorized_ids.iter().all(|id| !id.as_str().is_empty());
            self.require(field, named, "must not name an organization without a name");
        }
        permissions
    }
}

#[cfg(test)]
mod tests {
    use crate::caller::OrganizationId;

    use super::*;

    #[test]
    fn permissions_name_a_hundred_organizations_but_not_thousands() {
        for (count, fits) in [(100, true), (5000, false)] {
            let authorized_ids = vec![OrganizationId::new("x".repeat(100)); count];
            let mut violations = Violations::new("function", Policy::default());
            violations.permissions("permissions", Some(NewPermissions { public: true, authorized_ids }));
            assert_eq!(violations.finish().is_ok(), fits, "{count}");
        }
    }

    #[test]
    fn a_fault_is_told_once_however_often_it_is_there() {
        // core/VAL-13
        let mut violations = Violations::new("function", Policy::default());
        for field in ["b", "a", "b", "b", "a"] {
            violations.add(field, "is wrong");
        }
        violations.require("a", false, "is too long");
        let refusal = violations.finish().unwrap_err().to_string();
        assert_eq!(refusal, "OE0101: function is not valid: a: is too long; a: is wrong; b: is wrong");
    }
}
