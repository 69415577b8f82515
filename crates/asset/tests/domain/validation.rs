//! Every rule of a value with what it accepts and rejects, tried in every field that has it.
//!
//! `tables/values.txt` has the rules, `tables/fields.txt` the fields; [`FIELDS`] puts a value into its field of a request that is valid otherwise.
//! Start at [`every_field_keeps_its_rule`].

use std::collections::{BTreeMap, BTreeSet};

use asset::compute_plan::{
    ApplyComputePlanAction, GetComputePlan, IsComputePlanRunning, NewComputePlan, RegisterComputePlan,
    RenameComputePlan,
};
use asset::compute_task::action::{ApplyComputeTaskAction, ComputeTaskAction};
use asset::compute_task::inquiry::{GetComputeTask, GetTaskInputAssets};
use asset::compute_task::output::DisableOutput;
use asset::compute_task::registration::{
    NewComputeTask, NewInputSource, NewTaskInput, NewTaskOutput, RegisterComputeTasks,
};
use asset::data_manager::{
    GetDataManager, GetDataset, NewDataManager, RegisterDataManager, RenameDataManager,
};
use asset::data_sample::{GetDataSample, LinkDataSamples, NewDataSample, RegisterDataSamples};
use asset::failure_report::{
    ErrorType, FailedAssetKind, GetFailureReport, NewFailureReport, RegisterFailureReport,
};
use asset::function::GetFunction;
use asset::function::build::{ApplyFunctionAction, FunctionAction};
use asset::function::registration::{NewFunction, NewFunctionInput, NewFunctionOutput, RegisterFunction};
use asset::function::update::UpdateFunction;
use asset::model::{GetModel, GetTaskOutputModels, NewModel, RegisterModels};
use asset::organization::RegisterOrganization;
use asset::performance::RegisterPerformance;
use asset::permission::NewPermissions;
use asset::profiling_step::RegisterProfilingStep;
use asset::refusal::Code;
use asset::{Addressable, AssetKind, Metadata, OrganizationId, Policy, Refusal};

use crate::table::{self, Row, rows, rules};
use crate::world::{World, key, public};

const LOOSE: Policy = Policy { refuse_assets_that_stop_consumers: false };
const STRICT: Policy = Policy { refuse_assets_that_stop_consumers: true };

type Outcome = Result<(), Refusal>;

