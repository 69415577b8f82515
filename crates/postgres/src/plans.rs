//! What the database makes of a batch's statements: each finds its rows by key, whatever the tables held when its plan was made.
//!
//! A writer keeps one plan for each statement as long as it is connected (see `pool.rs`). These tests look at the plans that it would keep if it
//! began on an empty database, and on one that is just large enough to be analyzed by itself.

use asset::key::Key;
use asset::{ChannelName, ComputeTaskStatus, DataManagerKey, Needs};
use persistence::Head;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::load::{Query, queries};
use crate::pool::{Connections, WRITER_SETTINGS};
use crate::statement::Statement;
use crate::testing::Cluster;
use crate::{Postgres, PostgresOptions};
use crate::{address, channel, compute_plan, compute_task, data_manager, function, model};

/// Fills each table with as many rows as it takes to be analyzed. What is in them does not matter.
const FILL: &str = "
    DO $$
    DECLARE target text;
    BEGIN
        FOR target IN SELECT table_name FROM information_schema.tables WHERE table_schema = 'orchestrator'

    ";

fn keys<K: Key + Ord>(count: u128) -> std::collections::BTreeSet<K> {
    (0..count).map(|number| K::from_uuid(Uuid::from_u128(number))).collect()
}
