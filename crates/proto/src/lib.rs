//! The wire: the messages and services of the protobuf package `orchestrator` as Rust types, tonic clients and servers.
//! This crate knows names and numbers only: no rule, no storage, no connection. Start with the files in `proto/`, whose
//! comments become the documentation below; `tests/generated.rs` turns them into the committed code in
//! `src/generated/`, so that a build needs no protobuf compiler, and `tests/wire.rs` holds them to the wire contract.

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

/// The encoded `google.protobuf.FileDescriptorSet` of the package and of the well-known types it imports, dependencies
/// first and without source information: what server reflection serves.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/orchestrator.bin");
