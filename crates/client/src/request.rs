//! Which call takes which request: every request message belongs to exactly one, so that the message is all there is to say.
//!
//! The table at the end is held to the generated clients by the compiler. It knows nothing of retries. Start at [`UnaryRequest`].

use std::future::Future;

use proto::*;
use tonic::{Response, Status};

use crate::Client;

/// The request of a call that has one answer.
pub trait UnaryRequest: Clone + Send + Sync + 'static {
    /// What is answered.
    type Answer: Send + 'static;

    /// Makes the call, once.
    ///
    /// # Errors
    ///
    /// What the server answers instead, or what became of the connection.
    fn send(self, client: &Client) -> impl Future<Output = Result<Response<Self::Answer>, Status>> + Send;
}

macro_rules! unary_requests {
    ($($service:ident.$call:ident($request:ty) -> $answer:ty;)*) => {
        $(
            impl UnaryRequest for $request {
                type Answer = $answer;

                async fn send(self, client: &Client) -> Result<Response<$answer>, Status> {
                    client.$service().$call(self).await
                }
            }
        )*
    };
}

unary_requests! {
    compute_plan.register_plan(NewComputePlan) -> ComputePlan;
    compute_plan.get_plan(GetComputePlanParam) -> ComputePlan;
    compute_plan.query_plans(QueryPlansParam) -> QueryPlansResponse;
    compute_plan.update_plan(UpdateComputePlanParam) -> UpdateComputePlanResponse;
    compute_plan.apply_plan_action(ApplyPlanActionParam) -> ApplyPlanActionResponse;
    compute_plan.is_plan_running(IsPlanRunningParam) -> IsPlanRunningResponse;

    compute_task.register_tasks(RegisterTasksParam) -> RegisterTasksResponse;
    compute_task.get_task(GetTaskParam) -> ComputeTask;
    compute_task.query_tasks(QueryTasksParam) -> QueryTasksResponse;
    compute_task.apply_task_action(ApplyTaskActionParam) -> ApplyTaskActionResponse;
    compute_task.get_task_input_assets(GetTaskInputAssetsParam) -> GetTaskInputAssetsResponse;
    compute_task.disable_output(DisableOutputParam) -> DisableOutputResponse;

    data_manager.register_data_manager(NewDataManager) -> DataManager;
    data_manager.get_data_manager(GetDataManagerParam) -> DataManager;
    data_manager.query_data_managers(QueryDataManagersParam) -> QueryDataManagersResponse;
    data_manager.update_data_manager(UpdateDataManagerParam) -> UpdateDataManagerResponse;

    data_sample.register_data_samples(RegisterDataSamplesParam) -> RegisterDataSamplesResponse;
    data_sample.update_data_samples(UpdateDataSamplesParam) -> UpdateDataSamplesResponse;
    data_sample.query_data_samples(QueryDataSamplesParam) -> QueryDataSamplesResponse;
    data_sample.get_data_sample(GetDataSampleParam) -> DataSample;

    dataset.get_dataset(GetDatasetParam) -> Dataset;

    event.query_events(QueryEventsParam) -> QueryEventsResponse;

    failure_report.register_failure_report(NewFailureReport) -> FailureReport;
    failure_report.get_failure_report(GetFailureReportParam) -> FailureReport;

    function.register_function(NewFunction) -> Function;
    function.get_function(GetFunctionParam) -> Function;
    function.query_functions(QueryFunctionsParam) -> QueryFunctionsResponse;
    function.update_function(UpdateFunctionParam) -> UpdateFunctionResponse;
    function.apply_function_action(ApplyFunctionActionParam) -> ApplyFunctionActionResponse;

    info.query_version(QueryVersionParam) -> QueryVersionResponse;

    model.register_models(RegisterModelsParam) -> RegisterModelsResponse;
    model.get_model(GetModelParam) -> Model;
    model.get_compute_task_output_models(GetComputeTaskModelsParam) -> GetComputeTaskModelsResponse;

    organization.register_organization(RegisterOrganizationParam) -> Organization;
    organization.get_all_organizations(GetAllOrganizationsParam) -> GetAllOrganizationsResponse;

    performance.register_performance(NewPerformance) -> Performance;
    performance.query_performances(QueryPerformancesParam) -> QueryPerformancesResponse;

    profiling.register_profiling_step(ProfilingStep) -> ();
}
