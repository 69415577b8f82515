//! Loading facts: one line for each access path of [`Needs`]; how it is walked is said in the asset's own file.

use asset::{ChannelName, Facts, Needs};
use rusqlite::Connection;

use crate::error::Result;
use crate::{
    address, compute_plan, compute_task, data_manager, data_sample, failure_report, function, model,
    organization, output_asset,
};

/// Puts what is needed: first as absent, then what there is. At most one statement for each kind of need, two for output assets.
pub(crate) fn load(
    connection: &Connection,
    channel: &ChannelName,
    needs: &Needs,
    facts: &mut Facts,
) -> Result<()> {
    facts.put_absent(needs);
    if needs.organizations {
        organization::load(connection, channel, facts)?;
    }
    data_manager::load(connection, channel, &needs.data_managers, facts)?;
    data_sample::load(connection, channel, &needs.data_samples, facts)?;
    data_sample::load_of_managers(connection, channel, &needs.samples_of_managers, facts)?;
    function::load(connection, channel, &needs.functions, facts)?;
    compute_plan::load(connection, channel, &needs.compute_plans, facts)?;
    compute_task::load(connection, channel, &needs.compute_tasks, facts)?;
    compute_task::load_statuses(connection, channel, &needs.task_statuses, facts)?;
    compute_task::load_children(connection, channel, &needs.children, facts)?;
    compute_task::load_unbuilt(connection, channel, &needs.unbuilt_tasks, facts)?;
    compute_task::load_model_users(connection, channel, &needs.model_users, facts)?;
    compute_task::load_statuses_in_plans(connection, channel, &needs.statuses_in_plans, facts)?;
    model::load(connection, channel, &needs.models, facts)?;
    model::load_of_tasks(connection, channel, &needs.output_assets, facts)?;
    output_asset::load(connection, channel, &needs.output_assets, facts)?;
    failure_report::load(connection, channel, &needs.failure_reports, facts)?;
    address::load(connection, channel, &needs.addresses, facts)
}
