//! The universe of one model check: its names as keys and addresses, its calls as commands, its events as texts.
//!
//! Every check has a number, and keys carry it, since keys are unique across channels.

use std::collections::{BTreeMap, BTreeSet};

use asset::addressable::Addressable;
use asset::compute_plan::{
    ApplyComputePlanAction, ComputePlanAction, IsComputePlanRunning, NewComputePlan, RegisterComputePlan,
    RenameComputePlan,
};
use asset::compute_task::action::{ApplyComputeTaskAction, ComputeTaskAction};
use asset::compute_task::inquiry::{GetTaskInputAssets, InputContent};
use asset::compute_task::output::DisableOutput;
use asset::compute_task::registration::{
    NewComputeTask, NewInputSource, NewTaskInput, NewTaskOutput, RegisterComputeTasks,
};
use asset::data_manager::{NewDataManager, RegisterDataManager};
use asset::data_sample::{LinkDataSamples, NewDataSample, RegisterDataSamples};
use asset::failure_report::{ErrorType, FailedAssetKind, NewFailureReport, RegisterFailureReport};
use asset::function::build::{ApplyFunctionAction, FunctionAction};
use asset::function::registration::{NewFunction, NewFunctionInput, NewFunctionOutput, RegisterFunction};
use asset::function::update::UpdateFunction;
use asset::model::{NewModel, RegisterModels};
use asset::organization::RegisterOrganization;
use asset::performance::RegisterPerformance;
use asset::permission::NewPermissions;
use asset::{AssetKind, ChannelName, Event, EventAsset, EventKind, OrganizationId, Policy};
use service::{Failure, Service};

use crate::operation::{BuildStep, Grant, Number, Operation, Organization, Step, Task};
use crate::shape::{self, Kind};

/// The universe of one check.
pub(crate) struct Universe {
    pub(crate) service: Service,
    pub(crate) channel: ChannelName,
    number: u32,
}

fn organization(index: Organization) -> OrganizationId {
    OrganizationId::new(["Alder", "Birch", "Cedar"][usize::from(index)])
}

fn index_of(organization: &OrganizationId) -> Organization {
    ["Alder", "Birch", "Cedar"]
        .iter()
        .position(|name| *name == organization.as_str())
        .unwrap()
        .try_into()
        .unwrap()
}

/// The number that a key stands for.
fn number_of(key: &str) -> Number {
    u8::from_str_radix(&key[key.len() - 2..], 16).unwrap()
}

fn permissions(grant: &Grant) -> NewPermissions {
    NewPermissions {
        public: grant.public,
        authorized_ids: grant.to.iter().map(|to| organization(*to)).collect(),
    }
}

fn address(path: impl std::fmt::Display) -> Option<Addressable> {
    let storage_address = format!("https://files.alder.example/{path}");
    Some(Addressable { checksum: "ab".repeat(32), storage_address })
}

impl Universe {
    pub(crate) fn new(service: Service, number: u32) -> Self {
        Self { service, channel: ChannelName::new(&format!("check-{number}")), number }
    }

    fn key(&self, kind: char, number: Number) -> String {
        format!("{:08x}-{:04x}-4000-8000-{number:012x}", self.number, u32::from(kind))
    }

