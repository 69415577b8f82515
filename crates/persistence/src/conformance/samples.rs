//! Sample assets, each with a different value in every field; the number makes key, date and addresses unique.
//!
//! They need not make sense together: a task may belong to a plan that nobody registered. Judging that is the domain's business, and a store
//! must not care. Start at [`data_manager`].

use std::collections::BTreeMap;

use asset::compute_task::{InputSource, TaskInput, TaskOutput};
use asset::failure_report::{ErrorType, FailedAssetKind};
use asset::function::{FunctionInput, FunctionOutput};
use asset::key::Key;
use asset::{
    Addressable, AssetKind, ChannelName, ComputePlan, ComputeTask, ComputeTaskStatus, DataManager,
    DataSample, EventKind, FailureReport, Function, FunctionStatus, Metadata, Model, Organization,
    OrganizationId, OutputAsset, Performance, Permission, Permissions, Timestamp,
};
use bytes::Bytes;
use uuid::Uuid;

use crate::event_log::Envelope;

/// The channel of most cases.
pub fn channel() -> ChannelName {
    ChannelName::new("first")
}

/// Another channel.
pub fn other_channel() -> ChannelName {
    ChannelName::new("second")
}

/// The key with this number; keys are in the order of their numbers.
pub fn key<K: Key>(number: u32) -> K {
    K::from_uuid(Uuid::from_u128(u128::from(number)))
}

/// Times in the order of their numbers, a microsecond apart.
pub fn at(number: u32) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + i64::from(number))
}

/// An organization's id.
pub fn id(text: &str) -> OrganizationId {
    OrganizationId::new(text)
}

