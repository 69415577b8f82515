//! Where a file lies and what it must hash to: the orchestrator keeps the address, never the file.

use serde::{Deserialize, Serialize};

/// A file in an organization's own storage (core/VAL-9).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addressable {
    /// SHA-256 in 64 hexadecimal digits, letter case as given (core/VAL-6).
    pub checksum: String,
    /// Where to fetch it; unique within a channel while in use (core/DM-7).
    pub storage_address: String,
}