    /// Makes a call; the answer as a text, or the code of the refusal.
    pub(crate) async fn call(
        &self,
        caller: Organization,
        operation: &Operation,
    ) -> Result<String, &'static str> {
        match self.carry_out(&organization(caller), operation).await {
            Ok(answer) => Ok(answer),
            Err(Failure::Refused(refusal)) => Err(refusal.code.as_str()),
            Err(failure) => panic!("{operation:?}: {failure}"),
        }
    }

    async fn carry_out(&self, caller: &OrganizationId, operation: &Operation) -> Result<String, Failure> {
        use Operation as O;
        let policy = Policy::default();
        match operation {
            O::RegisterOrganization => {
                self.execute(caller, RegisterOrganization::new(String::new(), caller, policy)?).await
            }
            O::RegisterManager { manager, grant, address: used } => {
                let request = NewDataManager {
                    key: self.key('g', *manager),
                    name: "manager".into(),
                    new_permissions: Some(permissions(grant)),
                    logs_permission: Some(permissions(grant)),
                    description: address(used),
                    opener: address(format!("opener/{manager}")),
                    ..NewDataManager::default()
                };
                self.execute(caller, RegisterDataManager::new(request, policy)?).await
            }
            O::RegisterSamples { samples } => {
                let request = samples.iter().map(|(sample, managers)| NewDataSample {
                    key: self.key('s', *sample),
                    data_manager_keys: managers.iter().map(|manager| self.key('g', *manager)).collect(),
                    checksum: "cd".repeat(32),
                });
                self.execute(caller, RegisterDataSamples::new(request.collect(), policy)).await
            }
            O::LinkSamples { samples, managers } => {
                let keys = |kind, numbers: &[Number]| {
                    numbers.iter().map(|number| self.key(kind, *number)).collect::<Vec<_>>()
                };
                self.execute(caller, LinkDataSamples::new(&keys('s', samples), &keys('g', managers), policy)?)
                    .await
            }
            O::RegisterFunction { function, grant, address } => {
                self.execute(
                    caller,
                    RegisterFunction::new(self.function(*function, grant, *address), policy)?,
                )
                .await
            }
            O::SetImage { function, address: used } => {
                let image = used.and_then(address);
                let update =
                    UpdateFunction::new(&self.key('f', *function), "function".into(), image, policy)?;
                self.execute(caller, update).await
            }
            O::FunctionAction { function, action } => {
                let action = match action {
                    BuildStep::Building => FunctionAction::Building,
                    BuildStep::Ready => FunctionAction::Ready,
                    BuildStep::Failed => FunctionAction::Failed,
                    BuildStep::Canceled => FunctionAction::Canceled,
                };
                self.execute(caller, ApplyFunctionAction::new(&self.key('f', *function), Some(action))?).await
            }
            O::RegisterPlan { plan } => {
                let request = NewComputePlan {
                    key: self.key('p', *plan),
                    name: "plan".into(),
                    ..NewComputePlan::default()
                };
                self.execute(caller, RegisterComputePlan::new(request, policy)?).await
            }
            O::RenamePlan { plan } => {
                self.execute(caller, RenameComputePlan::new(&self.key('p', *plan), "renamed".into(), policy)?)
                    .await
            }
            O::CancelPlan { plan } => {
                let cancel =
                    ApplyComputePlanAction::new(&self.key('p', *plan), Some(ComputePlanAction::Cancel))?;
                self.execute(caller, cancel).await
            }
            O::IsPlanRunning { plan } => {
                let running = IsComputePlanRunning::new(&self.key('p', *plan))?;
                Ok(self.service.inquire(&self.channel, caller, running).await?.to_string())
            }
            O::RegisterTasks { tasks } => {
                let requests = tasks.iter().map(|task| self.task(task)).collect();
                self.execute(caller, RegisterComputeTasks::new(requests, policy)?).await
            }
            O::TaskAction { task, action } => {
                let action = match action {
                    Step::Executing => ComputeTaskAction::Executing,
                    Step::Done => ComputeTaskAction::Done,
                    Step::Canceled => ComputeTaskAction::Canceled,
                    Step::Failed => ComputeTaskAction::Failed,
                };
                let act = ApplyComputeTaskAction::new(&self.key('t', *task), Some(action), String::new())?;
                self.execute(caller, act).await
            }
            O::RegisterModels { task, models } => {
                let requests = models.iter().map(|(model, output, used)| NewModel {
                    key: self.key('m', *model),
                    compute_task_key: self.key('t', *task),
                    compute_task_output_identifier: (*output).into(),
                    address: address(used),
                });
                self.execute(caller, RegisterModels::new(requests.collect(), policy)?).await
            }
            O::RegisterPerformance { task, output } => {
                let register =
                    RegisterPerformance::new(&self.key('t', *task), (*output).into(), 0.5, policy)?;
                self.execute(caller, register).await
            }
            O::DisableOutput { task, output } => {
                self.execute(caller, DisableOutput::new(&self.key('t', *task), (*output).into())?).await
            }
            O::ReportTaskFailure { task, address } => {
                self.report(caller, self.key('t', *task), FailedAssetKind::ComputeTask, *address).await
            }
            O::ReportFunctionFailure { function, address } => {
                self.report(caller, self.key('f', *function), FailedAssetKind::Function, *address).await
            }
            O::GetTaskInputs { task } => {
                let inputs = GetTaskInputAssets::new(&self.key('t', *task))?;
                let assets = self.service.inquire(&self.channel, caller, inputs).await?;
                Ok(assets.iter().map(|asset| content(&asset.content)).collect::<Vec<_>>().join(" "))
            }
        }
    }

    async fn execute<C: asset::Command>(
        &self,
        caller: &OrganizationId,
        command: C,
    ) -> Result<String, Failure> {
        self.service.execute(&self.channel, caller, command).await.map(|_| "ok".to_owned())
    }

    async fn report(
        &self,
        caller: &OrganizationId,
        asset_key: String,
        kind: FailedAssetKind,
        used: Number,
    ) -> Result<String, Failure> {
        let request = NewFailureReport {
            asset_key,
            asset_type: Some(kind),
            asset_type_defined: true,
            error_type: Some(ErrorType::Execution),
            logs_address: address(used),
        };
        self.execute(caller, RegisterFailureReport::new(request, Policy::default())?).await
    }

    fn function(&self, number: Number, grant: &Grant, used: Number) -> NewFunction {
        let kind = |kind| {
            Some(match kind {
                Kind::Manager => AssetKind::DataManager,
                Kind::Sample => AssetKind::DataSample,
                Kind::Model => AssetKind::Model,
                Kind::Performance => AssetKind::Performance,
            })
        };
        let inputs = shape::inputs(number).iter().map(|(name, of, multiple, optional)| {
            (
                (*name).to_owned(),
                NewFunctionInput { kind: kind(*of), multiple: *multiple, optional: *optional },
            )
        });
        let outputs = shape::outputs(number).iter().map(|(name, of, multiple)| {
            ((*name).to_owned(), NewFunctionOutput { kind: kind(*of), multiple: *multiple })
        });
        NewFunction {
            key: self.key('f', number),
            name: "function".into(),
            description: address(used),
            archive: address(format!("archive/{number}")),
            new_permissions: Some(permissions(grant)),
            inputs: inputs.collect(),
            outputs: outputs.collect(),
            ..NewFunction::default()
        }
    }

    /// The inputs are given in the order opener, samples, parents, models.
    fn task(&self, task: &Task) -> NewComputeTask {
        let by_key = |identifier: &str, key: String| NewTaskInput {
            identifier: identifier.into(),
            source: Some(NewInputSource::AssetKey(key)),
        };
        let mut inputs: Vec<NewTaskInput> =
            task.manager.iter().map(|manager| by_key("opener", self.key('g', *manager))).collect();
        inputs.extend(task.samples.iter().map(|sample| by_key("samples", self.key('s', *sample))));
        inputs.extend(task.parents.iter().map(|(parent, output)| NewTaskInput {
            identifier: "model".into(),
            source: Some(NewInputSource::ParentOutput {
                parent_task_key: self.key('t', *parent),
                output_identifier: (*output).into(),
            }),
        }));
        inputs.extend(task.models.iter().map(|model| by_key("model", self.key('m', *model))));
        let output = NewTaskOutput { permissions: Some(permissions(&task.grant)), transient: task.transient };
        let outputs: BTreeMap<String, NewTaskOutput> = match task.without_outputs {
            true => BTreeMap::new(),
            false => shape::outputs(task.function)
                .iter()
                .map(|(name, ..)| ((*name).into(), output.clone()))
                .collect(),
        };
        NewComputeTask {
            key: self.key('t', task.task),
            function_key: self.key('f', task.function),
            compute_plan_key: self.key('p', task.plan),
            worker: task.worker.map(|worker| organization(worker).to_string()).unwrap_or_default(),
            inputs,
            outputs,
            ..NewComputeTask::default()
        }
    }
}

