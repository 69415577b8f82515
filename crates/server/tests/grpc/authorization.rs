//! Who may call what: every method that the server has, by every kind of caller (core/ID-3, ID-8, ID-9, ID-17, CHN-1 … CHN-3).
//!
//! `authorization.txt` says what must come of each. A method of the descriptors that is not called here fails the test. OrgA owns everything
//! and is the owner of the plan, OrgB is the worker of its tasks, OrgC has registered and has nothing to do with them, OrgD is a member that has
//! not registered, and OrgX is a member of another channel.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use prost::Message;
use prost_types::FileDescriptorSet;
use proto::{AssetKind, ComputeTaskAction, FunctionAction};
use server::Membership;
use tonic::Status;
use tonic::transport::Channel;

use crate::running_server::RunningServer;
use crate::wire::{self, Headers};

const EXPECTED: &str = include_str!("authorization.txt");
const DESCRIPTORS: [&[u8]; 4] = [
    proto::FILE_DESCRIPTOR_SET,
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

const FUNCTION: u32 = 1;
const WAITING_FUNCTION: u32 = 2;
const DATA_MANAGER: u32 = 3;
const DATA_SAMPLE: u32 = 4;
const PLAN: u32 = 5;
const EXECUTING_TASK: u32 = 6;
const DONE_TASK: u32 = 7;
const CANCELED_TASK: u32 = 8;
const MODEL: u32 = 9;
const FAILED_PLAN: u32 = 10;
const FAILED_TASK: u32 = 11;
/// What nothing has yet.
const NEW: u32 = 100;

pub(crate) fn key(number: u32) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

fn file(name: &str, number: u32) -> Option<proto::Addressable> {
    let storage_address = format!("https://store.org-a.example/{name}/{number}");
    Some(proto::Addressable { checksum: "0".repeat(64), storage_address })
}

fn public() -> Option<proto::NewPermissions> {
    Some(proto::NewPermissions { public: true, authorized_ids: Vec::new() })
}

pub(crate) fn function(number: u32) -> proto::NewFunction {
    let model = AssetKind::AssetModel.into();
    let performance = AssetKind::AssetPerformance.into();
    let input = proto::FunctionInput { kind: model, multiple: false, optional: true };
    let output = |kind| proto::FunctionOutput { kind, multiple: false };
    proto::NewFunction {
        key: key(number),
        name: "train".into(),
        description: file("description", number),
        archive: file("archive", number),
        new_permissions: public(),
        inputs: [("start".to_owned(), input)].into(),
        outputs: [("model".to_owned(), output(model)), ("score".to_owned(), output(performance))].into(),
        ..Default::default()
    }
}

fn data_manager(number: u32) -> proto::NewDataManager {
    proto::NewDataManager {
        key: key(number),
        name: "data".into(),
        new_permissions: public(),
        description: file("description", number),
        opener: file("opener", number),
        logs_permission: public(),
        ..Default::default()
    }
}

fn data_samples(number: u32) -> proto::RegisterDataSamplesParam {
    let sample = proto::NewDataSample {
        key: key(number),
        data_manager_keys: vec![key(DATA_MANAGER)],
        checksum: "0".repeat(64),
        ..Default::default()
    };
    proto::RegisterDataSamplesParam { samples: vec![sample] }
}

fn plan(number: u32) -> proto::NewComputePlan {
    proto::NewComputePlan { key: key(number), name: "plan".into(), ..Default::default() }
}

fn task(number: u32, plan: u32, parent: Option<u32>) -> proto::NewComputeTask {
    let output = |transient| proto::NewComputeTaskOutput { permissions: public(), transient };
    let start = |parent| proto::ComputeTaskInput {
        identifier: "start".to_owned(),
        r#ref: Some(proto::compute_task_input::Ref::ParentTaskOutput(proto::ParentTaskOutputRef {
            parent_task_key: key(parent),
            output_identifier: "model".to_owned(),
        })),
    };
    proto::NewComputeTask {
        key: key(number),
        function_key: key(FUNCTION),
        compute_plan_key: key(plan),
        worker: "OrgB".to_owned(),
        inputs: parent.into_iter().map(start).collect(),
        outputs: [("model".to_owned(), output(true)), ("score".to_owned(), output(false))].into(),
        ..Default::default()
    }
}

