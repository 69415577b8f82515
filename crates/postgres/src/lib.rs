//! The PostgreSQL store: what the storage contract promises, on a database that several replicas share.
//!
//! It owns the schema `orchestrator` of its database, the statements on it, and every connection to it; it
//! decides nothing and knows neither the service nor the wire. A batch is one transaction that locks its
//! channel's row first, so nothing can run beside it and nothing has to be retried. Start at [`Postgres`],
//! then read `batch.rs`, and one asset, for example `function.rs`; the tables are in `migrations/`.

mod address;
mod adoption;
mod audit;
mod batch;
mod channel;
mod commit_rate;
mod compute_plan;
mod compute_task;
mod connection_string;
mod data_manager;
mod data_sample;
mod error;
mod event;
mod failure_report;
mod function;
mod hint;
mod list;
mod load;
mod migration;
mod model;
mod organization;
mod output_asset;
mod performance;
mod plans;
mod pool;
mod row;
mod snapshot;
mod statement;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;
mod transaction;

pub use adoption::{Adoption, AdoptionProgress, AdoptionReport, EncodeEvent, Findings, PredecessorEvent};
pub use commit_rate::{Commits, commit_rate};
pub use store::{Postgres, PostgresOptions};