fn content(content: &InputContent) -> String {
    match content {
        InputContent::DataManager(manager) => format!("g{}", number_of(&manager.key.to_string())),
        InputContent::DataSample(sample) => format!("s{}", number_of(&sample.key.to_string())),
        InputContent::Model(model) => format!("m{}", number_of(&model.key.to_string())),
    }
}

/// An event as the reference tells it.
pub(crate) fn describe(event: &Event) -> String {
    let what = match event.event_kind {
        EventKind::Created => "CREATED",
        EventKind::Updated => "UPDATED",
        EventKind::Disabled => "DISABLED",
    };
    let number = number_of_asset(&event.asset);
    let reason =
        event.metadata.get("reason").map(|reason| format!(" {{{}}}", with_names(reason))).unwrap_or_default();
    let about = match &event.asset {
        EventAsset::Organization(organization) => format!("organization {}", index_of(&organization.id)),
        EventAsset::DataManager(_) => format!("manager {number}"),
        EventAsset::DataSample(sample) => {
            let managers: Vec<Number> =
                sample.data_manager_keys.iter().map(|key| number_of(&key.to_string())).collect();
            format!("sample {number} {managers:?}")
        }
        EventAsset::Function(function) => {
            let image = if function.image.is_some() { " image" } else { "" };
            format!("function {number} {:?}{image}", function.status)
        }
        EventAsset::ComputePlan(plan) => {
            let canceled = plan.cancelation_date.map(|_| " canceled");
            format!("plan {number}{}", canceled.or(plan.failure_date.map(|_| " failed")).unwrap_or_default())
        }
        EventAsset::ComputeTask(task) if event.event_kind == EventKind::Created => {
            let logs = &task.logs_permission;
            let to: BTreeSet<Organization> = logs.authorized_ids.iter().map(index_of).collect();
            let (status, rank, worker) = (task.status, task.rank, index_of(&task.worker));
            format!("task {number} {status:?} rank {rank} worker {worker} logs {} {to:?}", logs.public)
        }
        EventAsset::ComputeTask(task) => format!("task {number} {:?}", task.status),
        EventAsset::Model(model) => {
            format!("model {number}{}", if model.is_disabled() { "" } else { " address" })
        }
        EventAsset::Performance(performance) => format!("performance {number} {}", performance.identifier),
        EventAsset::OutputAsset(output) => match output.kind {
            AssetKind::Model => {
                format!("output {number} {} m{}", output.identifier, number_of(&output.asset_key))
            }
            _ => format!("output {number} {} performance", output.identifier),
        },
        EventAsset::FailureReport(report) => match report.asset_type {
            Some(FailedAssetKind::Function) => format!("report f{number}"),
            _ => format!("report t{number}"),
        },
        EventAsset::ProfilingStep(_) => format!("step {number}"),
    };
    format!("{what} {about}{reason}")
}

fn number_of_asset(asset: &EventAsset) -> Number {
    match asset {
        EventAsset::Organization(_) => 0,
        EventAsset::Performance(performance) => number_of(&performance.compute_task_key.to_string()),
        other => number_of(&other.key()),
    }
}

/// A reason with short names instead of keys.
fn with_names(reason: &str) -> String {
    let word = |word: &str| match (word.len(), reason.starts_with("Function")) {
        (36, true) => format!("f{}", number_of(word)),
        (36, false) => format!("t{}", number_of(word)),
        _ => word.to_owned(),
    };
    reason.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
