//! Writing a batch: one line for each table and kind of write.
//!
//! A statement of SQLite is a call in this process and not a message to another, so a prepared statement in a loop is the set-based write
//! here: what grows with the batch is the rows, not the statements.

use asset::ChannelName;
use persistence::{Head, StoredEvent, WriteSet};
use rusqlite::{Connection, Params, Statement};

use crate::error::{Error, Result};
use crate::{
    address, channel, compute_plan, compute_task, data_manager, data_sample, event, failure_report, function,
    model, organization, output_asset, performance,
};

/// Writes everything of a batch into the open transaction.
pub(crate) fn write(
    connection: &Connection,
    channel: &ChannelName,
    writes: &WriteSet,
    events: &[StoredEvent],
    head: &Head,
) -> Result<()> {
    organization::insert(connection, channel, &writes.organizations)?;
    data_manager::insert(connection, channel, &writes.data_managers)?;
    data_manager::update(connection, channel, &writes.renamed_data_managers)?;
    data_sample::insert(connection, channel, &writes.data_samples)?;
    data_sample::link(connection, &writes.sample_links)?;
    function::insert(connection, channel, &writes.functions)?;
    function::update(connection, channel, &writes.updated_functions)?;
    compute_plan::insert(connection, channel, &writes.compute_plans)?;
    compute_plan::update(connection, channel, &writes.updated_compute_plans)?;
    compute_task::insert(connection, channel, &writes.compute_tasks)?;
    compute_task::insert_model_uses(connection, &writes.model_uses)?;
    compute_task::update(connection, channel, &writes.updated_compute_tasks)?;
    model::insert(connection, channel, &writes.models)?;
    model::update(connection, channel, &writes.disabled_models)?;
    performance::insert(connection, channel, &writes.performances)?;
    output_asset::insert(connection, channel, &writes.output_assets)?;
    failure_report::insert(connection, channel, &writes.failure_reports)?;
    address::delete(connection, channel, &writes.released_addresses)?;
    address::insert(connection, channel, &writes.claimed_addresses)?;
    event::insert(connection, channel, events)?;
    channel::put(connection, channel, head)
}

/// Runs a statement that must touch exactly one row: the facts that asked for it were loaded in the same transaction.
pub(crate) fn execute_one(statement: &mut Statement<'_>, parameters: impl Params) -> Result<()> {
    match statement.execute(parameters)? {
        1 => Ok(()),
        rows => Err(Error::Failed(format!("a write touched {rows} rows instead of one"))),
    }
}
