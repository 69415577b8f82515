//! Models over gRPC (compute/MODEL-1 … MODEL-11).

use asset::Model;
use asset::model::{GetModel, GetTaskOutputModels, NewModel, RegisterModels};
use proto::model_service_server::ModelService;
use service::Failure;
use tonic::{Request, Response, Status, async_trait};

use crate::caller::Caller;
use crate::handler::{Handler, handle};
use crate::{addressable, permission, timestamp};

/// The message of a model; without an address once it is disabled.
pub(crate) fn message(model: &Model) -> proto::Model {
    let Model { key, compute_task_key, address, permissions, owner, creation_date } = model;
    proto::Model {
        key: key.to_string(),
        compute_task_key: compute_task_key.to_string(),
        address: address.as_ref().map(addressable::message),
        permissions: Some(permission::message_of_both(permissions)),
        owner: owner.to_string(),
        creation_date: Some(timestamp::message(*creation_date)),
    }
}

fn requested(message: proto::NewModel) -> NewModel {
    let proto::NewModel { key, compute_task_key, address, compute_task_output_identifier } = message;
    NewModel {
        key,
        compute_task_key,
        compute_task_output_identifier,
        address: address.map(addressable::requested),
    }
}

impl Handler {
    async fn register(
        &self,
        caller: &Caller,
        models: Vec<proto::NewModel>,
    ) -> Result<Vec<proto::Model>, Failure> {
        let command = RegisterModels::new(models.into_iter().map(requested).collect(), self.policy)?;
        let models = self.execute(caller, command).await?;
        Ok(models.iter().map(|model| message(model)).collect())
    }
}

#[async_trait]
impl ModelService for Handler {
    async fn register_model(
        &self,
        request: Request<proto::NewModel>,
    ) -> Result<Response<proto::Model>, Status> {
        handle(request, |caller, model| async move {
            let mut models = self.register(&caller, vec![model]).await?;
            models.pop().ok_or(Failure::Internal)
        })
        .await
    }

    async fn register_models(
        &self,
        request: Request<proto::RegisterModelsParam>,
    ) -> Result<Response<proto::RegisterModelsResponse>, Status> {
        handle(request, |caller, proto::RegisterModelsParam { models }| async move {
            Ok(proto::RegisterModelsResponse { models: self.register(&caller, models).await? })
        })
        .await
    }

    async fn get_model(
        &self,
        request: Request<proto::GetModelParam>,
    ) -> Result<Response<proto::Model>, Status> {
        handle(request, |caller, proto::GetModelParam { key }| async move {
            Ok(message(self.inquire(&caller, GetModel::new(&key)?).await?.as_ref()))
        })
        .await
    }

    async fn get_compute_task_output_models(
        &self,
        request: Request<proto::GetComputeTaskModelsParam>,
    ) -> Result<Response<proto::GetComputeTaskModelsResponse>, Status> {
        handle(request, |caller, proto::GetComputeTaskModelsParam { compute_task_key }| async move {
            let models = self.inquire(&caller, GetTaskOutputModels::new(&compute_task_key)?).await?;
            Ok(proto::GetComputeTaskModelsResponse {
                models: models.iter().map(|model| message(model)).collect(),
            })
        })
        .await
    }
}
