//! Kinds of assets between the wire, where they are any number, and the domain.

use asset::AssetKind;

/// The number of a kind.
pub(crate) fn number(kind: AssetKind) -> i32 {
    i32::from(kind.number())
}

/// The kind with this number; nothing for the number that says nothing, and for those that nobody knows.
pub(crate) fn requested(number: i32) -> Option<AssetKind> {
    i16::try_from(number).ok().and_then(|number| AssetKind::try_from(number).ok())
}
