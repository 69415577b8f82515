//! The server on a real PostgreSQL, over gRPC, with the database as part of the test: it goes away and comes back, holds a call up, counts
//! connections and statements, and serves two servers at once.
//!
//! What only needs calls and answers is in the scenario scripts. Start at [`replica::Replica`], a server, and [`replica::Member`], who calls it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod consistency;
mod contention;
mod outage;
mod proxy;
mod replica;
mod statements;
mod subscribers;
#[path = "../wire/mod.rs"]
mod wire;