fn task_action(number: u32, action: ComputeTaskAction) -> proto::ApplyTaskActionParam {
    proto::ApplyTaskActionParam { compute_task_key: key(number), action: action.into(), ..Default::default() }
}

fn function_action(number: u32, action: FunctionAction) -> proto::ApplyFunctionActionParam {
    proto::ApplyFunctionActionParam { function_key: key(number), action: action.into() }
}

fn model(number: u32, task: u32) -> proto::NewModel {
    proto::NewModel {
        key: key(number),
        compute_task_key: key(task),
        address: file("model", number),
        compute_task_output_identifier: "model".into(),
    }
}

fn failure_report(task: u32) -> proto::NewFailureReport {
    proto::NewFailureReport {
        asset_key: key(task),
        error_type: proto::ErrorType::Internal.into(),
        logs_address: None,
        asset_type: proto::FailedAssetKind::FailedAssetComputeTask.into(),
    }
}

/// A request that an organization which may make it gets answered.
pub(crate) fn request(method: &str) -> Vec<u8> {
    let (_package_and_service, name) = method.rsplit_once('/').unwrap();
    match name {
        "RegisterOrganization" => proto::RegisterOrganizationParam::default().encode_to_vec(),
        "RegisterFunction" => function(NEW).encode_to_vec(),
        "UpdateFunction" => proto::UpdateFunctionParam {
            key: key(WAITING_FUNCTION),
            name: "other".into(),
            image: file("image", NEW),
        }
        .encode_to_vec(),
        "ApplyFunctionAction" => function_action(WAITING_FUNCTION, FunctionAction::Building).encode_to_vec(),
        "RegisterDataManager" => data_manager(NEW).encode_to_vec(),
        "UpdateDataManager" => {
            proto::UpdateDataManagerParam { key: key(DATA_MANAGER), name: "other".into() }.encode_to_vec()
        }
        "RegisterDataSamples" => data_samples(NEW).encode_to_vec(),
        "UpdateDataSamples" => proto::UpdateDataSamplesParam {
            keys: vec![key(DATA_SAMPLE)],
            data_manager_keys: vec![key(DATA_MANAGER)],
        }
        .encode_to_vec(),
        "RegisterPlan" => plan(NEW).encode_to_vec(),
        "UpdatePlan" => {
            proto::UpdateComputePlanParam { key: key(PLAN), name: "other".into() }.encode_to_vec()
        }
        "ApplyPlanAction" => proto::ApplyPlanActionParam {
            key: key(PLAN),
            action: proto::ComputePlanAction::PlanActionCanceled.into(),
        }
        .encode_to_vec(),
        "RegisterTasks" => proto::RegisterTasksParam { tasks: vec![task(NEW, PLAN, None)] }.encode_to_vec(),
        "ApplyTaskAction" => task_action(EXECUTING_TASK, ComputeTaskAction::TaskActionDone).encode_to_vec(),
        "DisableOutput" => {
            proto::DisableOutputParam { compute_task_key: key(DONE_TASK), identifier: "model".into() }
                .encode_to_vec()
        }
        "RegisterModel" => model(NEW, EXECUTING_TASK).encode_to_vec(),
        "RegisterModels" => {
            proto::RegisterModelsParam { models: vec![model(NEW, EXECUTING_TASK)] }.encode_to_vec()
        }
        "RegisterPerformance" => proto::NewPerformance {
            compute_task_key: key(EXECUTING_TASK),
            performance_value: 1.0,
            compute_task_output_identifier: "score".into(),
        }
        .encode_to_vec(),
        "RegisterFailureReport" => failure_report(EXECUTING_TASK).encode_to_vec(),
        "RegisterProfilingStep" => {
            proto::ProfilingStep { duration: 1, asset_key: key(FUNCTION), step: "build".into() }
                .encode_to_vec()
        }
        "GetFunction" => by_key(FUNCTION),
        "GetDataManager" | "GetDataset" => by_key(DATA_MANAGER),
        "GetDataSample" => by_key(DATA_SAMPLE),
        "GetPlan" | "IsPlanRunning" => by_key(PLAN),
        "GetTask" | "GetTaskInputAssets" | "GetComputeTaskOutputModels" => by_key(EXECUTING_TASK),
        "GetModel" => by_key(MODEL),
        "GetFailureReport" => by_key(FAILED_TASK),
        "GetAllOrganizations"
        | "QueryFunctions"
        | "QueryDataManagers"
        | "QueryDataSamples"
        | "QueryPlans"
        | "QueryTasks"
        | "QueryPerformances"
        | "QueryEvents"
        | "QueryVersion"
        | "SubscribeToEvents" => Vec::new(),
        "Check" | "List" | "Watch" => Vec::new(),
        // The list of all services.
        "ServerReflectionInfo" => vec![0x3a, 1, b'*'],
        _ => panic!(
            "{method} is not in the table: say here how it is called, and in authorization.txt by whom"
        ),
    }
}

