//! The universe of one model check: its numbers as keys and addresses, its calls as commands, inquiries and lists.
//!
//! Every check has a number, and keys carry it, since keys are unique across channels; it has two channels of its own. Start at
//! [`Universe::call`].

use std::collections::BTreeMap;

use asset::addressable::Addressable;
use asset::compute_plan::{
    ApplyComputePlanAction, ComputePlanAction, GetComputePlan, IsComputePlanRunning, NewComputePlan,
    RegisterComputePlan, RenameComputePlan,
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
use asset::key::Key;
use asset::model::{GetModel, GetTaskOutputModels, NewModel, RegisterModels};
use asset::organization::RegisterOrganization;
use asset::performance::RegisterPerformance;
use asset::permission::NewPermissions;
use asset::profiling_step::RegisterProfilingStep;
use asset::{
    AssetKind, ChannelName, Command, ComputePlanKey, ComputeTaskKey, ComputeTaskStatus, DataSampleKey,
    EventKind, FunctionKey, Inquiry, Metadata, OrganizationId, Policy,
};
use bytes::Bytes;
use persistence::{
    ComputePlanFilter, ComputeTaskFilter, DataSampleFilter, EventFilter, FunctionFilter, PerformanceFilter,
    SortOrder, StoredEvent, task_message,
};
use service::{Failure, PageSelection, Service};

use crate::describe::{self, ORGANIZATIONS};
use crate::operation::{
    BuildStep, Call, Channel, Failing, Grant, Kind, List, MALFORMED, Number, Operation, Organization, Source,
    Step, Task,
};
use crate::shape::{self, Content};

/// The universe of one check.
pub(crate) struct Universe {
    pub(crate) service: Service,
    number: u32,
}

fn organization(index: Organization) -> OrganizationId {
    OrganizationId::new(ORGANIZATIONS[usize::from(index)])
}

fn permissions(grant: &Grant) -> Option<NewPermissions> {
    let authorized_ids = grant.to.iter().map(|to| organization(*to)).collect();
    Some(NewPermissions { public: grant.public, authorized_ids })
}

fn address(number: Number) -> Addressable {
    let storage_address = format!("https://store.alder.example/{number}");
    Addressable { checksum: "ab".repeat(32), storage_address }
}

fn texts<T>(found: &[T], text: impl Fn(&T) -> String) -> String {
    found.iter().map(text).collect::<Vec<_>>().join("; ")
}

/// The pages of a list, each continued with the token of the one before.
macro_rules! pages {
    ($page_size:expr, $text:expr, |$selection:ident| $listing:expr) => {{
        let mut pages = Vec::new();
        let mut token = String::new();
        loop {
            let $selection = PageSelection { token, size: $page_size };
            let (texts, next) = $listing.await?.into_response(usize::MAX, |item| $text(&item), |_| 0).await;
            pages.push(texts.join("; "));
            if next.is_empty() {
                break pages.join(" || ");
            }
            token = next;
        }
    }};
}

impl Universe {
    pub(crate) fn new(service: Service, number: u32) -> Self {
        Self { service, number }
    }

    pub(crate) fn channel(&self, channel: Channel) -> ChannelName {
        ChannelName::new(&format!("check-{}-{channel}", self.number))
    }

    fn key(&self, kind: Kind, number: Number) -> String {
        let letter = match kind {
            Kind::Manager => 'g',
            Kind::Sample => 's',
            Kind::Function | Kind::ReportOfFunction => 'f',
            Kind::Plan => 'p',
            Kind::Task | Kind::ReportOfTask => 't',
            Kind::Model => 'm',
        };
        match number {
            MALFORMED => "no key".to_owned(),
            number => format!("{:08x}-{:04x}-4000-8000-{number:012x}", self.number, u32::from(letter)),
        }
    }

    fn keys(&self, kind: Kind, numbers: &[Number]) -> Vec<String> {
        numbers.iter().map(|number| self.key(kind, *number)).collect()
    }

    fn parsed<K: Key>(&self, kind: Kind, number: Number) -> K {
        K::parse(&self.key(kind, number)).unwrap()
    }

    /// Makes a call; the answer as a text, or the code of the refusal.
    pub(crate) async fn call(&self, call: &Call) -> Result<String, &'static str> {
        let session = Session {
            universe: self,
            channel: self.channel(call.channel),
            caller: organization(call.caller),
        };
        match session.carry_out(&call.operation).await {
            Ok(answer) => Ok(answer),
            Err(Failure::Refused(refusal)) => Err(refusal.code.as_str()),
            Err(failure) => panic!("{call:?}: {failure}"),
        }
    }

    /// The inputs and outputs that a function's number stands for.
    fn function(&self, number: Number, grant: &Grant, description: Number, archive: Number) -> NewFunction {
        let kind = |content| {
            Some(match content {
                Content::Manager => AssetKind::DataManager,
                Content::Sample => AssetKind::DataSample,
                Content::Model => AssetKind::Model,
                Content::Performance => AssetKind::Performance,
            })
        };
        let inputs = shape::inputs(number).iter().map(|(name, of, multiple, optional)| {
            let input = NewFunctionInput { kind: kind(*of), multiple: *multiple, optional: *optional };
            ((*name).to_owned(), input)
        });
        let outputs = shape::outputs(number).iter().map(|(name, of, multiple)| {
            ((*name).to_owned(), NewFunctionOutput { kind: kind(*of), multiple: *multiple })
        });
        NewFunction {
            key: self.key(Kind::Function, number),
            name: "0".into(),
            description: Some(address(description)),
            archive: Some(address(archive)),
            new_permissions: permissions(grant),
            inputs: inputs.collect(),
            outputs: outputs.collect(),
            ..NewFunction::default()
        }
    }

    fn task(&self, task: &Task) -> NewComputeTask {
        let source = |source: &Source| match source {
            Source::Asset(kind, number) => NewInputSource::AssetKey(self.key(*kind, *number)),
            Source::Output(parent, output) => NewInputSource::ParentOutput {
                parent_task_key: self.key(Kind::Task, *parent),
                output_identifier: (*output).into(),
            },
        };
        let inputs = task.inputs.iter().map(|(identifier, from)| NewTaskInput {
            identifier: (*identifier).into(),
            source: Some(source(from)),
        });
        let outputs = task.outputs.iter().map(|(identifier, grant, transient)| {
            let output = NewTaskOutput { permissions: permissions(grant), transient: *transient };
            ((*identifier).to_owned(), output)
        });
        NewComputeTask {
            key: self.key(Kind::Task, task.task),
            function_key: self.key(Kind::Function, task.function),
            compute_plan_key: self.key(Kind::Plan, task.plan),
            worker: task.worker.map(|worker| organization(worker).to_string()).unwrap_or_default(),
            inputs: inputs.collect(),
            outputs: outputs.collect::<BTreeMap<_, _>>(),
            ..NewComputeTask::default()
        }
    }
}

