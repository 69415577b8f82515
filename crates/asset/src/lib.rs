//! The domain of the orchestrator: what organizations register, what they may do with it, and what changes when they do.
//!
//! This crate owns the assets, their validation, the permission algebra, the state machines, the task graph, and the pure
//! decisions from [`Facts`] to a [`Refusal`] or a list of [`Change`]s, from which every event is derived. It knows nothing of
//! async code, clocks, randomness, protobuf, SQL or the network: time and stored state are arguments. Start at [`command`] for the
//! shape of a decision, then read [`organization`], the smallest asset, from top to bottom.
//!
//! Rules are cited as `core/…` and `compute/…`: the numbers of the two behaviour contracts.

pub mod addressable;
pub mod caller;
pub mod change;
pub mod command;
pub mod compute_plan;
pub mod compute_task;
pub mod data_manager;
pub mod data_sample;
pub mod event;
pub mod facts;
pub mod failure_report;
pub mod footprint;
pub mod function;
pub mod key;
pub mod limits;
pub mod metadata;
pub mod model;
pub mod organization;
pub mod output_asset;
pub mod performance;
pub mod permission;
pub mod profiling_step;
pub mod refusal;
pub mod request_url;
pub mod storage_address;
mod structural_parse;
pub mod time;
pub mod validation;

pub use addressable::Addressable;
pub use caller::{ChannelName, OrganizationId};
pub use change::Change;
pub use command::{Call, Command, Decision, Inquiry};
pub use compute_plan::ComputePlan;
pub use compute_task::{ComputeTask, ComputeTaskStatus};
pub use data_manager::DataManager;
pub use data_sample::DataSample;
pub use event::{AssetKind, Event, EventAsset, EventKind};
pub use facts::{Facts, Needs};
pub use failure_report::FailureReport;
pub use footprint::Footprint;
pub use function::{Function, FunctionStatus};
pub use key::{
    ComputePlanKey, ComputeTaskKey, DataManagerKey, DataSampleKey, EventId, FunctionKey, ModelKey,
};
pub use metadata::Metadata;
pub use model::Model;
pub use organization::Organization;
pub use output_asset::OutputAsset;
pub use performance::Performance;
pub use permission::{Permission, Permissions};
pub use profiling_step::ProfilingStep;
pub use refusal::Refusal;
pub use time::Timestamp;
pub use validation::Policy;
