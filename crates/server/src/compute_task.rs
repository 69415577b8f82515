//! Compute tasks over gRPC (compute/TASK-1 … TASK-73).
//!
//! Lists send tasks as they are stored; that is why this service is written by hand, see `by_hand`. Start at [`ComputeTaskService`].

use std::convert::identity;
use std::sync::Arc;

use asset::compute_task::action::{ApplyComputeTaskAction, ComputeTaskAction};
use asset::compute_task::inquiry::{GetComputeTask, GetTaskInputAssets, InputAsset, InputContent};
use asset::compute_task::output::DisableOutput;
use asset::compute_task::registration::{
    NewComputeTask, NewInputSource, NewTaskInput, NewTaskOutput, RegisterComputeTasks,
};
use asset::key::Key;
use asset::{ComputePlanKey, ComputeTaskStatus, FunctionKey, OrganizationId, Refusal};
use persistence::ComputeTaskFilter;
pub(crate) use persistence::task_message::message;
use prost::Message;
use proto::compute_task_input::Ref;
use proto::compute_task_input_asset::Asset;
use service::PageSelection;
use tonic::body::Body;
use tonic::{Request, Response, Status};

use crate::by_hand::{Call, EncodedPage, Methods};
use crate::handler::{Handler, criterion, handle, item_bytes};
use crate::{data_manager, data_sample, model, permission};

/// The largest answer about what goes into a task, in bytes: a few times what common clients take. One asset can go into a task in very many places.
const INPUT_ASSETS_BYTES_MAX: usize = 16 << 20;

/// # Errors
/// OE0003 if they would be too much for an answer.
fn input_asset_messages(assets: &[InputAsset]) -> Result<Vec<proto::ComputeTaskInputAsset>, Refusal> {
    let mut bytes = 0;
    let within_bounds = |asset| {
        let message = input_asset_message(asset);
        bytes += item_bytes(message.encoded_len());
        let fits = bytes <= INPUT_ASSETS_BYTES_MAX;
        if fits { Ok(message) } else { Err(Refusal::bad_request("the inputs are too large for one answer")) }
    };
    assets.iter().map(within_bounds).collect()
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

/// `orchestrator.ComputeTaskService`.
pub(crate) struct ComputeTaskService;

impl Methods for ComputeTaskService {
    const NAME: &'static str = proto::compute_task_service_server::SERVICE_NAME;

    async fn carry_out(call: Call) -> http::Response<Body> {
        match call.method() {
            "RegisterTasks" => call.unary(register_tasks).await,
            "GetTask" => call.unary(get_task).await,
            "QueryTasks" => call.unary(query_tasks).await,
            "ApplyTaskAction" => call.unary(apply_task_action).await,
            "GetTaskInputAssets" => call.unary(input_assets).await,
            "DisableOutput" => call.unary(disable_output).await,
            _ => Call::unknown(),
        }
    }
}

async fn register_tasks(
    handler: Arc<Handler>,
    request: Request<proto::RegisterTasksParam>,
) -> Result<Response<proto::RegisterTasksResponse>, Status> {
    handle(request, |caller, proto::RegisterTasksParam { tasks }| async move {
        let command = RegisterComputeTasks::new(tasks.into_iter().map(requested).collect(), handler.policy)?
            .of_request(caller.request_bytes);
        let expected_rows = command.task_count();
        let tasks = handler.execute_large(&caller, command, expected_rows).await?;
        if let Some(metrics) = &handler.metrics {
            metrics.note_registration(&caller.channel, tasks.len());
        }
        Ok(proto::RegisterTasksResponse { tasks: tasks.iter().map(|task| message(task)).collect() })
    })
    .await
}

async fn get_task(
    handler: Arc<Handler>,
    request: Request<proto::GetTaskParam>,
) -> Result<Response<proto::ComputeTask>, Status> {
    handle(request, |caller, proto::GetTaskParam { key }| async move {
        Ok(message(handler.inquire(&caller, GetComputeTask::new(&key)?).await?.as_ref()))
    })
    .await
}

async fn query_tasks(
    handler: Arc<Handler>,
    request: Request<proto::QueryTasksParam>,
) -> Result<Response<EncodedPage>, Status> {
    handle(request, |caller, proto::QueryTasksParam { page_token, page_size, filter: narrowed }| async move {
        let selection = PageSelection { token: page_token, size: page_size };
        let filter = filter(narrowed)?;
        let listing =
            handler.service.compute_tasks(&caller.channel, &caller.organization, filter, &selection).await?;
        Ok(EncodedPage::of(listing, handler.response_bytes_max, identity).await)
    })
    .await
}

async fn apply_task_action(
    handler: Arc<Handler>,
    request: Request<proto::ApplyTaskActionParam>,
) -> Result<Response<proto::ApplyTaskActionResponse>, Status> {
    handle(request, |caller, proto::ApplyTaskActionParam { compute_task_key, action, log }| async move {
        let command = ApplyComputeTaskAction::new(&compute_task_key, requested_action(action), log)?;
        handler.execute(&caller, command).await?;
        Ok(proto::ApplyTaskActionResponse {})
    })
    .await
}

async fn input_assets(
    handler: Arc<Handler>,
    request: Request<proto::GetTaskInputAssetsParam>,
) -> Result<Response<proto::GetTaskInputAssetsResponse>, Status> {
    handle(request, |caller, proto::GetTaskInputAssetsParam { compute_task_key }| async move {
        let assets = handler.inquire(&caller, GetTaskInputAssets::new(&compute_task_key)?).await?;
        Ok(proto::GetTaskInputAssetsResponse { assets: input_asset_messages(&assets)? })
    })
    .await
}

async fn disable_output(
    handler: Arc<Handler>,
    request: Request<proto::DisableOutputParam>,
) -> Result<Response<proto::DisableOutputResponse>, Status> {
    handle(request, |caller, proto::DisableOutputParam { compute_task_key, identifier }| async move {
        handler.execute(&caller, DisableOutput::new(&compute_task_key, identifier)?).await?;
        Ok(proto::DisableOutputResponse {})
    })
    .await
}

#[cfg(test)]
mod tests {
    use asset::{DataManagerKey, DataSample, DataSampleKey, Timestamp};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn one_asset_in_very_many_places_is_refused() {
        let sample = Arc::new(DataSample {
            key: DataSampleKey::from_uuid(Uuid::nil()),
            data_manager_keys: vec![DataManagerKey::from_uuid(Uuid::nil()); 1000],
            owner: OrganizationId::new("Alder"),
            checksum: String::new(),
            creation_date: Timestamp::from_micros(0),
        });
        let content = InputContent::DataSample(sample);
        let asset = InputAsset { identifier: "grain".to_owned(), content };
        for (places, fits) in [(10, true), (1000, false)] {
            let messages = input_asset_messages(&vec![asset.clone(); places]);
            assert_eq!(messages.is_ok(), fits, "{places} places");
        }
    }
}
