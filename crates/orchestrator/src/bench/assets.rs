//! The assets of a benchmark: fresh ones for each, so that it can be repeated on the same server.
//!
//! A task takes a data manager, four data samples and the model of one parent, and makes one model. Everything here prepares and is not
//! measured: calls are repeated while the server is unavailable, and any other failure ends the benchmark. Start at
//! [`Materials::register`].

use anyhow::Context;
use client::{Client, UnaryRequest};
use proto::compute_task_input::Ref;
use proto::{
    Addressable, ApplyFunctionActionParam, ApplyTaskActionParam, AssetKind, ComputeTaskAction,
    ComputeTaskInput, FunctionAction, FunctionInput, FunctionOutput, NewComputePlan, NewComputeTask,
    NewComputeTaskOutput, NewDataManager, NewDataSample, NewFunction, NewModel, NewPermissions,
    ParentTaskOutputRef, RegisterDataSamplesParam, RegisterModelsParam, RegisterOrganizationParam,
    RegisterTasksParam,
};
use tonic::{Code, Status};
use uuid::Uuid;

const OPENER: &str = "opener";
const DATA_SAMPLES: &str = "datasamples";
const MODEL: &str = "model";

const DATA_SAMPLES_PER_TASK: usize = 4;

/// Tasks that are registered in one call; as many as a message of 4 MiB holds with ease.
pub(super) const BATCH_TASKS_MAX: usize = 500;

/// What tasks work with.
#[derive(Clone, Debug)]
pub(super) struct Materials {
    organization: String,
    pub(super) function_key: String,
    data_manager_key: String,
    data_sample_keys: Vec<String>,
}

/// A plan with one task that is done, whose model other tasks take.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) key: String,
    pub(super) root_task_key: String,
}

/// A new key, as random as keys of real assets.
pub(super) fn new_key() -> String {
    Uuid::new_v4().to_string()
}

/// A new plan, still without tasks.
pub(super) fn new_plan(key: String) -> NewComputePlan {
    NewComputePlan { key, tag: "bench".to_owned(), name: "bench".to_owned(), ..NewComputePlan::default() }
}

/// What moves a task on.
pub(super) fn task_action(task_key: &str, action: ComputeTaskAction) -> ApplyTaskActionParam {
    ApplyTaskActionParam { compute_task_key: task_key.to_owned(), action: action.into(), log: String::new() }
}

/// The model that a task has made.
pub(super) fn model_of(task_key: &str) -> RegisterModelsParam {
    let key = new_key();
    RegisterModelsParam {
        models: vec![NewModel {
            address: addressable("model", &key),
            key,
            compute_task_key: task_key.to_owned(),
            compute_task_output_identifier: MODEL.to_owned(),
        }],
    }
}

/// What moves a function on.
pub(super) fn function_action(function_key: &str, action: FunctionAction) -> ApplyFunctionActionParam {
    ApplyFunctionActionParam { function_key: function_key.to_owned(), action: action.into() }
}

/// Executes a task up to the point where only DONE is missing.
pub(super) async fn execute(client: &Client, task_key: &str) -> anyhow::Result<()> {
    prepare(client, task_action(task_key, ComputeTaskAction::TaskActionExecuting)).await?;
    prepare(client, model_of(task_key)).await.map(drop)
}

/// Registers tasks, in batches, in their order.
pub(super) async fn register_tasks(client: &Client, tasks: &[NewComputeTask]) -> anyhow::Result<()> {
    for batch in tasks.chunks(BATCH_TASKS_MAX) {
        let tasks = batch.to_vec();
        prepare(client, RegisterTasksParam { tasks }).await?;
    }
    Ok(())
}

/// Makes a call of the preparations.
pub(super) async fn prepare<R: UnaryRequest>(client: &Client, request: R) -> anyhow::Result<R::Answer> {
    let answer = client.call(request).await;
    answer.with_context(|| format!("cannot prepare with {}", std::any::type_name::<R>()))
}

impl Materials {
    /// Registers the organization, unless somebody has, a function that is ready, a data manager and its data samples.
    ///
    /// # Errors
    /// The server refuses something or is gone.
    pub(super) async fn register(client: &Client, organization: &str) -> anyhow::Result<Self> {
        let address = "http://bench.example.org".to_owned();
        or_known(client.call(RegisterOrganizationParam { address }).await)
            .context("cannot register the organization")?;
        let function_key = register_function(client).await?;
        prepare(client, function_action(&function_key, FunctionAction::Building)).await?;
        prepare(client, function_action(&function_key, FunctionAction::Ready)).await?;
        let data_manager_key = register_data_manager(client).await?;
        Ok(Self {
            organization: organization.to_owned(),
            function_key,
            data_sample_keys: register_data_samples(client, &data_manager_key).await?,
            data_manager_key,
        })
    }

    /// The same with another function.
    pub(super) fn with_function(&self, function_key: String) -> Self {
        Self { function_key, ..self.clone() }
    }