/// A field by its name in `fields.txt`, and what becomes of a request with this value in it.
type Field = (&'static str, fn(&str, Policy) -> Outcome);

fn file() -> Addressable {
    Addressable { checksum: "0".repeat(64), storage_address: "https://store.alder.example/1".into() }
}

fn with_checksum(checksum: &str) -> Option<Addressable> {
    Some(Addressable { checksum: checksum.into(), ..file() })
}

fn with_address(storage_address: &str) -> Option<Addressable> {
    Some(Addressable { storage_address: storage_address.into(), ..file() })
}

/// A file reference that is `absent`, `empty` or `given`.
fn presence(value: &str) -> Option<Addressable> {
    match value {
        "absent" => None,
        "empty" => Some(Addressable::default()),
        _ => Some(file()),
    }
}

/// Permissions that are `absent` or `empty`.
fn permissions(value: &str) -> Option<NewPermissions> {
    (value != "absent").then(NewPermissions::default)
}

fn naming(organization: &str) -> Option<NewPermissions> {
    Some(NewPermissions { public: true, authorized_ids: vec![OrganizationId::new(organization)] })
}

fn entry(key: &str, value: &str) -> Metadata {
    Metadata::from([(key.to_owned(), value.to_owned())])
}

fn data_manager(policy: Policy, change: impl Fn(&mut NewDataManager)) -> Outcome {
    let mut request = NewDataManager {
        key: key(1),
        name: "silo".into(),
        new_permissions: public(),
        logs_permission: public(),
        description: Some(file()),
        opener: Some(file()),
        ..NewDataManager::default()
    };
    change(&mut request);
    RegisterDataManager::new(request, policy).map(drop)
}

/// What is wrong with a sample is told when its turn comes (core/DS-3).
fn data_sample(policy: Policy, change: impl Fn(&mut NewDataSample)) -> Outcome {
    let mut request = NewDataSample { key: key(1), data_manager_keys: vec![], checksum: "0".repeat(64) };
    change(&mut request);
    World::new().call("Alder", &RegisterDataSamples::new(vec![request], policy)).map(drop)
}

fn function(policy: Policy, change: impl Fn(&mut NewFunction)) -> Outcome {
    let mut request = NewFunction {
        key: key(1),
        name: "mill".into(),
        description: Some(file()),
        archive: Some(file()),
        new_permissions: public(),
        ..NewFunction::default()
    };
    change(&mut request);
    RegisterFunction::new(request, policy).map(drop)
}

fn plan(policy: Policy, change: impl Fn(&mut NewComputePlan)) -> Outcome {
    let mut request = NewComputePlan { key: key(1), name: "harvest".into(), ..NewComputePlan::default() };
    change(&mut request);
    RegisterComputePlan::new(request, policy).map(drop)
}

fn task(policy: Policy, change: impl Fn(&mut NewComputeTask)) -> Outcome {
    let mut request = NewComputeTask {
        key: key(1),
        function_key: key(2),
        compute_plan_key: key(3),
        ..NewComputeTask::default()
    };
    change(&mut request);
    RegisterComputeTasks::new(vec![request], policy).map(drop)
}

fn by_key(identifier: &str, key: &str) -> Vec<NewTaskInput> {
    vec![NewTaskInput { identifier: identifier.into(), source: Some(NewInputSource::AssetKey(key.into())) }]
}

fn by_parent(parent_task_key: &str, output_identifier: &str) -> Vec<NewTaskInput> {
    let source = NewInputSource::ParentOutput {
        parent_task_key: parent_task_key.into(),
        output_identifier: output_identifier.into(),
    };
    vec![NewTaskInput { identifier: "grist".into(), source: Some(source) }]
}

fn output(identifier: &str, permissions: Option<NewPermissions>) -> BTreeMap<String, NewTaskOutput> {
    BTreeMap::from([(identifier.to_owned(), NewTaskOutput { permissions, transient: false })])
}

/// What is wrong with a model is told when its turn comes, of a task that Birch executes (compute/MODEL-4).
fn model(policy: Policy, change: impl Fn(&mut NewModel)) -> Outcome {
    let mut request = NewModel {
        key: key(1),
        compute_task_key: key(1),
        compute_task_output_identifier: "flour".into(),
        address: Some(Addressable { storage_address: "https://store.birch.example/1".into(), ..file() }),
    };
    change(&mut request);
    let mut world = World::new();
    world.mill(2);
    world.build(2, FunctionAction::Building).unwrap();
    world.build(2, FunctionAction::Ready).unwrap();
    world.plan(3);
    world.task(1, 2, 3, &[]).unwrap();
    world.act("Birch", 1, ComputeTaskAction::Executing).unwrap();
    world.call("Birch", &RegisterModels::new(vec![request], policy)?).map(drop)
}

fn failure_report(policy: Policy, change: impl Fn(&mut NewFailureReport)) -> Outcome {
    let mut request = NewFailureReport {
        asset_key: key(1),
        asset_type: Some(FailedAssetKind::Function),
        asset_type_defined: true,
        error_type: Some(ErrorType::Build),
        logs_address: Some(file()),
    };
    change(&mut request);
    RegisterFailureReport::new(request, policy).map(drop)
}

/// In the order of `fields.txt`.
const FIELDS: &[Field] = &[
    ("RegisterOrganization.address", |value, policy| {
        RegisterOrganization::new(value.into(), &OrganizationId::new("Alder"), policy).map(drop)
    }),
    ("RegisterDataManager.key", |value, policy| data_manager(policy, |new| new.key = value.into())),
    ("RegisterDataManager.name", |value, policy| data_manager(policy, |new| new.name = value.into())),
    ("RegisterDataManager.new_permissions", |value, policy| {
        data_manager(policy, |new| new.new_permissions = permissions(value))
    }),
    ("RegisterDataManager.new_permissions.authorized_ids", |value, policy| {
        data_manager(policy, |new| new.new_permissions = naming(value))
    }),
    ("RegisterDataManager.logs_permission", |value, policy| {
        data_manager(policy, |new| new.logs_permission = permissions(value))
    }),
    ("RegisterDataManager.logs_permission.authorized_ids", |value, policy| {
        data_manager(policy, |new| new.logs_permission = naming(value))
    }),
    ("RegisterDataManager.description", |value, policy| {
        data_manager(policy, |new| new.description = presence(value))
    }),
    ("RegisterDataManager.description.checksum", |value, policy| {
        data_manager(policy, |new| new.description = with_checksum(value))
    }),
    ("RegisterDataManager.description.storage_address", |value, policy| {
        data_manager(policy, |new| new.description = with_address(value))
    }),
    ("RegisterDataManager.opener", |value, policy| data_manager(policy, |new| new.opener = presence(value))),
    ("RegisterDataManager.opener.checksum", |value, policy| {
        data_manager(policy, |new| new.opener = with_checksum(value))
    }),
    ("RegisterDataManager.opener.storage_address", |value, policy| {
        data_manager(policy, |new| new.opener = with_address(value))
    }),
    ("RegisterDataManager.metadata, a key", |value, policy| {
        data_manager(policy, |new| new.metadata = entry(value, ""))
    }),
    ("RegisterDataManager.metadata, a value", |value, policy| {
        data_manager(policy, |new| new.metadata = entry("", value))
    }),
    ("GetDataManager.key", |value, _| GetDataManager::new(value).map(drop)),
    ("UpdateDataManager.key", |value, policy| RenameDataManager::new(value, "barn".into(), policy).map(drop)),
    ("UpdateDataManager.name", |value, policy| {
        RenameDataManager::new(&key(1), value.into(), policy).map(drop)
    }),
    ("GetDataset.key", |value, _| GetDataset::new(value).map(drop)),
    ("RegisterDataSamples.key", |value, policy| data_sample(policy, |new| new.key = value.into())),
    ("RegisterDataSamples.data_manager_keys", |value, policy| {
        data_sample(policy, |new| new.data_manager_keys = vec![key(1), value.into()])
    }),
    ("RegisterDataSamples.checksum", |value, policy| data_sample(policy, |new| new.checksum = value.into())),
    ("UpdateDataSamples.keys", |value, policy| {
        LinkDataSamples::new(&[key(1), value.into()], &[], policy).map(drop)
    }),
    ("UpdateDataSamples.data_manager_keys", |value, policy| {
        LinkDataSamples::new(&[key(1)], &[key(2), value.into()], policy).map(drop)
    }),
    ("GetDataSample.key", |value, _| GetDataSample::new(value).map(drop)),
    ("RegisterFunction.key", |value, policy| function(policy, |new| new.key = value.into())),
    ("RegisterFunction.name", |value, policy| function(policy, |new| new.name = value.into())),
    ("RegisterFunction.description", |value, policy| {
        function(policy, |new| new.description = presence(value))
    }),
    ("RegisterFunction.description.checksum", |value, policy| {
        function(policy, |new| new.description = with_checksum(value))
    }),
    ("RegisterFunction.description.storage_address", |value, policy| {
        function(policy, |new| new.description = with_address(value))
    }),
    ("RegisterFunction.archive", |value, policy| function(policy, |new| new.archive = presence(value))),
    ("RegisterFunction.archive.checksum", |value, policy| {
        function(policy, |new| new.archive = with_checksum(value))
    }),
    ("RegisterFunction.archive.storage_address", |value, policy| {
        function(policy, |new| new.archive = with_address(value))
    }),
    ("RegisterFunction.new_permissions", |value, policy| {
        function(policy, |new| new.new_permissions = permissions(value))
    }),
    ("RegisterFunction.new_permissions.authorized_ids", |value, policy| {
        function(policy, |new| new.new_permissions = naming(value))
    }),
    ("RegisterFunction.metadata, a key", |value, policy| {
        function(policy, |new| new.metadata = entry(value, ""))
    }),
    ("RegisterFunction.metadata, a value", |value, policy| {
        function(policy, |new| new.metadata = entry("", value))
    }),
    ("RegisterFunction.inputs, an identifier", |value, policy| {
        let input = NewFunctionInput { kind: Some(AssetKind::Model), multiple: false, optional: false };
        function(policy, |new| new.inputs = BTreeMap::from([(value.to_owned(), input)]))
    }),
    ("RegisterFunction.outputs, an identifier", |value, policy| {
        let output = NewFunctionOutput { kind: Some(AssetKind::Model), multiple: false };
        function(policy, |new| new.outputs = BTreeMap::from([(value.to_owned(), output)]))
    }),
    ("GetFunction.key", |value, _| GetFunction::new(value).map(drop)),
    ("UpdateFunction.key", |value, policy| UpdateFunction::new(value, "mill".into(), None, policy).map(drop)),
    ("UpdateFunction.name", |value, policy| {
        UpdateFunction::new(&key(1), value.into(), None, policy).map(drop)
    }),
    ("UpdateFunction.image.checksum", |value, policy| {
        UpdateFunction::new(&key(1), "mill".into(), with_checksum(value), policy).map(drop)
    }),
    ("UpdateFunction.image.storage_address", |value, policy| {
        UpdateFunction::new(&key(1), "mill".into(), with_address(value), policy).map(drop)
    }),
    ("ApplyFunctionAction.function_key", |value, _| {
        ApplyFunctionAction::new(value, Some(FunctionAction::Ready)).map(drop)
    }),
    ("RegisterProfilingStep.asset_key", |value, policy| {
        RegisterProfilingStep::new(value, "step".into(), 1, policy).map(drop)
    }),
    ("RegisterProfilingStep.step", |value, policy| {
        RegisterProfilingStep::new(&key(1), value.into(), 1, policy).map(drop)
    }),
    ("RegisterProfilingStep.duration", |value, policy| {
        RegisterProfilingStep::new(&key(1), "step".into(), value.parse().unwrap(), policy).map(drop)
    }),
    ("RegisterPlan.key", |value, policy| plan(policy, |new| new.key = value.into())),
    ("RegisterPlan.name", |value, policy| plan(policy, |new| new.name = value.into())),
    ("RegisterPlan.tag", |value, policy| plan(policy, |new| new.tag = value.into())),
    ("RegisterPlan.metadata, a key", |value, policy| plan(policy, |new| new.metadata = entry(value, ""))),
    ("RegisterPlan.metadata, a value", |value, policy| plan(policy, |new| new.metadata = entry("", value))),
    ("GetPlan.key", |value, _| GetComputePlan::new(value).map(drop)),
    ("UpdatePlan.key", |value, policy| RenameComputePlan::new(value, "plan".into(), policy).map(drop)),
    ("UpdatePlan.name", |value, policy| RenameComputePlan::new(&key(1), value.into(), policy).map(drop)),
    ("ApplyPlanAction.key", |value, _| ApplyComputePlanAction::new(value, None).map(drop)),
    ("IsPlanRunning.key", |value, _| IsComputePlanRunning::new(value).map(drop)),
    ("RegisterTasks.key", |value, policy| task(policy, |new| new.key = value.into())),
    ("RegisterTasks.function_key", |value, policy| task(policy, |new| new.function_key = value.into())),
    ("RegisterTasks.compute_plan_key", |value, policy| {
        task(policy, |new| new.compute_plan_key = value.into())
    }),
    ("RegisterTasks.worker", |value, policy| task(policy, |new| new.worker = value.into())),
    ("RegisterTasks.metadata, a key", |value, policy| task(policy, |new| new.metadata = entry(value, ""))),
    ("RegisterTasks.metadata, a value", |value, policy| task(policy, |new| new.metadata = entry("", value))),
    ("RegisterTasks.inputs.identifier", |value, policy| {
        task(policy, |new| new.inputs = by_key(value, &key(4)))
    }),
    ("RegisterTasks.inputs.asset_key", |value, policy| {
        task(policy, |new| new.inputs = by_key("grist", value))
    }),
    ("RegisterTasks.inputs.parent_task_key", |value, policy| {
        task(policy, |new| new.inputs = by_parent(value, "flour"))
    }),
    ("RegisterTasks.inputs.output_identifier", |value, policy| {
        task(policy, |new| new.inputs = by_parent(&key(4), value))
    }),
    ("RegisterTasks.outputs, an identifier", |value, policy| {
        task(policy, |new| new.outputs = output(value, public()))
    }),
    ("RegisterTasks.outputs.permissions", |value, policy| {
        task(policy, |new| new.outputs = output("flour", permissions(value)))
    }),
    ("RegisterTasks.outputs.permissions.authorized_ids", |value, policy| {
        task(policy, |new| new.outputs = output("flour", naming(value)))
    }),
    ("GetTask.key", |value, _| GetComputeTask::new(value).map(drop)),
    ("GetTaskInputAssets.compute_task_key", |value, _| GetTaskInputAssets::new(value).map(drop)),
    ("ApplyTaskAction.compute_task_key", |value, _| {
        ApplyComputeTaskAction::new(value, Some(ComputeTaskAction::Done), String::new()).map(drop)
    }),
    ("ApplyTaskAction.log", |value, _| {
        ApplyComputeTaskAction::new(&key(1), Some(ComputeTaskAction::Done), value.into()).map(drop)
    }),
    ("DisableOutput.compute_task_key", |value, _| DisableOutput::new(value, "flour".into()).map(drop)),
    ("RegisterModels.key", |value, policy| model(policy, |new| new.key = value.into())),
    ("RegisterModels.compute_task_key", |value, policy| {
        model(policy, |new| new.compute_task_key = value.into())
    }),
    ("RegisterModels.compute_task_output_identifier", |value, policy| {
        model(policy, |new| new.compute_task_output_identifier = value.into())
    }),
    ("RegisterModels.address", |value, policy| model(policy, |new| new.address = presence(value))),
    ("RegisterModels.address.checksum", |value, policy| {
        model(policy, |new| new.address = with_checksum(value))
    }),
    ("RegisterModels.address.storage_address", |value, policy| {
        model(policy, |new| new.address = with_address(value))
    }),
    ("GetModel.key", |value, _| GetModel::new(value).map(drop)),
    ("GetComputeTaskOutputModels.compute_task_key", |value, _| GetTaskOutputModels::new(value).map(drop)),
    ("RegisterPerformance.compute_task_key", |value, policy| {
        RegisterPerformance::new(value, "weight".into(), 1.5, policy).map(drop)
    }),
    ("RegisterPerformance.compute_task_output_identifier", |value, policy| {
        RegisterPerformance::new(&key(1), value.into(), 1.5, policy).map(drop)
    }),
    ("RegisterFailureReport.asset_key", |value, policy| {
        failure_report(policy, |new| new.asset_key = value.into())
    }),
    ("RegisterFailureReport.logs_address", |value, policy| {
        failure_report(policy, |new| new.logs_address = presence(value))
    }),
    ("RegisterFailureReport.logs_address.checksum", |value, policy| {
        failure_report(policy, |new| new.logs_address = with_checksum(value))
    }),
    ("RegisterFailureReport.logs_address.storage_address", |value, policy| {
        failure_report(policy, |new| new.logs_address = with_address(value))
    }),
    ("GetFailureReport.asset_key", |value, _| GetFailureReport::new(value).map(drop)),
];

/// The rule of each field, in the order of the table.
fn fields() -> Vec<(&'static str, &'static str)> {
    let lines = include_str!("tables/fields.txt").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| (line.split(" | ").next().unwrap(), line.split(" | ").nth(1).unwrap())).collect()
}

