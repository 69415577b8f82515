//! The wire: every message and service of the protobuf package `orchestrator`, as Rust types, tonic clients and tonic servers.
//! This crate knows names and numbers only; rules, storage and transport live elsewhere, and nothing here is written by hand.
//! Start with the files in `proto/`, whose comments become the documentation below; `tests/generated.rs` turns them into
//! `src/generated/`, and `tests/wire.rs` holds them to the wire contract.

mod generated {
    #![expect(
        missing_docs,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        reason = "generated code"
    )]
    include!("generated/orchestrator.rs");
}

pub use generated::*;

/// The encoded `google.protobuf.FileDescriptorSet` of the package and of the well-known types it imports, dependencies first
/// and without source information: what server reflection serves.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/orchestrator.bin");