/// All messages that ask for one asset have its key first.
fn by_key(number: u32) -> Vec<u8> {
    proto::GetFunctionParam { key: key(number) }.encode_to_vec()
}

/// A server with something of everything.
pub(crate) struct World {
    server: RunningServer,
    pub(crate) connection: Channel,
}

impl World {
    pub(crate) async fn new() -> Self {
        let server = RunningServer::start().await;
        let members = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
        let channels = [("north", members(&["OrgA", "OrgB", "OrgC", "OrgD"])), ("south", members(&["OrgX"]))];
        let channels = channels.map(|(name, ids)| (name.to_owned(), ids));
        server.access.replace(Membership::new(BTreeMap::from(channels)).into());
        let world = Self { connection: server.connect(), server };
        world.fill().await;
        world
    }

    /// Another connection.
    pub(crate) fn connect(&self) -> Channel {
        self.server.connect()
    }

    async fn fill(&self) {
        use ComputeTaskAction::{TaskActionCanceled, TaskActionDone, TaskActionExecuting};
        for organization in ["OrgA", "OrgB", "OrgC"] {
            self.server.register(organization, "north").await.unwrap();
        }
        self.done("OrgA", "FunctionService/RegisterFunction", &function(FUNCTION)).await;
        for action in [FunctionAction::Building, FunctionAction::Ready] {
            self.done("OrgA", "FunctionService/ApplyFunctionAction", &function_action(FUNCTION, action))
                .await;
        }
        self.done("OrgA", "FunctionService/RegisterFunction", &function(WAITING_FUNCTION)).await;
        self.done("OrgA", "DataManagerService/RegisterDataManager", &data_manager(DATA_MANAGER)).await;
        self.done("OrgA", "DataSampleService/RegisterDataSamples", &data_samples(DATA_SAMPLE)).await;
        for number in [PLAN, FAILED_PLAN] {
            self.done("OrgA", "ComputePlanService/RegisterPlan", &plan(number)).await;
        }
        let tasks = vec![
            task(EXECUTING_TASK, PLAN, None),
            task(DONE_TASK, PLAN, None),
            task(CANCELED_TASK, PLAN, Some(DONE_TASK)),
            task(FAILED_TASK, FAILED_PLAN, None),
        ];
        for task in tasks {
            let tasks = proto::RegisterTasksParam { tasks: vec![task] };
            self.done("OrgA", "ComputeTaskService/RegisterTasks", &tasks).await;
        }
        for number in [EXECUTING_TASK, DONE_TASK, FAILED_TASK] {
            self.apply(number, TaskActionExecuting).await;
        }
        self.done("OrgB", "ModelService/RegisterModel", &model(MODEL, DONE_TASK)).await;
        self.apply(DONE_TASK, TaskActionDone).await;
        self.apply(CANCELED_TASK, TaskActionCanceled).await;
        self.done("OrgB", "FailureReportService/RegisterFailureReport", &failure_report(FAILED_TASK)).await;
    }

