//! Use cases, the writer and the event feed: how calls become decisions, and decisions become state that everybody hears of.
//!
//! A write goes to the writer of its channel, which decides everything that is waiting as one batch (see [`writer`]); a read answers from one
//! snapshot; a subscription follows the feed of its channel (see [`feed`]). This crate knows neither transport nor database: it is given a
//! [`persistence::Store`] and a function that encodes events. Start at [`Service`].

mod failure;
pub mod feed;
pub mod list;
mod observer;
mod options;
pub mod page_token;
mod queue;
mod reader;
mod service;
mod turns;
mod waiting;
pub mod writer;

/// The target of all spans of traces. They are for collectors of traces only: a log has nothing to do with them, and while nobody collects, they
/// cost nothing.
pub const SPANS: &str = "spans";

pub use failure::Failure;
pub use feed::Subscription;
pub use list::{Listing, PageSelection};
pub use observer::{ChannelState, Observer, ServedBatch};
pub use options::{Clock, EncodeEvent, Options};
pub use service::Service;
pub use waiting::Weight;
