//! What the stores have, in the words of the reference: assets and events as texts.
//!
//! Keys become a letter for their kind and their number, organizations their number, and addresses the number at their end.

use asset::compute_task::InputSource;
use asset::compute_task::inquiry::{InputAsset, InputContent};
use asset::failure_report::FailedAssetKind;
use asset::{
    Addressable, ComputePlan, ComputeTask, DataManager, DataSample, Event, EventAsset, EventKind,
    FailureReport, Function, Model, OrganizationId, OutputAsset, Performance, Permission,
};

use crate::operation::{Number, Organization};

/// The organizations of the universe, by number.
pub(crate) const ORGANIZATIONS: [&str; 4] = ["Alder", "Birch", "Cedar", "Dogwood"];

fn index_of(organization: &OrganizationId) -> Organization {
    let index = ORGANIZATIONS.iter().position(|name| *name == organization.as_str());
    index.unwrap().try_into().unwrap()
}

/// The number that a key stands for.
pub(crate) fn number(key: &impl ToString) -> Number {
    let key = key.to_string();
    u8::from_str_radix(&key[key.len() - 2..], 16).unwrap()
}

/// The letter of the kind and the number that a key stands for.
fn name(key: &impl ToString) -> String {
    let key = key.to_string();
    let letter = u32::from_str_radix(&key[9..13], 16).ok().and_then(char::from_u32).unwrap();
    format!("{letter}{}", number(&key))
}

fn address(address: &Addressable) -> Number {
    let (_, path) = address.storage_address.rsplit_once('/').unwrap();
    path.parse().unwrap()
}

fn permission(permission: &Permission) -> String {
    let to: Vec<Organization> = permission.authorized_ids.iter().map(index_of).collect();
    format!("{}{to:?}", if permission.public { "+" } else { "" })
}

pub(crate) fn manager(manager: &DataManager) -> String {
    assert_eq!(manager.permissions.process, manager.permissions.download, "core/PERM-2");
    format!(
        "manager {} {} of {} for {} logs {} at {} {}",
        number(&manager.key),
        manager.name,
        index_of(&manager.owner),
        permission(&manager.permissions.process),
        permission(&manager.logs_permission),
        address(&manager.description),
        address(&manager.opener)
    )
}

pub(crate) fn sample(sample: &DataSample) -> String {
    let managers: Vec<Number> = sample.data_manager_keys.iter().map(number).collect();
    format!("sample {} of {} in {managers:?}", number(&sample.key), index_of(&sample.owner))
}

pub(crate) fn function(function: &Function) -> String {
    format!(
        "function {} {} of {} for {} {:?} at {} {} image {:?}",
        number(&function.key),
        function.name,
        index_of(&function.owner),
        permission(&function.permissions.process),
        function.status,
        address(&function.description),
        address(&function.archive),
        function.image.as_ref().map(address)
    )
}

pub(crate) fn plan(plan: &ComputePlan) -> String {
    let over = match (plan.cancelation_date, plan.failure_date) {
        (Some(_), _) => " canceled",
        (None, Some(_)) => " failed",
        (None, None) => "",
    };
    format!("plan {} {} of {}{over}", number(&plan.key), plan.name, index_of(&plan.owner))
}

pub(crate) fn task(task: &ComputeTask) -> String {
    let source = |source: &InputSource| match source {
        InputSource::Asset(key) => name(key),
        InputSource::ParentOutput { parent_task_key, output_identifier } => {
            format!("{}.{output_identifier}", name(parent_task_key))
        }
    };
    let inputs = task.inputs.iter().map(|input| format!("{}={}", input.identifier, source(&input.source)));
    let outputs = task.outputs.iter().map(|(identifier, output)| {
        let transient = if output.transient { " transient" } else { "" };
        format!("{identifier}{}{transient}", permission(&output.permissions.process))
    });
    format!(
        "task {} {} {} of {} by {} rank {} {:?} {} -> {} logs {}",
        number(&task.key),
        name(&task.function_key),
        name(&task.compute_plan_key),
        index_of(&task.owner),
        index_of(&task.worker),
        task.rank,
        task.status,
        inputs.collect::<Vec<_>>().join(" "),
        outputs.collect::<Vec<_>>().join(" "),
        permission(&task.logs_permission)
    )
}

pub(crate) fn model(model: &Model) -> String {
    format!(
        "model {} of {} from {} for {} at {:?}",
        number(&model.key),
        index_of(&model.owner),
        name(&model.compute_task_key),
        permission(&model.permissions.process),
        model.address.as_ref().map(address)
    )
}

pub(crate) fn performance(performance: &Performance) -> String {
    format!(
        "performance {} {} {}",
        name(&performance.compute_task_key),
        performance.identifier,
        performance.value
    )
}

pub(crate) fn report(report: &FailureReport) -> String {
    let of = if report.asset_type == Some(FailedAssetKind::Function) { "Function" } else { "Task" };
    let logs = report.logs_address.as_ref().map(address);
    format!("report {of} {} of {} at {logs:?}", number(&report.asset_key), index_of(&report.owner))
}

fn output(output: &OutputAsset) -> String {
    let OutputAsset { compute_task_key, identifier, position, kind: _, asset_key } = output;
    let asset = match asset_key.split_once('|') {
        Some((task, identifier)) => format!("{}|{identifier}", name(&task)),
        None => name(asset_key),
    };
    format!("output {} {identifier} {position} {asset}", name(compute_task_key))
}

pub(crate) fn organization(id: &OrganizationId) -> String {
    index_of(id).to_string()
}

pub(crate) fn input(input: &InputAsset) -> String {
    let content = match &input.content {
        InputContent::DataManager(found) => manager(found),
        InputContent::DataSample(found) => sample(found),
        InputContent::Model(found) => model(found),
    };
    format!("{}: {content}", input.identifier)
}

/// An event as the reference tells it.
pub(crate) fn event(event: &Event) -> String {
    let what = match event.event_kind {
        EventKind::Created => "CREATED",
        EventKind::Updated => "UPDATED",
        EventKind::Disabled => "DISABLED",
    };
    let reason = event.metadata.get("reason").map(|reason| format!(" {{{}}}", with_names(reason)));
    let about = match &event.asset {
        EventAsset::Organization(found) => format!("organization {}", organization(&found.id)),
        EventAsset::DataManager(found) => manager(found),
        EventAsset::DataSample(found) => sample(found),
        EventAsset::Function(found) => function(found),
        EventAsset::ComputePlan(found) => plan(found),
        EventAsset::ComputeTask(found) => task(found),
        EventAsset::Model(found) => model(found),
        EventAsset::Performance(found) => performance(found),
        EventAsset::OutputAsset(found) => output(found),
        EventAsset::FailureReport(found) => report(found),
        EventAsset::ProfilingStep(found) => format!("step of {}", name(&found.asset_key)),
    };
    format!("{what} {about}{}", reason.unwrap_or_default())
}

/// A reason with names instead of keys.
fn with_names(reason: &str) -> String {
    let word = |word: &str| if word.len() == 36 { name(&word) } else { word.to_owned() };
    reason.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
