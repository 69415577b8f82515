//! Functions over gRPC (compute/FUNC-1 … FUNC-33).

use asset::function::build::{ApplyFunctionAction, FunctionAction};
use asset::function::registration::{NewFunction, NewFunctionInput, NewFunctionOutput, RegisterFunction};
use asset::function::update::UpdateFunction;
use asset::function::{FunctionInput, FunctionOutput, GetFunction};
use asset::key::Key;
use asset::{ComputePlanKey, Function, Refusal};
use persistence::FunctionFilter;
use proto::function_service_server::FunctionService;
use service::PageSelection;
use tonic::{Request, Response, Status, async_trait};

use crate::handler::{Handler, criterion, handle};
use crate::{addressable, asset_kind, permission, timestamp};

/// The message of a function. Its image is always there, even while it is empty (compute/FUNC-6).
pub(crate) fn message(function: &Function) -> proto::Function {
    let Function {
        key,
        name,
        owner,
        permissions,
        description,
        archive,
        image,
        inputs,
        outputs,
        metadata,
        status,
        creation_date,
    } = function;
    proto::Function {
        key: key.to_string(),
        name: name.clone(),
        description: Some(addressable::message(description)),
        archive: Some(addressable::message(archive)),
        permissions: Some(permission::message_of_both(permissions)),
        owner: owner.to_string(),
        creation_date: Some(timestamp::message(*creation_date)),
        metadata: metadata.clone(),
        inputs: inputs.iter().map(|(identifier, input)| (identifier.clone(), input_message(input))).collect(),
        outputs: outputs
            .iter()
            .map(|(identifier, output)| (identifier.clone(), output_message(output)))
            .collect(),
        status: i32::from(status.number()),
        image: Some(image.as_ref().map(addressable::message).unwrap_or_default()),
    }
}

fn input_message(input: &FunctionInput) -> proto::FunctionInput {
    let FunctionInput { kind, multiple, optional } = *input;
    proto::FunctionInput { kind: asset_kind::number(kind), multiple, optional }
}

fn output_message(output: &FunctionOutput) -> proto::FunctionOutput {
    let FunctionOutput { kind, multiple } = *output;
    proto::FunctionOutput { kind: asset_kind::number(kind), multiple }
}

fn requested(message: proto::NewFunction) -> NewFunction {
    let proto::NewFunction { key, name, description, archive, new_permissions, metadata, inputs, outputs } =
        message;
    NewFunction {
        key,
        name,
        description: description.map(addressable::requested),
        archive: archive.map(addressable::requested),
        new_permissions: new_permissions.map(permission::requested),
        inputs: inputs.into_iter().map(|(identifier, input)| (identifier, requested_input(input))).collect(),
        outputs: outputs
            .into_iter()
            .map(|(identifier, output)| (identifier, requested_output(output)))
            .collect(),
        metadata,
    }
}

fn requested_input(message: proto::FunctionInput) -> NewFunctionInput {
    let proto::FunctionInput { kind, multiple, optional } = message;
    NewFunctionInput { kind: asset_kind::requested(kind), multiple, optional }
}

fn requested_output(message: proto::FunctionOutput) -> NewFunctionOutput {
    let proto::FunctionOutput { kind, multiple } = message;
    NewFunctionOutput { kind: asset_kind::requested(kind), multiple }
}

fn requested_action(number: i32) -> Option<FunctionAction> {
    use proto::FunctionAction as Action;
    match Action::try_from(number).unwrap_or(Action::Unknown) {
        Action::Unknown => None,
        Action::Building => Some(FunctionAction::Building),
        Action::Canceled => Some(FunctionAction::Canceled),
        Action::Failed => Some(FunctionAction::Failed),
        Action::Ready => Some(FunctionAction::Ready),
    }
}

fn filter(message: Option<proto::FunctionQueryFilter>) -> Result<FunctionFilter, Refusal> {
    let proto::FunctionQueryFilter { compute_plan_key } = message.unwrap_or_default();
    let compute_plan_key =
        criterion(compute_plan_key)?.map(|key| ComputePlanKey::look_up(&key)).transpose()?;
    Ok(FunctionFilter { compute_plan_key })
}

#[async_trait]
impl FunctionService for Handler {
    async fn register_function(
        &self,
        request: Request<proto::NewFunction>,
    ) -> Result<Response<proto::Function>, Status> {
        handle(request, |caller, new| async move {
            let command = RegisterFunction::new(requested(new), self.policy)?;
            Ok(message(self.execute(&caller, command).await?.as_ref()))
        })
        .await
    }

    async fn get_function(
        &self,
        request: Request<proto::GetFunctionParam>,
    ) -> Result<Response<proto::Function>, Status> {
        handle(request, |caller, proto::GetFunctionParam { key }| async move {
            Ok(message(self.inquire(&caller, GetFunction::new(&key)?).await?.as_ref()))
        })
        .await
    }

    async fn query_functions(
        &self,
        request: Request<proto::QueryFunctionsParam>,
    ) -> Result<Response<proto::QueryFunctionsResponse>, Status> {
        handle(
            request,
            |caller, proto::QueryFunctionsParam { page_token, page_size, filter: narrowed }| async move {
                let selection = PageSelection { token: page_token, size: page_size };
                let listing = self
                    .service
                    .functions(&caller.channel, &caller.organization, filter(narrowed)?, &selection)
                    .await?;
                let (functions, next_page_token) = self.page(listing, message).await;
                Ok(proto::QueryFunctionsResponse { functions, next_page_token })
            },
        )
        .await
    }

    async fn update_function(
        &self,
        request: Request<proto::UpdateFunctionParam>,
    ) -> Result<Response<proto::UpdateFunctionResponse>, Status> {
        handle(request, |caller, proto::UpdateFunctionParam { key, name, image }| async move {
            let image = image.map(addressable::requested);
            self.execute(&caller, UpdateFunction::new(&key, name, image, self.policy)?).await?;
            Ok(proto::UpdateFunctionResponse {})
        })
        .await
    }

    async fn apply_function_action(
        &self,
        request: Request<proto::ApplyFunctionActionParam>,
    ) -> Result<Response<proto::ApplyFunctionActionResponse>, Status> {
        handle(request, |caller, proto::ApplyFunctionActionParam { function_key, action }| async move {
            let command = ApplyFunctionAction::new(&function_key, requested_action(action))?;
            self.execute(&caller, command).await?;
            Ok(proto::ApplyFunctionActionResponse {})
        })
        .await
    }
}