/// An organization in a channel.
struct Session<'a> {
    universe: &'a Universe,
    channel: ChannelName,
    caller: OrganizationId,
}

const POLICY: Policy = Policy { refuse_assets_that_stop_consumers: false };

impl Session<'_> {
    fn key(&self, kind: Kind, number: Number) -> String {
        self.universe.key(kind, number)
    }

    async fn execute<C: Command>(&self, command: C) -> Result<C::Answer, Failure> {
        self.universe.service.execute(&self.channel, &self.caller, command).await
    }

    /// A call whose answer says nothing.
    async fn done<C: Command<Answer = ()>>(&self, command: C) -> Result<String, Failure> {
        self.execute(command).await.map(|()| "ok".to_owned())
    }

    async fn inquire<I: Inquiry>(&self, inquiry: I) -> Result<I::Answer, Failure> {
        self.universe.service.inquire(&self.channel, &self.caller, inquiry).await
    }

    async fn carry_out(&self, operation: &Operation) -> Result<String, Failure> {
        use Operation as O;
        let universe = self.universe;
        match operation {
            O::RegisterOrganization => {
                let command = RegisterOrganization::new(String::new(), &self.caller, POLICY)?;
                let organization = self.execute(command).await?;
                Ok(format!("organization {}", describe::organization(&organization.id)))
            }
            O::Organizations => {
                let found = universe.service.organizations(&self.channel, &self.caller).await?;
                let found: Vec<String> =
                    found.iter().map(|found| describe::organization(&found.id)).collect();
                Ok(format!("[{}]", found.join(", ")))
            }
            O::RegisterManager { manager, grant, logs, description, opener } => {
                let request = NewDataManager {
                    key: self.key(Kind::Manager, *manager),
                    name: "0".into(),
                    new_permissions: permissions(grant),
                    logs_permission: permissions(logs),
                    description: Some(address(*description)),
                    opener: Some(address(*opener)),
                    ..NewDataManager::default()
                };
                Ok(describe::manager(
                    self.execute(RegisterDataManager::new(request, POLICY)?).await?.as_ref(),
                ))
            }
            O::RenameManager { manager, name } => {
                let key = self.key(Kind::Manager, *manager);
                self.done(RenameDataManager::new(&key, name.to_string(), POLICY)?).await
            }
            O::RegisterSamples { samples } => {
                let request = samples.iter().map(|(sample, managers)| NewDataSample {
                    key: self.key(Kind::Sample, *sample),
                    data_manager_keys: universe.keys(Kind::Manager, managers),
                    checksum: "cd".repeat(32),
                });
                let samples = self.execute(RegisterDataSamples::new(request.collect(), POLICY)).await?;
                Ok(texts(&samples, |sample| describe::sample(sample)))
            }
            O::LinkSamples { samples, managers } => {
                let (samples, managers) =
                    (universe.keys(Kind::Sample, samples), universe.keys(Kind::Manager, managers));
                self.done(LinkDataSamples::new(&samples, &managers, POLICY)?).await
            }
            O::Dataset { manager } => {
                let (manager, samples) =
                    self.inquire(GetDataset::new(&self.key(Kind::Manager, *manager))?).await?;
                let samples: Vec<Number> = samples.iter().map(describe::number).collect();
                Ok(format!("{} with {samples:?}", describe::manager(&manager)))
            }
            O::RegisterFunction { function, grant, description, archive } => {
                let request = universe.function(*function, grant, *description, *archive);
                Ok(describe::function(self.execute(RegisterFunction::new(request, POLICY)?).await?.as_ref()))
            }
            O::UpdateFunction { function, name, image } => {
                let key = self.key(Kind::Function, *function);
                self.done(UpdateFunction::new(&key, name.to_string(), image.map(address), POLICY)?).await
            }
            O::FunctionAction { function, action } => {
                let action = action.map(|action| match action {
                    BuildStep::Building => FunctionAction::Building,
                    BuildStep::Ready => FunctionAction::Ready,
                    BuildStep::Failed => FunctionAction::Failed,
                    BuildStep::Canceled => FunctionAction::Canceled,
                });
                self.done(ApplyFunctionAction::new(&self.key(Kind::Function, *function), action)?).await
            }
            O::ProfilingStep { function } => {
                let key = self.key(Kind::Function, *function);
                self.done(RegisterProfilingStep::new(&key, "step".into(), 1, POLICY)?).await
            }
            O::RegisterPlan { plan } => {
                let key = self.key(Kind::Plan, *plan);
                let request = NewComputePlan { key, name: "0".into(), ..NewComputePlan::default() };
                Ok(describe::plan(self.execute(RegisterComputePlan::new(request, POLICY)?).await?.as_ref()))
            }
            O::RenamePlan { plan, name } => {
                let key = self.key(Kind::Plan, *plan);
                self.done(RenameComputePlan::new(&key, name.to_string(), POLICY)?).await
            }
            O::PlanAction { plan, cancel } => {
                let action = cancel.then_some(ComputePlanAction::Cancel);
                self.done(ApplyComputePlanAction::new(&self.key(Kind::Plan, *plan), action)?).await
            }
            O::IsPlanRunning { plan } => {
                let running = self.inquire(IsComputePlanRunning::new(&self.key(Kind::Plan, *plan))?).await?;
                Ok(running.to_string())
            }
            O::RegisterTasks { tasks } => {
                let requests = tasks.iter().map(|task| universe.task(task)).collect();
                let tasks = self.execute(RegisterComputeTasks::new(requests, POLICY)?).await?;
                Ok(texts(&tasks, |task| describe::task(task)))
            }
            O::TaskAction { task, action, log } => {
                let action = action.map(|action| match action {
                    Step::Executing => ComputeTaskAction::Executing,
                    Step::Done => ComputeTaskAction::Done,
                    Step::Canceled => ComputeTaskAction::Canceled,
                    Step::Failed => ComputeTaskAction::Failed,
                });
                let log = if *log { "because" } else { "" };
                self.done(ApplyComputeTaskAction::new(&self.key(Kind::Task, *task), action, log.into())?)
                    .await
            }
            O::TaskInputs { task } => {
                let inputs = self.inquire(GetTaskInputAssets::new(&self.key(Kind::Task, *task))?).await?;
                Ok(texts(&inputs, describe::input))
            }
            O::TaskModels { task } => {
                let models = self.inquire(GetTaskOutputModels::new(&self.key(Kind::Task, *task))?).await?;
                Ok(texts(&models, |model| describe::model(model)))
            }
            O::RegisterModels { models } => {
                let requests = models.iter().map(|model| NewModel {
                    key: self.key(Kind::Model, model.model),
                    compute_task_key: self.key(Kind::Task, model.task),
                    compute_task_output_identifier: model.output.into(),
                    address: Some(address(model.address)),
                });
                let models = self.execute(RegisterModels::new(requests.collect(), POLICY)?).await?;
                Ok(texts(&models, |model| describe::model(model)))
            }
            O::RegisterPerformance { task, output, halves } => {
                let (key, value) = (self.key(Kind::Task, *task), f32::from(*halves) / 2.0);
                let command = RegisterPerformance::new(&key, (*output).into(), value, POLICY)?;
                Ok(describe::performance(self.execute(command).await?.as_ref()))
            }
            O::DisableOutput { task, output } => {
                self.done(DisableOutput::new(&self.key(Kind::Task, *task), (*output).into())?).await
            }
            O::ReportFailure { of, number, logs } => {
                let (kind, asset_type) = match of {
                    Failing::Task => (Kind::Task, FailedAssetKind::ComputeTask),
                    Failing::Function => (Kind::Function, FailedAssetKind::Function),
                };
                let request = NewFailureReport {
                    asset_key: self.key(kind, *number),
                    asset_type: Some(asset_type),
                    asset_type_defined: true,
                    error_type: Some(if logs.is_some() { ErrorType::Execution } else { ErrorType::Internal }),
                    logs_address: logs.map(address),
                };
                Ok(describe::report(
                    self.execute(RegisterFailureReport::new(request, POLICY)?).await?.as_ref(),
                ))
            }
            O::Get { kind, number } => self.get(*kind, &self.key(*kind, *number)).await,
            O::List { list, page_size } => self.list(list, *page_size).await,
        }
    }

    async fn get(&self, kind: Kind, key: &str) -> Result<String, Failure> {
        Ok(match kind {
            Kind::Manager => describe::manager(self.inquire(GetDataManager::new(key)?).await?.as_ref()),
            Kind::Sample => describe::sample(self.inquire(GetDataSample::new(key)?).await?.as_ref()),
            Kind::Function => describe::function(self.inquire(GetFunction::new(key)?).await?.as_ref()),
            Kind::Plan => describe::plan(self.inquire(GetComputePlan::new(key)?).await?.as_ref()),
            Kind::Task => describe::task(self.inquire(GetComputeTask::new(key)?).await?.as_ref()),
            Kind::Model => describe::model(self.inquire(GetModel::new(key)?).await?.as_ref()),
            Kind::ReportOfTask | Kind::ReportOfFunction => {
                describe::report(self.inquire(GetFailureReport::new(key)?).await?.as_ref())
            }
        })
    }

    async fn list(&self, list: &List, page_size: u32) -> Result<String, Failure> {
        let Self { universe, channel, caller } = self;
        let service = &universe.service;
        let plan_key =
            |plan: Option<Number>| plan.map(|plan| universe.parsed::<ComputePlanKey>(Kind::Plan, plan));
        Ok(match list {
            List::Managers => {
                pages!(page_size, describe::manager, |selection| service
                    .data_managers(channel, caller, &selection))
            }
            List::Samples { among } => {
                let keys: Vec<DataSampleKey> =
                    among.iter().map(|sample| universe.parsed(Kind::Sample, *sample)).collect();
                let filter = DataSampleFilter { keys };
                pages!(page_size, describe::sample, |selection| service.data_samples(
                    channel,
                    caller,
                    filter.clone(),
                    &selection
                ))
            }
            List::Functions { plan } => {
                let filter = FunctionFilter { compute_plan_key: plan_key(*plan) };
                pages!(page_size, describe::function, |selection| service.functions(
                    channel,
                    caller,
                    filter.clone(),
                    &selection
                ))
            }
            List::Plans { owner } => {
                let filter = ComputePlanFilter { owner: owner.map(organization) };
                pages!(page_size, describe::plan, |selection| service.compute_plans(
                    channel,
                    caller,
                    filter.clone(),
                    &selection
                ))
            }
            List::Tasks { worker, done, plan, function } => {
                let filter = ComputeTaskFilter {
                    worker: worker.map(organization),
                    status: done.then_some(ComputeTaskStatus::Done),
                    compute_plan_key: plan_key(*plan),
                    function_key: function
                        .map(|function| universe.parsed::<FunctionKey>(Kind::Function, function)),
                };
                let describe_sent = |sent: &Bytes| describe::task(&task_message::decode_sent(sent).unwrap());
                pages!(page_size, describe_sent, |selection| service.compute_tasks(
                    channel,
                    caller,
                    Some(filter.clone()),
                    &selection
                ))
            }
            List::Performances { task, output } => {
                let filter = PerformanceFilter {
                    compute_task_key: task.map(|task| universe.parsed::<ComputeTaskKey>(Kind::Task, task)),
                    identifier: output.map(str::to_owned),
                };
                pages!(page_size, describe::performance, |selection| service.performances(
                    channel,
                    caller,
                    filter.clone(),
                    &selection
                ))
            }
            List::Events { about, tasks_only, updates_only, by_user, descending } => {
                let reason = by_user.then(|| ("reason".to_owned(), "User action".to_owned()));
                let filter = EventFilter {
                    asset_key: about.map(|(kind, number)| self.key(kind, number)),
                    asset_kind: tasks_only.then(|| i32::from(AssetKind::ComputeTask.number())),
                    event_kind: updates_only.then(|| i32::from(EventKind::Updated.number())),
                    metadata: reason.into_iter().collect::<Metadata>(),
                    ..EventFilter::default()
                };
                let sort = if *descending { SortOrder::Descending } else { SortOrder::Ascending };
                pages!(page_size, event, |selection| service.events(
                    channel,
                    caller,
                    filter.clone(),
                    sort,
                    &selection
                ))
            }
        })
    }
}

fn event(stored: &StoredEvent) -> String {
    String::from_utf8(stored.encoded.to_vec()).unwrap()
}
