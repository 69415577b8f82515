//! The owner of the plan, as a data scientist at one of the organizations: registers the functions and the plan, then watches.
//!
//! It learns everything from the channel's events, as everybody does, and keeps of them what progress and report show. It neither builds
//! nor executes anything. Start at [`PlanOwner::run`].

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, bail};
use client::{Client, Events};
use proto::event::Asset;
use proto::{
    ComputeTask, ComputeTaskStatus, Event, Function, FunctionStatus, GetFailureReportParam, NewFunction,
    NewPermissions, Performance,
};

use super::operation::Operation;
use super::plan::{DATA_SAMPLES_PER_ORGANIZATION, Plan, Step};
use super::progress::Progress;
use super::storage::Storage;

/// The owner of the plan and its view of the channel.
pub(super) struct PlanOwner {
    plan: Plan,
    client: Client,
    storage: Storage,
    progress: Progress,
    events: Events,
    steps: HashMap<String, Step>,
    seen: Seen,
}

/// What the events so far have told.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) events: usize,
    pub(super) tasks_done: usize,
    organizations: usize,
    data_samples: usize,
    functions_ready: usize,
    /// By round, then organization.
    performances: BTreeMap<(usize, usize), f32>,
}

impl Seen {
    fn has_all_organizations(&self, plan: Plan) -> bool {
        self.organizations == plan.organizations
    }

    /// Whether tasks of the plan can be registered and started.
    fn has_all_data_and_functions(&self, plan: Plan) -> bool {
        self.data_samples == plan.organizations * DATA_SAMPLES_PER_ORGANIZATION
            && self.functions_ready == plan.operations().len()
    }

    /// The performances of a round in the order of the organizations, as far as they are known.
    pub(super) fn round(&self, round: usize) -> Vec<f32> {
        self.performances.range((round, 0)..(round + 1, 0)).map(|(_, performance)| *performance).collect()
    }
}

impl PlanOwner {
    pub(super) fn new(plan: Plan, client: Client, storage: Storage, progress: Progress) -> Self {
        let (events, steps) = (client.events(""), plan.steps_by_task_key());
        Self { plan, client, storage, progress, events, steps, seen: Seen::default() }
    }

    /// Sets everything going and waits until all tasks are done.
    ///
    /// # Errors
    ///
    /// A task or function failed or was canceled, or the server refuses something or is gone.
    pub(super) async fn run(mut self) -> anyhow::Result<Seen> {
        let plan = self.plan;
        self.watch_until(|seen| seen.has_all_organizations(plan)).await?;
        self.register_functions().await.context("cannot register the functions")?;
        self.watch_until(|seen| seen.has_all_data_and_functions(plan)).await?;
        self.register_plan().await.context("cannot register the compute plan")?;
        let tasks = self.steps.len();
        self.watch_until(|seen| seen.tasks_done == tasks).await?;
        Ok(self.seen)
    }

    async fn register_functions(&self) -> anyhow::Result<()> {
        for operation in self.plan.operations() {
            self.client.call(self.function(operation)?).await?;
        }
        Ok(())
    }

    /// A function that only the organizations of the plan may use.
    fn function(&self, operation: Operation) -> anyhow::Result<NewFunction> {
        let (owner, name) = (self.plan.owner(), operation.name());
        let description = format!("{}\n", operation.description());
        let everybody =
            NewPermissions { public: false, authorized_ids: self.plan.organization_ids().collect() };
        let description = self.storage.write(&owner, &format!("functions/{name}.md"), &description)?;
        let archive = self.storage.write(&owner, &format!("functions/{name}.txt"), &operation)?;
        Ok(NewFunction {
            key: self.plan.function_key(operation),
            name: name.to_owned(),
            description: Some(description),
            archive: Some(archive),
            new_permissions: Some(everybody),
            inputs: operation.inputs(),
            outputs: operation.outputs(),
            ..NewFunction::default()
        })
    }

    async fn register_plan(&self) -> anyhow::Result<()> {
        self.client.call(self.plan.compute_plan()).await?;
        self.client.call(self.plan.tasks()).await?;
        Ok(())
    }

    async fn watch_until(&mut self, is_enough: impl Fn(&Seen) -> bool) -> anyhow::Result<()> {
        while !is_enough(&self.seen) {
            let event = self.events.next().await;
            self.see(event.context("the owner of the plan gets no events")?).await?;
        }
        Ok(())
    }

    async fn see(&mut self, event: Event) -> anyhow::Result<()> {
        self.seen.events += 1;
        match event.asset {
            Some(Asset::Organization(_)) => self.seen.organizations += 1,
            Some(Asset::DataSample(_)) => self.seen.data_samples += 1,
            Some(Asset::Function(function)) => self.see_function(&function).await?,
            Some(Asset::ComputePlan(plan)) if plan.cancelation_date.is_some() => {
                bail!("the plan was canceled")
            }
            Some(Asset::ComputeTask(task)) => self.see_task(&task).await?,
            Some(Asset::Performance(performance)) => self.see_performance(&performance)?,
            _ => {}
        }
        Ok(())
    }

    async fn see_function(&mut self, function: &Function) -> anyhow::Result<()> {
        match function.status() {
            FunctionStatus::Ready => self.seen.functions_ready += 1,
            FunctionStatus::Failed | FunctionStatus::Canceled => {
                let what = format!("{} could not build the function {}", function.owner, function.name);
                return Err(self.failure(&function.key, what).await);
            }
            FunctionStatus::Unknown | FunctionStatus::Waiting | FunctionStatus::Building => {}
        }
        Ok(())
    }

    async fn see_task(&mut self, task: &ComputeTask) -> anyhow::Result<()> {
        let Some(step) = self.steps.get(&task.key).copied() else {
            return Ok(());
        };
        match task.status() {
            ComputeTaskStatus::StatusExecuting => self.progress.starts(step),
            ComputeTaskStatus::StatusDone => {
                self.seen.tasks_done += 1;
                self.progress.is_done(step);
            }
            ComputeTaskStatus::StatusFailed | ComputeTaskStatus::StatusCanceled => {
                let what = format!("{} could not {step}", task.worker);
                return Err(self.failure(&task.key, what).await);
            }
            _ => {}
        }
        Ok(())
    }

    fn see_performance(&mut self, performance: &Performance) -> anyhow::Result<()> {
        if let Some(step) = self.steps.get(&performance.compute_task_key) {
            let round = step.round();
            self.seen.performances.insert((round, step.worker()), performance.performance_value);
            let performances = self.seen.round(round);
            if performances.len() == self.plan.organizations {
                self.progress.round_is_measured(round, &performances)?;
            }
        }
        Ok(())
    }

    /// What went wrong with a task or function, with the words of the organization that reported it.
    async fn failure(&self, asset_key: &str, what: String) -> anyhow::Error {
        let reason = self.reason(asset_key).await.unwrap_or_else(|error| format!("{error:#}"));
        anyhow::anyhow!("{what}: {}", reason.trim_end())
    }

    async fn reason(&self, asset_key: &str) -> anyhow::Result<String> {
        let param = GetFailureReportParam { asset_key: asset_key.to_owned() };
        let report = self.client.call(param).await.context("nobody reported why")?;
        let logs = report.logs_address.context("there are no logs")?;
        let logs = self.storage.path(&logs.storage_address)?;
        std::fs::read_to_string(&logs).with_context(|| format!("cannot read {}", logs.display()))
    }
}
