//! The domain alone: what it decides, without a store, a clock or a server.
//!
//! [`world`] is a channel in memory. What must come of what stands in text files in `tables`, read by [`table`]; each says from which rules it follows.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod address;
mod caller;
mod compute_task;
mod function;
mod permission;
mod table;
mod validation;
mod world;
