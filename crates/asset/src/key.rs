//! Keys of assets, each kind with a type of its own, so that a task key can never be passed as a plan key.
//!
//! Owns the two spellings of a key: the strict one of what is created (core/VAL-4) and the lenient one of what is looked up
//! (core/VAL-16). Keys compare as 128-bit values, which equals comparing their lower-case text.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::refusal::Refusal;

/// What all keys have in common.
pub trait Key: Copy + Eq + std::hash::Hash + Ord + fmt::Debug + fmt::Display + Send + Sync + 'static {
    /// What the contract calls an asset of this kind in its messages (core/ERR-8).
    const RESOURCE: &'static str;

    /// The key with this value.
    fn from_uuid(uuid: Uuid) -> Self;

    /// The value of the key.
    fn uuid(self) -> Uuid;

    /// Reads the strict form: 36 bytes, lower case, hyphens in place (core/VAL-4).
    fn parse(text: &str) -> Option<Self> {
        let canonical = text.len() == 36 && !text.bytes().any(|byte| byte.is_ascii_uppercase());
        let uuid = canonical.then(|| Uuid::try_parse(text).ok()).flatten()?;
        Some(Self::from_uuid(uuid))
    }

    /// Reads a key that is only looked up: any letter case, in braces or not, with or without a hyphen after every fourth digit
    /// (core/VAL-16).
    ///
    /// # Errors
    /// OE0101 for anything that is not a UUID, the empty text included.
    fn look_up(text: &str) -> Result<Self, Refusal> {
        let plain = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
        let digits = (plain.len() <= HYPHENATED_LENGTH_MAX && has_hyphens_in_place(plain))
            .then(|| plain.replace('-', ""))
            .filter(|digits| digits.len() == DIGITS);
        let uuid = digits.and_then(|digits| Uuid::try_parse(&digits).ok());
        uuid.map(Self::from_uuid)
            .ok_or_else(|| Refusal::invalid(format!("{} key is not a UUID", Self::RESOURCE)))
    }
}

/// Hexadecimal digits of a key.
const DIGITS: usize = 32;
/// Length of a key with a hyphen after every fourth digit but the last.
const HYPHENATED_LENGTH_MAX: usize = DIGITS + 7;

fn has_hyphens_in_place(text: &str) -> bool {
    text.split('-').all(|group| !group.is_empty() && group.len() % 4 == 0)
}

macro_rules! key {
    ($(#[$doc:meta])* $name:ident, $resource:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl Key for $name {
            const RESOURCE: &'static str = $resource;

            fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

key!(
    /// The key of a data manager.
    DataManagerKey,
    "datamanager"
);
key!(
    /// The key of a data sample.
    DataSampleKey,
    "datasample"
);
key!(
    /// The key of a function.
    FunctionKey,
    "function"
);
key!(
    /// The key of a compute plan.
    ComputePlanKey,
    "computeplan"
);
key!(
    /// The key of a compute task.
    ComputeTaskKey,
    "computetask"
);
key!(
    /// The key of a model.
    ModelKey,
    "model"
);
key!(
    /// The key of the task or the function that a failure report is about (compute/FAIL-1).
    FailedAssetKey,
    "failurereport"
);
key!(
    /// The id of an event; made by the server, random, unique across channels (core/EVT-2).
    EventId,
    "event"
);

#[cfg(test)]
mod tests {
    use super::*;

    const CANONICAL: &str = "3f1c9a52-0b7e-4c7d-9a33-5d2f8e6b1a40";

    #[test]
    fn strict_form_takes_lower_case_with_hyphens_only() {
        // core/VAL-4
        for accepted in
            [CANONICAL, "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]
        {
            assert_eq!(FunctionKey::parse(accepted).map(|key| key.to_string()).as_deref(), Some(accepted));
        }
        for refused in [
            "3F1C9A52-0b7e-4c7d-9a33-5d2f8e6b1a40",
            "3f1c9a520b7e4c7d9a335d2f8e6b1a40",
            "{3f1c9a52-0b7e-4c7d-9a33-5d2f8e6b1a40}",
            "urn:uuid:3f1c9a52-0b7e-4c7d-9a33-5d2f8e6b1a40",
            " 3f1c9a52-0b7e-4c7d-9a33-5d2f8e6b1a40",
            "3f1c9a52-0b7e-4c7d-9a33-5d2f8e6b1a40\n",
            "3f1c9a52-0b7e-4c7d-9a33-5d2f8e6b1a4g",
            "3f1c9a520-b7e-4c7d-9a33-5d2f8e6b1a40",
            "",
        ] {
            assert_eq!(FunctionKey::parse(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn look_up_form_takes_any_case_braces_and_missing_hyphens() {
        // core/VAL-16
        for accepted in [
            CANONICAL,
            "3F1C9A52-0B7E-4C7D-9A33-5D2F8E6B1A40",
            "3f1c9a520b7e4c7d9a335d2f8e6b1a40",
            "{3f1c9a52-0b7e-4c7d-9a33-5d2f8e6b1a40}",
            "3f1c-9a52-0b7e-4c7d-9a33-5d2f-8e6b-1a40",
        ] {
            assert_eq!(FunctionKey::look_up(accepted).map(|key| key.to_string()), Ok(CANONICAL.to_owned()));
        }
        for refused in [
            "",
            "abc",
            "{}",
            "{3f1c9a52-0b7e-4c7d-9a33-5d2f8e6b1a40",
            "3f1c9a52-0b7e-4c7d-9a33-5d2f8e6b1a40 ",
        ] {
            assert!(FunctionKey::look_up(refused).is_err(), "{refused:?}");
        }
    }
}