/// Metadata.
pub fn metadata(entries: &[(&str, &str)]) -> Metadata {
    entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A file; the name makes the address unique.
pub fn file(name: &str) -> Addressable {
    Addressable {
        checksum: format!("checksum of {name}"),
        storage_address: format!("https://store.example/{name}"),
    }
}

/// A permission.
pub fn permission(public: bool, authorized_ids: &[&str]) -> Permission {
    Permission { public, authorized_ids: authorized_ids.iter().map(|text| id(text)).collect() }
}

/// Permissions that differ.
pub fn permissions() -> Permissions {
    Permissions { process: permission(false, &["b", "a", "b"]), download: permission(true, &[]) }
}

/// An organization.
pub fn organization(text: &str, number: u32) -> Organization {
    Organization { id: id(text), address: format!("https://{text}.example"), creation_date: at(number) }
}

/// A data manager.
pub fn data_manager(number: u32) -> DataManager {
    DataManager {
        key: key(number),
        name: format!("data manager {number}"),
        owner: id("owner"),
        permissions: permissions(),
        logs_permission: permission(false, &["c"]),
        description: file(&format!("data-manager/{number}/description")),
        opener: file(&format!("data-manager/{number}/opener")),
        metadata: metadata(&[("manager", "yes")]),
        creation_date: at(number),
    }
}

/// A data sample that managers 3, 1 and 2 offer, in this order.
pub fn data_sample(number: u32) -> DataSample {
    DataSample {
        key: key(number),
        data_manager_keys: vec![key(3), key(1), key(2)],
        owner: id("owner"),
        checksum: format!("checksum of sample {number}"),
        creation_date: at(number),
    }
}

/// A function without image.
pub fn function(number: u32) -> Function {
    let input = |kind, multiple, optional| FunctionInput { kind, multiple, optional };
    let output = |kind, multiple| FunctionOutput { kind, multiple };
    Function {
        key: key(number),
        name: format!("function {number}"),
        owner: id("owner"),
        permissions: permissions(),
        description: file(&format!("function/{number}/description")),
        archive: file(&format!("function/{number}/archive")),
        image: None,
        inputs: BTreeMap::from([
            ("samples".to_owned(), input(AssetKind::DataSample, true, false)),
            ("opener".to_owned(), input(AssetKind::DataManager, false, false)),
            ("start".to_owned(), input(AssetKind::Model, false, true)),
        ]),
        outputs: BTreeMap::from([
            ("figure".to_owned(), output(AssetKind::Performance, false)),
            ("models".to_owned(), output(AssetKind::Model, true)),
        ]),
        metadata: metadata(&[("function", "yes")]),
        status: FunctionStatus::Waiting,
        creation_date: at(number),
    }
}

/// A compute plan that is neither canceled nor failed.
pub fn compute_plan(number: u32) -> ComputePlan {
    ComputePlan {
        key: key(number),
        name: format!("plan {number}"),
        tag: format!("tag {number}"),
        owner: id("owner"),
        metadata: metadata(&[("plan", "yes")]),
        creation_date: at(number),
        cancelation_date: None,
        failure_date: None,
    }
}

/// A compute task of function 1 and plan 1, without inputs.
pub fn compute_task(number: u32) -> ComputeTask {
    let output = |transient| TaskOutput { permissions: permissions(), transient };
    ComputeTask {
        key: key(number),
        function_key: key(1),
        compute_plan_key: key(1),
        owner: id("owner"),
        worker: id("worker"),
        rank: 0,
        status: ComputeTaskStatus::WaitingForBuilderSlot,
        metadata: metadata(&[("task", "yes")]),
        inputs: Vec::new(),
        outputs: BTreeMap::from([("figure".to_owned(), output(false)), ("models".to_owned(), output(true))]),
        logs_permission: permission(false, &["d", "a"]),
        creation_date: at(number),
    }
}

/// A compute task whose inputs come from these parents.
pub fn child_task(number: u32, parents: &[u32]) -> ComputeTask {
    let inputs = parents.iter().map(|parent| parent_output(*parent)).collect();
    ComputeTask { inputs, rank: 1, ..compute_task(number) }
}

/// The input that a parent's output makes.
pub fn parent_output(parent: u32) -> TaskInput {
    let source =
        InputSource::ParentOutput { parent_task_key: key(parent), output_identifier: "models".to_owned() };
    TaskInput { identifier: "start".to_owned(), source }
}

/// The input that the asset with this number makes, whatever it is.
pub fn asset_input(number: u32) -> TaskInput {
    TaskInput {
        identifier: "start".to_owned(),
        source: InputSource::Asset(Uuid::from_u128(u128::from(number))),
    }
}

/// A model that task `task` made.
pub fn model(number: u32, task: u32) -> Model {
    Model {
        key: key(number),
        compute_task_key: key(task),
        address: Some(file(&format!("model/{number}"))),
        permissions: permissions(),
        owner: id("worker"),
        creation_date: at(number),
    }
}

/// A performance of task `task`.
pub fn performance(task: u32, identifier: &str, number: u32) -> Performance {
    Performance {
        compute_task_key: key(task),
        identifier: identifier.to_owned(),
        value: 0.1,
        creation_date: at(number),
    }
}

/// What links a model to the output `models` of its task.
pub fn output_model(model: &Model, position: u32) -> OutputAsset {
    OutputAsset {
        compute_task_key: model.compute_task_key,
        identifier: "models".to_owned(),
        position,
        kind: AssetKind::Model,
        asset_key: model.key.to_string(),
    }
}

/// What links a performance to the output of its task.
pub fn output_performance(performance: &Performance) -> OutputAsset {
    OutputAsset {
        compute_task_key: performance.compute_task_key,
        identifier: performance.identifier.clone(),
        position: 1,
        kind: AssetKind::Performance,
        asset_key: performance.key(),
    }
}

/// A failure report about the task with this number.
pub fn failure_report(number: u32) -> FailureReport {
    FailureReport {
        asset_key: key(number),
        asset_type: Some(FailedAssetKind::ComputeTask),
        error_type: ErrorType::Execution,
        logs_address: Some(file(&format!("failure-report/{number}"))),
        owner: id("worker"),
        creation_date: at(number),
    }
}

/// An event that says that data manager `number` was registered. Nothing in a store reads the encoded message.
pub fn envelope(number: u32) -> Envelope {
    Envelope {
        id: key(number),
        timestamp: at(number),
        asset_kind: AssetKind::DataManager,
        event_kind: EventKind::Created,
        asset_key: format!("asset {number}"),
        metadata: Metadata::new(),
        encoded: Bytes::from(format!("event {number}")),
    }
}
