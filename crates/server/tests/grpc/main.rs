//! The server over real connections, on the embedded store in memory, spoken to by generated clients and by raw bytes.
//!
//! Each module holds one part of the contract; `running_server` starts what they talk to, `wire` sends what no generated client would.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in what its steps are made of")]

mod admin;
mod at_scale;
mod authorization;
mod events;
mod exposition;
mod fuzz;
mod health;
mod identity;
mod limits;
mod messages;
mod methods;
#[path = "../mutation/mod.rs"]
mod mutation;
mod peers;
mod reflection;
mod running_server;
mod secrecy;
mod shutdown;
mod subscription;
mod tls;
mod wire;
mod withdrawn;