    async fn apply(&self, task: u32, action: ComputeTaskAction) {
        self.done("OrgB", "ComputeTaskService/ApplyTaskAction", &task_action(task, action)).await;
    }

    async fn done(&self, organization: &str, method: &str, message: &impl Message) {
        let headers: Headers<'_> = &[("mspid", organization.as_bytes()), ("channel", b"north")];
        let answer = self.call(&format!("/orchestrator.{method}"), headers, message.encode_to_vec()).await;
        answer.unwrap_or_else(|status| panic!("{organization} {method}: {status:?}"));
    }

    async fn call(&self, method: &str, headers: Headers<'_>, message: Vec<u8>) -> Result<(), Status> {
        wire::call(self.connection.clone(), method, headers, message).await.map(drop)
    }
}

/// The headers of the owner of everything.
pub(crate) const BY_OWNER: Headers<'static> = &[("mspid", b"OrgA"), ("channel", b"north")];

/// The callers, each with the headers it sends. The last four are members, in the order of what they may.
const CALLERS: [(&str, Headers<'static>); 8] = [
    ("no mspid", &[("channel", b"north")]),
    ("no channel", &[("mspid", b"OrgA")]),
    ("nobody", &[("mspid", b"Nobody"), ("channel", b"north")]),
    ("OrgX", &[("mspid", b"OrgX"), ("channel", b"north")]),
    ("OrgD", &[("mspid", b"OrgD"), ("channel", b"north")]),
    ("OrgC", &[("mspid", b"OrgC"), ("channel", b"north")]),
    ("worker", &[("mspid", b"OrgB"), ("channel", b"north")]),
    ("owner", BY_OWNER),
];

/// All methods, for example `/orchestrator.InfoService/QueryVersion`.
pub(crate) fn methods() -> BTreeSet<String> {
    let sets = DESCRIPTORS.map(|encoded| FileDescriptorSet::decode(encoded).unwrap());
    let files = sets.iter().flat_map(|set| &set.file);
    files
        .flat_map(|file| file.service.iter().map(move |service| (file.package(), service)))
        .flat_map(|(package, service)| {
            let name = format!("/{package}.{}", service.name());
            service.method.iter().map(move |method| format!("{name}/{}", method.name()))
        })
        .collect()
}

fn changes_the_world(method: &str) -> bool {
    let (_package_and_service, name) = method.rsplit_once('/').unwrap();
    ["Register", "Update", "Apply", "Disable"].iter().any(|verb| name.starts_with(verb))
}

/// What comes of a method for every caller, each in a world that nobody has changed before.
async fn outcomes(method: &str) -> Vec<String> {
    let mut world = World::new().await;
    let mut outcomes = Vec::new();
    for (_name, headers) in CALLERS {
        match world.call(method, headers, request(method)).await {
            Ok(()) => {
                outcomes.push("ok".to_owned());
                if changes_the_world(method) {
                    world = World::new().await;
                }
            }
            Err(status) => outcomes.push(told(&status)),
        }
    }
    outcomes
}

/// The number of a refusal, which says more than its status.
fn told(status: &Status) -> String {
    match status.message().split_once(": ") {
        Some((number, _)) if number.starts_with("OE") => number.to_owned(),
        _ => format!("{:?}", status.code()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_is_for_those_whom_the_table_names_and_nobody_else() {
    let mut happened = String::new();
    let mut line = |method: &str, cells: &[String]| {
        let cells: Vec<_> = cells.iter().map(|cell| format!("{cell:10}")).collect();
        writeln!(happened, "{method:65} | {}", cells.join(" | ").trim_end()).unwrap();
    };
    line("method", &CALLERS.map(|(name, _)| name.to_owned()));
    for method in methods() {
        line(&method, &outcomes(&method).await);
    }
    for (happened, expected) in happened.lines().zip(EXPECTED.lines()) {
        assert_eq!(happened, expected);
    }
    assert_eq!(happened.lines().count(), EXPECTED.lines().count(), "{happened}");
}
