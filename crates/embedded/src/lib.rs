//! The embedded store: everything in one SQLite file, or in memory, for one process.
//!
//! Implements the storage contract of `persistence` and knows nothing of who calls. `store` hands each method to the file of its
//! asset, which holds everything about that asset's tables; `schema/` holds the tables themselves. Start at [`Embedded`].

mod address;
mod audit;
mod batch;
mod by_key;
mod channel;
mod compute_plan;
mod compute_task;
mod connection;
mod data_manager;
mod data_sample;
mod error;
mod event;
mod facts;
mod failure_report;
mod folder;
mod function;
mod list;
mod migration;
mod model;
mod organization;
mod output_asset;
mod performance;
mod record;
mod store;
mod write;

pub use audit::EmbeddedAudit;
pub use store::Embedded;
