//! Every bound of the domain in one place, each with the rule it comes from.

/// Longest name of an asset, in bytes of UTF-8 (core/VAL-7, compute/VAL-4).
pub const NAME_BYTES_MAX: usize = 100;
/// Longest key and longest value of a metadata entry, in bytes of UTF-8 (core/VAL-8).
pub const METADATA_BYTES_MAX: usize = 100;
/// Longest tag of a compute plan, in bytes of UTF-8 (compute/PLAN-2).
pub const TAG_BYTES_MAX: usize = 100;
/// Longest identifier of a function's input or output, in bytes of UTF-8 (compute/FUNC-3).
pub const IDENTIFIER_BYTES_MAX: usize = 100;
/// Length of a checksum, in hexadecimal digits (core/VAL-6).
pub const CHECKSUM_DIGITS: usize = 64;
/// Longest storage address and longest organization address, in characters (core/VAL-14).
pub const ADDRESS_CHARACTERS_MAX: usize = 200;
/// Longest organization id and longest channel name, in characters (core/VAL-14).
pub const ORGANIZATION_ID_CHARACTERS_MAX: usize = 100;
/// Longest organization id that the known backend accepts, in characters (core/DEF-61).
pub const STRICT_ORGANIZATION_ID_CHARACTERS_MAX: usize = 64;
/// What the organizations that a permission names may take together, in bytes of memory: enough for more than a hundred. Tasks inherit permissions, so
/// one list stands in as many tasks as somebody likes.
pub const AUTHORIZED_IDS_BYTES_MAX: usize = 16 << 10;
/// What the tasks of one registration may always take together, in bytes of memory, with what they inherit.
pub const TASKS_BYTES: usize = 64 << 20;
/// How many times as much as its request a larger registration may take.
pub const TASKS_BYTES_PER_REQUEST_BYTE: usize = 16;
