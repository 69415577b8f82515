//! Compute tasks over gRPC (compute/TASK-1 … TASK-73).

use asset::compute_task::action::{ApplyComputeTaskAction, ComputeTaskAction};
use asset::compute_task::inquiry::{GetComputeTask, GetTaskInputAssets, InputAsset, InputContent};
use asset::compute_task::output::DisableOutput;
use asset::compute_task::registration::{
    NewComputeTask, NewInputSource, NewTaskInput, NewTaskOutput, RegisterComputeTasks,
};
use asset::compute_task::{ComputeTask, InputSource, TaskInput, TaskOutput};
use asset::key::Key;
use asset::{ComputePlanKey, ComputeTaskStatus, FunctionKey, OrganizationId, Refusal};
use persistence::ComputeTaskFilter;
use proto::compute_task_input::Ref;
use proto::compute_task_input_asset::Asset;
use proto::compute_task_service_server::ComputeTaskService;
use service::PageSelection;
use tonic::{Request, Response, Status, async_trait};

use crate::handler::{Handler, criterion, handle};
use crate::{data_manager, data_sample, model, permission, timestamp};

/// The message of a compute task.
pub(crate) fn message(task: &ComputeTask) -> proto::ComputeTask {
    let ComputeTask {
        key,
        function_key,
        compute_plan_key,
        owner,
        worker,
        rank,
        status,
        metadata,
        inputs,
        outputs,
        logs_permission,
        creation_date,
    } = task;
    proto::ComputeTask {
        key: key.to_string(),
        owner: owner.to_string(),
        compute_plan_key: compute_plan_key.to_string(),
        rank: *rank,
        status: i32::from(status.number()),
        worker: worker.to_string(),
        creation_date: Some(timestamp::message(*creation_date)),
        logs_permission: Some(permission::message(logs_permission)),
        metadata: metadata.clone(),
        inputs: inputs.iter().map(input_message).collect(),
        outputs: outputs
            .iter()
            .map(|(identifier, output)| (identifier.clone(), output_message(output)))
            .collect(),
        function_key: function_key.to_string(),
    }
}