/// Tries all rows of their rules, where there are any, in all fields.
#[track_caller]
fn check_fields(rules: &BTreeMap<String, Vec<Row>>, policy: Policy) {
    let mut wrong = Vec::new();
    for ((name, put), (_, rule)) in FIELDS.iter().zip(fields()) {
        for row in rules.get(rule).into_iter().flatten() {
            let outcome = put(&row.value, policy);
            let rejected = outcome.as_ref().is_err_and(|refusal| refusal.code == Code::InvalidAsset);
            if row.accepted == rejected {
                let shown: String = row.value.chars().take(60).collect();
                wrong.push(format!("{name} = {shown:?}, accepted: {}, but {outcome:?}", row.accepted));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_field_of_the_table_is_tried_and_has_a_rule() {
    let tried: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
    let listed: Vec<&str> = fields().iter().map(|(name, _)| *name).collect();
    assert_eq!(tried, listed);
    let rules = rules(include_str!("tables/values.txt"));
    let used: BTreeSet<&str> = fields().iter().map(|(_, rule)| *rule).collect();
    assert_eq!(rules.keys().map(String::as_str).collect::<BTreeSet<_>>(), used);
}

#[test]
fn every_field_keeps_its_rule() {
    let mut rules = rules(include_str!("tables/values.txt"));
    rules.get_mut("storage address").unwrap().extend(rows(include_str!("tables/storage_address.txt")));
    let request_urls = rows(include_str!("tables/request_url.txt")).filter(|row| !row.value.is_empty());
    rules.get_mut("organization address").unwrap().extend(request_urls);
    check_fields(&rules, LOOSE);
}

#[test]
fn the_operators_switch_narrows_the_rules() {
    // core/DEF-61
    let mut rules = rules(include_str!("tables/strict_values.txt"));
    rules.insert("storage address".into(), rows(include_str!("tables/strict_storage_address.txt")).collect());
    check_fields(&rules, STRICT);
    for (characters, accepted) in [(64, true), (65, false)] {
        let id = OrganizationId::new("é".repeat(characters));
        assert_eq!(RegisterOrganization::new(String::new(), &id, STRICT).is_ok(), accepted);
        assert!(RegisterOrganization::new(String::new(), &id, LOOSE).is_ok());
    }
}

/// A declared kind as it is written in the table, with `*` and `?`.
fn declared(word: &str) -> (Option<AssetKind>, bool, bool) {
    let kind = match word.trim_end_matches(['*', '?']) {
        "model" => Some(AssetKind::Model),
        "sample" => Some(AssetKind::DataSample),
        "manager" => Some(AssetKind::DataManager),
        "performance" => Some(AssetKind::Performance),
        "plan" => Some(AssetKind::ComputePlan),
        "unknown" => None,
        other => panic!("{other} is no kind"),
    };
    (kind, word.contains('*'), word.contains('?'))
}

#[test]
fn what_a_function_may_declare() {
    let rules = rules(include_str!("tables/function_declarations.txt"));
    for row in &rules["inputs"] {
        let inputs = row.value.split_whitespace().enumerate().map(|(place, word)| {
            let (kind, multiple, optional) = declared(word);
            (place.to_string(), NewFunctionInput { kind, multiple, optional })
        });
        let inputs: BTreeMap<_, _> = inputs.collect();
        let outcome = function(LOOSE, |new| new.inputs = inputs.clone());
        assert_eq!(outcome.is_ok(), row.accepted, "inputs {}: {outcome:?}", row.value);
    }
    for row in &rules["outputs"] {
        let outputs = row.value.split_whitespace().enumerate().map(|(place, word)| {
            let (kind, multiple, _) = declared(word);
            (place.to_string(), NewFunctionOutput { kind, multiple })
        });
        let outputs: BTreeMap<_, _> = outputs.collect();
        let outcome = function(LOOSE, |new| new.outputs = outputs.clone());
        assert_eq!(outcome.is_ok(), row.accepted, "outputs {}: {outcome:?}", row.value);
    }
}

#[test]
fn what_a_failure_report_may_say() {
    let error_types = [
        ("Build", Some(ErrorType::Build)),
        ("Execution", Some(ErrorType::Execution)),
        ("Internal", Some(ErrorType::Internal)),
        ("zero", None),
    ];
    let asset_types = [
        (Some(FailedAssetKind::ComputeTask), true),
        (Some(FailedAssetKind::Function), true),
        (None, true),
        (None, false),
    ];
    let mut grid = Vec::new();
    for (name, error_type) in error_types {
        for (address, logs_address) in [("given", Some(file())), ("absent", None)] {
            let cells = asset_types.map(|(asset_type, asset_type_defined)| {
                let logs_address = logs_address.clone();
                let asset_key = key(1);
                let request =
                    NewFailureReport { asset_key, asset_type, asset_type_defined, error_type, logs_address };
                let outcome = RegisterFailureReport::new(request, LOOSE);
                outcome.map_or_else(|refusal| refusal.code.as_str(), |_| "ok")
            });
            grid.push(format!("{name} | {address} | {}", cells.join(" | ")));
        }
    }
    table::check("failure_reports", &grid);
}

#[test]
fn empty_lists_are_refused_where_there_must_be_something() {
    // compute/TASK-1, MODEL-2, DEF-1; core/DS-2, DS-11
    let code = |outcome: Outcome| outcome.err().map(|refusal| refusal.code);
    assert_eq!(code(RegisterComputeTasks::new(vec![], LOOSE).map(drop)), Some(Code::BadRequest));
    assert_eq!(code(RegisterModels::new(vec![], LOOSE).map(drop)), Some(Code::BadRequest));
    assert_eq!(code(LinkDataSamples::new(&[], &[key(1)], LOOSE).map(drop)), Some(Code::InvalidAsset));
    let samples = World::new().call("Elm", &RegisterDataSamples::new(vec![], LOOSE));
    assert_eq!(samples.map(|(samples, changes)| (samples.len(), changes.len())), Ok((0, 0)));
    assert_eq!(code(task(LOOSE, |new| new.inputs = vec![NewTaskInput::default()])), Some(Code::InvalidAsset));
}

#[test]
fn one_refusal_names_all_failing_fields() {
    // core/VAL-13, compute/VAL-8
    let wrong = NewDataManager { metadata: entry("a", &"b".repeat(101)), ..NewDataManager::default() };
    let refusal = RegisterDataManager::new(wrong, LOOSE).unwrap_err();
    for field in ["key", "name", "new_permissions", "logs_permission", "description", "opener", "metadata"] {
        assert!(refusal.message.contains(&format!("{field}: ")), "{field} in {refusal}");
    }
}
