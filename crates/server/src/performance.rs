//! Performances over gRPC (compute/PERF-1 … PERF-6).

use asset::key::Key;
use asset::performance::RegisterPerformance;
use asset::{ComputeTaskKey, Performance, Refusal};
use persistence::PerformanceFilter;
use proto::performance_service_server::PerformanceService;
use service::PageSelection;
use tonic::{Request, Response, Status, async_trait};

use crate::handler::{Handler, criterion, handle};
use crate::timestamp;

/// The message of a performance.
pub(crate) fn message(performance: &Performance) -> proto::Performance {
    let Performance { compute_task_key, identifier, value, creation_date } = performance;
    proto::Performance {
        compute_task_key: compute_task_key.to_string(),
        performance_value: *value,
        creation_date: Some(timestamp::message(*creation_date)),
        compute_task_output_identifier: identifier.clone(),
    }
}

fn filter(message: Option<proto::PerformanceQueryFilter>) -> Result<PerformanceFilter, Refusal> {
    let proto::PerformanceQueryFilter { compute_task_key, compute_task_output_identifier } =
        message.unwrap_or_default();
    Ok(PerformanceFilter {
        compute_task_key: criterion(compute_task_key)?
            .map(|key| ComputeTaskKey::look_up(&key))
            .transpose()?,
        identifier: criterion(compute_task_output_identifier)?,
    })
}

#[async_trait]
impl PerformanceService for Handler {
    async fn register_performance(
        &self,
        request: Request<proto::NewPerformance>,
    ) -> Result<Response<proto::Performance>, Status> {
        handle(request, |caller, new| async move {
            let proto::NewPerformance {
                compute_task_key,
                performance_value,
                compute_task_output_identifier,
            } = new;
            let identifier = compute_task_output_identifier;
            let command =
                RegisterPerformance::new(&compute_task_key, identifier, performance_value, self.policy)?;
            Ok(message(self.execute(&caller, command).await?.as_ref()))
        })
        .await
    }

    async fn query_performances(
        &self,
        request: Request<proto::QueryPerformancesParam>,
    ) -> Result<Response<proto::QueryPerformancesResponse>, Status> {
        handle(request, |caller, query| async move {
            let proto::QueryPerformancesParam { page_token, page_size, filter: narrowed } = query;
            let selection = PageSelection { token: page_token, size: page_size };
            let listing = self
                .service
                .performances(&caller.channel, &caller.organization, filter(narrowed)?, &selection)
                .await?;
            let (performances, next_page_token) = self.page(listing, message).await;
            Ok(proto::QueryPerformancesResponse { performances, next_page_token })
        })
        .await
    }
}