    /// Registers a plan and its first task, and gets that done.
    ///
    /// # Errors
    /// The server refuses something or is gone.
    pub(super) async fn register_plan(&self, client: &Client) -> anyhow::Result<Plan> {
        let plan = Plan { key: new_key(), root_task_key: new_key() };
        prepare(client, new_plan(plan.key.clone())).await?;
        let root =
            NewComputeTask { key: plan.root_task_key.clone(), inputs: self.data(), ..self.child(&plan, "") };
        register_tasks(client, &[root]).await?;
        execute(client, &plan.root_task_key).await?;
        let done = task_action(&plan.root_task_key, ComputeTaskAction::TaskActionDone);
        prepare(client, done).await?;
        Ok(plan)
    }

    /// Registers so many tasks that can start at once, and answers their keys.
    ///
    /// # Errors
    /// The server refuses something or is gone.
    pub(super) async fn register_ready_tasks(
        &self,
        client: &Client,
        plan: &Plan,
        count: usize,
    ) -> anyhow::Result<Vec<String>> {
        let tasks = self.tasks(plan, count);
        register_tasks(client, &tasks).await?;
        Ok(tasks.into_iter().map(|task| task.key).collect())
    }

    /// So many tasks that can start as soon as their function is ready.
    pub(super) fn tasks(&self, plan: &Plan, count: usize) -> Vec<NewComputeTask> {
        (0..count).map(|_| self.child(plan, &plan.root_task_key)).collect()
    }

    /// A task that takes the model of another one.
    pub(super) fn child(&self, plan: &Plan, parent_task_key: &str) -> NewComputeTask {
        let parent = ParentTaskOutputRef {
            parent_task_key: parent_task_key.to_owned(),
            output_identifier: MODEL.to_owned(),
        };
        let mut inputs = self.data();
        inputs.push(ComputeTaskInput {
            identifier: MODEL.to_owned(),
            r#ref: Some(Ref::ParentTaskOutput(parent)),
        });
        let output = NewComputeTaskOutput { permissions: public(), transient: false };
        NewComputeTask {
            key: new_key(),
            function_key: self.function_key.clone(),
            compute_plan_key: plan.key.clone(),
            worker: self.organization.clone(),
            inputs,
            outputs: [(MODEL.to_owned(), output)].into(),
            ..NewComputeTask::default()
        }
    }

    fn data(&self) -> Vec<ComputeTaskInput> {
        let input = |identifier: &str, key: &String| ComputeTaskInput {
            identifier: identifier.to_owned(),
            r#ref: Some(Ref::AssetKey(key.clone())),
        };
        let data_samples = self.data_sample_keys.iter().map(|key| input(DATA_SAMPLES, key));
        [input(OPENER, &self.data_manager_key)].into_iter().chain(data_samples).collect()
    }
}

/// Registers a function that still has to be built.
pub(super) async fn register_function(client: &Client) -> anyhow::Result<String> {
    let key = new_key();
    let input = |kind: AssetKind, multiple, optional| FunctionInput { kind: kind.into(), multiple, optional };
    let inputs = [
        (OPENER, input(AssetKind::AssetDataManager, false, false)),
        (DATA_SAMPLES, input(AssetKind::AssetDataSample, true, false)),
        (MODEL, input(AssetKind::AssetModel, false, true)),
    ];
    let output = FunctionOutput { kind: AssetKind::AssetModel.into(), multiple: false };
    let function = NewFunction {
        key: key.clone(),
        name: "bench".to_owned(),
        description: addressable("description", &key),
        archive: addressable("archive", &key),
        new_permissions: public(),
        inputs: inputs.into_iter().map(|(identifier, input)| (identifier.to_owned(), input)).collect(),
        outputs: [(MODEL.to_owned(), output)].into(),
        ..NewFunction::default()
    };
    prepare(client, function).await?;
    Ok(key)
}

async fn register_data_manager(client: &Client) -> anyhow::Result<String> {
    let key = new_key();
    let data_manager = NewDataManager {
        key: key.clone(),
        name: "bench".to_owned(),
        new_permissions: public(),
        description: addressable("description", &key),
        opener: addressable("opener", &key),
        logs_permission: public(),
        ..NewDataManager::default()
    };
    prepare(client, data_manager).await?;
    Ok(key)
}

async fn register_data_samples(client: &Client, data_manager_key: &str) -> anyhow::Result<Vec<String>> {
    let keys: Vec<String> = (0..DATA_SAMPLES_PER_TASK).map(|_| new_key()).collect();
    let sample = |key: &String| NewDataSample {
        key: key.clone(),
        data_manager_keys: vec![data_manager_key.to_owned()],
        checksum: checksum(),
        ..NewDataSample::default()
    };
    let samples = keys.iter().map(sample).collect();
    prepare(client, RegisterDataSamplesParam { samples }).await?;
    Ok(keys)
}

/// Registering what is registered already is as good.
fn or_known<T>(outcome: Result<T, Status>) -> Result<(), Status> {
    match outcome {
        Err(status) if status.code() != Code::AlreadyExists => Err(status),
        _ => Ok(()),
    }
}

/// A file that nobody ever fetches; servers insist that no two assets have the same address.
fn addressable(role: &str, key: &str) -> Option<Addressable> {
    Some(Addressable {
        checksum: checksum(),
        storage_address: format!("http://bench.example.org/{role}/{key}"),
    })
}

fn checksum() -> String {
    "0".repeat(64)
}

fn public() -> Option<NewPermissions> {
    Some(NewPermissions { public: true, authorized_ids: Vec::new() })
}
