//! Organizations over gRPC (core/ORG-1 … ORG-8).

use asset::Organization;
use asset::organization::RegisterOrganization;
use proto::organization_service_server::OrganizationService;
use tonic::{Request, Response, Status, async_trait};

use crate::handler::{Handler, handle};
use crate::timestamp;

/// The message of an organization.
pub(crate) fn message(organization: &Organization) -> proto::Organization {
    let Organization { id, address, creation_date } = organization;
    proto::Organization {
        id: id.to_string(),
        creation_date: Some(timestamp::message(*creation_date)),
        address: address.clone(),
    }
}

#[async_trait]
impl OrganizationService for Handler {
    async fn register_organization(
        &self,
        request: Request<proto::RegisterOrganizationParam>,
    ) -> Result<Response<proto::Organization>, Status> {
        handle(request, |caller, proto::RegisterOrganizationParam { address }| async move {
            let command = RegisterOrganization::new(address, &caller.organization, self.policy)?;
            Ok(message(self.execute(&caller, command).await?.as_ref()))
        })
        .await
    }

    async fn get_all_organizations(
        &self,
        request: Request<proto::GetAllOrganizationsParam>,
    ) -> Result<Response<proto::GetAllOrganizationsResponse>, Status> {
        handle(request, |caller, proto::GetAllOrganizationsParam {}| async move {
            let organizations = self.service.organizations(&caller.channel, &caller.organization).await?;
            Ok(proto::GetAllOrganizationsResponse {
                organizations: organizations.iter().map(message).collect(),
            })
        })
        .await
    }
}
