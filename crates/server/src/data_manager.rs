//! Data managers over gRPC (core/DM-1 … DM-14).

use asset::DataManager;
use asset::data_manager::{GetDataManager, NewDataManager, RegisterDataManager, RenameDataManager};
use proto::data_manager_service_server::DataManagerService;
use service::PageSelection;
use tonic::{Request, Response, Status, async_trait};

use crate::handler::{Handler, handle};
use crate::{addressable, permission, timestamp};

/// The message of a data manager. Its field `type` is never filled (core/DEF-40).
pub(crate) fn message(manager: &DataManager) -> proto::DataManager {
    let DataManager {
        key,
        name,
        owner,
        permissions,
        logs_permission,
        description,
        opener,
        metadata,
        creation_date,
    } = manager;
    proto::DataManager {
        key: key.to_string(),
        name: name.clone(),
        owner: owner.to_string(),
        permissions: Some(permission::message_of_both(permissions)),
        description: Some(addressable::message(description)),
        opener: Some(addressable::message(opener)),
        r#type: String::new(),
        creation_date: Some(timestamp::message(*creation_date)),
        logs_permission: Some(permission::message(logs_permission)),
        metadata: metadata.clone(),
    }
}

fn requested(message: proto::NewDataManager) -> NewDataManager {
    let proto::NewDataManager {
        key,
        name,
        new_permissions,
        description,
        opener,
        r#type: _, // accepted and dropped (core/DEF-40)
        logs_permission,
        metadata,
    } = message;
    NewDataManager {
        key,
        name,
        new_permissions: new_permissions.map(permission::requested),
        logs_permission: logs_permission.map(permission::requested),
        description: description.map(addressable::requested),
        opener: opener.map(addressable::requested),
        metadata,
    }
}

#[async_trait]
impl DataManagerService for Handler {
    async fn register_data_manager(
        &self,
        request: Request<proto::NewDataManager>,
    ) -> Result<Response<proto::DataManager>, Status> {
        handle(request, |caller, new| async move {
            let command = RegisterDataManager::new(requested(new), self.policy)?;
            Ok(message(self.execute(&caller, command).await?.as_ref()))
        })
        .await
    }

    async fn get_data_manager(
        &self,
        request: Request<proto::GetDataManagerParam>,
    ) -> Result<Response<proto::DataManager>, Status> {
        handle(request, |caller, proto::GetDataManagerParam { key }| async move {
            Ok(message(self.inquire(&caller, GetDataManager::new(&key)?).await?.as_ref()))
        })
        .await
    }

    async fn query_data_managers(
        &self,
        request: Request<proto::QueryDataManagersParam>,
    ) -> Result<Response<proto::QueryDataManagersResponse>, Status> {
        handle(request, |caller, proto::QueryDataManagersParam { page_token, page_size }| async move {
            let selection = PageSelection { token: page_token, size: page_size };
            let listing =
                self.service.data_managers(&caller.channel, &caller.organization, &selection).await?;
            let (data_managers, next_page_token) = self.page(listing, message).await;
            Ok(proto::QueryDataManagersResponse { data_managers, next_page_token })
        })
        .await
    }

    async fn update_data_manager(
        &self,
        request: Request<proto::UpdateDataManagerParam>,
    ) -> Result<Response<proto::UpdateDataManagerResponse>, Status> {
        handle(request, |caller, proto::UpdateDataManagerParam { key, name }| async move {
            self.execute(&caller, RenameDataManager::new(&key, name, self.policy)?).await?;
            Ok(proto::UpdateDataManagerResponse {})
        })
        .await
    }
}
