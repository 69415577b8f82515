//! The gRPC server: decodes calls, hands them to the service, encodes its answers.
//!
//! This crate owns the edge: identity, the conversion between messages and the domain, the mapping from failures to statuses, health,
//! reflection, and every limit on what a client may send or hold. It knows no rule and no database: rules are in `asset`, calls are carried out
//! by `service`. Start at [`Server`], then read `pipeline`, the way of every call, and `organization`, the smallest set of handlers.

mod access;
mod access_log;
mod addressable;
pub mod admin;
mod allowance;
mod asset_kind;
mod authority;
mod brief_connections;
mod by_hand;
mod caller;
mod certificate_identity;
mod client_authorities;
mod compute_plan;
mod compute_task;
mod connection;
mod data_manager;
mod data_sample;
mod dataset;
mod decoded_size;
mod event;
mod expiry;
mod failure_report;
mod function;
#[cfg(test)]
mod fuzz;
mod grpc_code;
mod handler;
mod health;
mod identity;
mod info;
mod keepalive;
mod limits;
mod material;
mod membership;
mod messages;
mod metrics;
mod model;
mod options;
mod organization;
mod output_asset;
mod peer;
mod pem;
mod performance;
mod permission;
mod pipeline;
mod profiling_step;
mod readiness;
mod record;
mod routes;
mod server;
mod slots;
mod status;
mod stopping;
mod throttle;
mod timestamp;
pub mod tls;
mod transport;

pub use access::{Access, AccessControl};
pub use event::{encode_event, snapshot};
pub use expiry::{Expiry, Role};
pub use limits::{KeepalivePolicy, Limits};
pub use membership::Membership;
pub use metrics::Metrics;
pub use options::ServerOptions;
pub use readiness::{Readiness, ServerState};
pub use server::{Error, InProcess, Server};