fn input_message(input: &TaskInput) -> proto::ComputeTaskInput {
    let TaskInput { identifier, source } = input;
    let source = match source {
        InputSource::Asset(key) => Ref::AssetKey(key.to_string()),
        InputSource::ParentOutput { parent_task_key, output_identifier } => {
            Ref::ParentTaskOutput(proto::ParentTaskOutputRef {
                parent_task_key: parent_task_key.to_string(),
                output_identifier: output_identifier.clone(),
            })
        }
    };
    proto::ComputeTaskInput { identifier: identifier.clone(), r#ref: Some(source) }
}

fn output_message(output: &TaskOutput) -> proto::ComputeTaskOutput {
    let TaskOutput { permissions, transient } = output;
    proto::ComputeTaskOutput {
        permissions: Some(permission::message_of_both(permissions)),
        transient: *transient,
    }
}

fn input_asset_message(asset: &InputAsset) -> proto::ComputeTaskInputAsset {
    let InputAsset { identifier, content } = asset;
    let content = match content {
        InputContent::Model(model) => Asset::Model(model::message(model)),
        InputContent::DataManager(manager) => Asset::DataManager(data_manager::message(manager)),
        InputContent::DataSample(sample) => Asset::DataSample(data_sample::message(sample)),
    };
    proto::ComputeTaskInputAsset { identifier: identifier.clone(), asset: Some(content) }
}

fn requested(message: proto::NewComputeTask) -> NewComputeTask {
    let proto::NewComputeTask { key, function_key, compute_plan_key, worker, metadata, inputs, outputs } =
        message;
    NewComputeTask {
        key,
        function_key,
        compute_plan_key,
        worker,
        metadata,
        inputs: inputs.into_iter().map(requested_input).collect(),
        outputs: outputs
            .into_iter()
            .map(|(identifier, output)| (identifier, requested_output(output)))
            .collect(),
    }
}

fn requested_input(message: proto::ComputeTaskInput) -> NewTaskInput {
    let proto::ComputeTaskInput { identifier, r#ref } = message;
    NewTaskInput { identifier, source: r#ref.map(requested_source) }
}

fn requested_source(message: Ref) -> NewInputSource {
    match message {
        Ref::AssetKey(key) => NewInputSource::AssetKey(key),
        Ref::ParentTaskOutput(proto::ParentTaskOutputRef { parent_task_key, output_identifier }) => {
            NewInputSource::ParentOutput { parent_task_key, output_identifier }
        }
    }
}

fn requested_output(message: proto::NewComputeTaskOutput) -> NewTaskOutput {
    let proto::NewComputeTaskOutput { permissions, transient } = message;
    NewTaskOutput { permissions: permissions.map(permission::requested), transient }
}

/// The actions that members can take; those of a build are reported on the function (compute/TASK-51).
fn requested_action(number: i32) -> Option<ComputeTaskAction> {
    use proto::ComputeTaskAction as Action;
    match Action::try_from(number).unwrap_or(Action::TaskActionUnknown) {
        Action::TaskActionUnknown | Action::TaskActionBuildStarted | Action::TaskActionBuildFinished => None,
        Action::TaskActionExecuting => Some(ComputeTaskAction::Executing),
        Action::TaskActionCanceled => Some(ComputeTaskAction::Canceled),
        Action::TaskActionFailed => Some(ComputeTaskAction::Failed),
        Action::TaskActionDone => Some(ComputeTaskAction::Done),
    }
}

/// The tasks that a query asks for; nothing if its status is a number that no task has (compute/TASK-41).
fn filter(message: Option<proto::TaskQueryFilter>) -> Result<Option<ComputeTaskFilter>, Refusal> {
    let proto::TaskQueryFilter { worker, status, compute_plan_key, function_key } =
        message.unwrap_or_default();
    let known_status = i16::try_from(status).ok().and_then(ComputeTaskStatus::from_number);
    let filter = ComputeTaskFilter {
        worker: criterion(worker)?.map(OrganizationId::new),
        status: known_status,
        compute_plan_key: criterion(compute_plan_key)?
            .map(|key| ComputePlanKey::look_up(&key))
            .transpose()?,
        function_key: criterion(function_key)?.map(|key| FunctionKey::look_up(&key)).transpose()?,
    };
    Ok((status == 0 || known_status.is_some()).then_some(filter))
}

#[async_trait]
impl ComputeTaskService for Handler {
    async fn register_tasks(
        &self,
        request: Request<proto::RegisterTasksParam>,
    ) -> Result<Response<proto::RegisterTasksResponse>, Status> {
        handle(request, |caller, proto::RegisterTasksParam { tasks }| async move {
            let command = RegisterComputeTasks::new(tasks.into_iter().map(requested).collect(), self.policy)?;
            let expected_rows = command.task_count();
            let tasks = self.execute_large(&caller, command, expected_rows).await?;
            if let Some(metrics) = &self.metrics {
                metrics.note_registration(&caller.channel, tasks.len());
            }
            Ok(proto::RegisterTasksResponse { tasks: tasks.iter().map(|task| message(task)).collect() })
        })
        .await
    }

    async fn get_task(
        &self,
        request: Request<proto::GetTaskParam>,
    ) -> Result<Response<proto::ComputeTask>, Status> {
        handle(request, |caller, proto::GetTaskParam { key }| async move {
            Ok(message(self.inquire(&caller, GetComputeTask::new(&key)?).await?.as_ref()))
        })
        .await
    }

    async fn query_tasks(
        &self,
        request: Request<proto::QueryTasksParam>,
    ) -> Result<Response<proto::QueryTasksResponse>, Status> {
        handle(
            request,
            |caller, proto::QueryTasksParam { page_token, page_size, filter: narrowed }| async move {
                let selection = PageSelection { token: page_token, size: page_size };
                let filter = filter(narrowed)?;
                let listing = self
                    .service
                    .compute_tasks(&caller.channel, &caller.organization, filter, &selection)
                    .await?;
                let (tasks, next_page_token) = self.page(listing, message).await;
                Ok(proto::QueryTasksResponse { tasks, next_page_token })
            },
        )
        .await
    }

    async fn apply_task_action(
        &self,
        request: Request<proto::ApplyTaskActionParam>,
    ) -> Result<Response<proto::ApplyTaskActionResponse>, Status> {
        handle(request, |caller, proto::ApplyTaskActionParam { compute_task_key, action, log }| async move {
            let command = ApplyComputeTaskAction::new(&compute_task_key, requested_action(action), log)?;
            self.execute(&caller, command).await?;
            Ok(proto::ApplyTaskActionResponse {})
        })
        .await
    }

    async fn get_task_input_assets(
        &self,
        request: Request<proto::GetTaskInputAssetsParam>,
    ) -> Result<Response<proto::GetTaskInputAssetsResponse>, Status> {
        handle(request, |caller, proto::GetTaskInputAssetsParam { compute_task_key }| async move {
            let assets = self.inquire(&caller, GetTaskInputAssets::new(&compute_task_key)?).await?;
            Ok(proto::GetTaskInputAssetsResponse { assets: assets.iter().map(input_asset_message).collect() })
        })
        .await
    }

    async fn disable_output(
        &self,
        request: Request<proto::DisableOutputParam>,
    ) -> Result<Response<proto::DisableOutputResponse>, Status> {
        handle(request, |caller, proto::DisableOutputParam { compute_task_key, identifier }| async move {
            self.execute(&caller, DisableOutput::new(&compute_task_key, identifier)?).await?;
            Ok(proto::DisableOutputResponse {})
        })
        .await
    }
}
