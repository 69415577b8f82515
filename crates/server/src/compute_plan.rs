//! Compute plans over gRPC (compute/PLAN-1 … PLAN-51).

use asset::compute_plan::{
    ApplyComputePlanAction, ComputePlanAction, GetComputePlan, IsComputePlanRunning, NewComputePlan,
    RegisterComputePlan, RenameComputePlan,
};
use asset::{ComputePlan, OrganizationId, Refusal};
use persistence::ComputePlanFilter;
use proto::compute_plan_service_server::ComputePlanService;
use service::PageSelection;
use tonic::{Request, Response, Status, async_trait};

use crate::handler::{Handler, criterion, handle};
use crate::timestamp;

/// The message of a compute plan. At most one of its last two dates shows, and cancelation wins (compute/PLAN-11).
pub(crate) fn message(plan: &ComputePlan) -> proto::ComputePlan {
    let ComputePlan { key, name, tag, owner, metadata, creation_date, cancelation_date, failure_date } = plan;
    let failure_date = failure_date.filter(|_| cancelation_date.is_none());
    proto::ComputePlan {
        key: key.to_string(),
        owner: owner.to_string(),
        creation_date: Some(timestamp::message(*creation_date)),
        tag: tag.clone(),
        metadata: metadata.clone(),
        cancelation_date: cancelation_date.map(timestamp::message),
        name: name.clone(),
        failure_date: failure_date.map(timestamp::message),
    }
}

fn requested(message: proto::NewComputePlan) -> NewComputePlan {
    let proto::NewComputePlan { key, tag, metadata, name } = message;
    NewComputePlan { key, name, tag, metadata }
}

fn requested_action(number: i32) -> Option<ComputePlanAction> {
    use proto::ComputePlanAction as Action;
    match Action::try_from(number).unwrap_or(Action::PlanActionUnknown) {
        Action::PlanActionUnknown => None,
        Action::PlanActionCanceled => Some(ComputePlanAction::Cancel),
    }
}

fn filter(message: Option<proto::PlanQueryFilter>) -> Result<ComputePlanFilter, Refusal> {
    let proto::PlanQueryFilter { owner } = message.unwrap_or_default();
    Ok(ComputePlanFilter { owner: criterion(owner)?.map(OrganizationId::new) })
}

#[async_trait]
impl ComputePlanService for Handler {
    async fn register_plan(
        &self,
        request: Request<proto::NewComputePlan>,
    ) -> Result<Response<proto::ComputePlan>, Status> {
        handle(request, |caller, new| async move {
            let command = RegisterComputePlan::new(requested(new), self.policy)?;
            Ok(message(self.execute(&caller, command).await?.as_ref()))
        })
        .await
    }

    async fn get_plan(
        &self,
        request: Request<proto::GetComputePlanParam>,
    ) -> Result<Response<proto::ComputePlan>, Status> {
        handle(request, |caller, proto::GetComputePlanParam { key }| async move {
            Ok(message(self.inquire(&caller, GetComputePlan::new(&key)?).await?.as_ref()))
        })
        .await
    }

    async fn query_plans(
        &self,
        request: Request<proto::QueryPlansParam>,
    ) -> Result<Response<proto::QueryPlansResponse>, Status> {
        handle(
            request,
            |caller, proto::QueryPlansParam { page_token, page_size, filter: narrowed }| async move {
                let selection = PageSelection { token: page_token, size: page_size };
                let listing = self
                    .service
                    .compute_plans(&caller.channel, &caller.organization, filter(narrowed)?, &selection)
                    .await?;
                let (plans, next_page_token) = self.page(listing, message).await;
                Ok(proto::QueryPlansResponse { plans, next_page_token })
            },
        )
        .await
    }

    async fn update_plan(
        &self,
        request: Request<proto::UpdateComputePlanParam>,
    ) -> Result<Response<proto::UpdateComputePlanResponse>, Status> {
        handle(request, |caller, proto::UpdateComputePlanParam { key, name }| async move {
            self.execute(&caller, RenameComputePlan::new(&key, name, self.policy)?).await?;
            Ok(proto::UpdateComputePlanResponse {})
        })
        .await
    }

    async fn apply_plan_action(
        &self,
        request: Request<proto::ApplyPlanActionParam>,
    ) -> Result<Response<proto::ApplyPlanActionResponse>, Status> {
        handle(request, |caller, proto::ApplyPlanActionParam { key, action }| async move {
            self.execute(&caller, ApplyComputePlanAction::new(&key, requested_action(action))?).await?;
            Ok(proto::ApplyPlanActionResponse {})
        })
        .await
    }

    async fn is_plan_running(
        &self,
        request: Request<proto::IsPlanRunningParam>,
    ) -> Result<Response<proto::IsPlanRunningResponse>, Status> {
        handle(request, |caller, proto::IsPlanRunningParam { key }| async move {
            let is_running = self.inquire(&caller, IsComputePlanRunning::new(&key)?).await?;
            Ok(proto::IsPlanRunningResponse { is_running })
        })
        .await
    }
}
