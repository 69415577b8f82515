//! A client of the orchestrator for one organization in one channel: a connection that names both on every call, the services on it,
//! retries, and an event stream that survives interruptions.
//!
//! It knows the messages and nothing of what they mean: no rule is checked and no answer interpreted here. Start at [`Client::connect`].

mod connection;
mod events;
mod request;
mod retry;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proto::compute_plan_service_client::ComputePlanServiceClient;
use proto::compute_task_service_client::ComputeTaskServiceClient;
use proto::data_manager_service_client::DataManagerServiceClient;
use proto::data_sample_service_client::DataSampleServiceClient;
use proto::dataset_service_client::DatasetServiceClient;
use proto::event_service_client::EventServiceClient;
use proto::failure_report_service_client::FailureReportServiceClient;
use proto::function_service_client::FunctionServiceClient;
use proto::info_service_client::InfoServiceClient;
use proto::model_service_client::ModelServiceClient;
use proto::organization_service_client::OrganizationServiceClient;
use proto::performance_service_client::PerformanceServiceClient;
use proto::profiling_service_client::ProfilingServiceClient;
use tonic::Status;

pub use connection::{ClientOptions, Connection, Error, Identity};
pub use events::Events;
pub use request::UnaryRequest;
pub use retry::RetryPolicy;
pub use tls::{Pair, Tls};

/// The largest answer that is read, in bytes. Servers answer with 4 MiB at most unless they were configured otherwise (core/ID-14); a
/// page of ten thousand tasks, which the contract allows, is larger.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// One organization's connection to one channel. Cloning is cheap and shares the connection and the count of calls.
#[derive(Clone, Debug)]
pub struct Client {
    connection: Connection,
    calls: Arc<AtomicU64>,
    retry: RetryPolicy,
}

/// One method per service: the generated client of that service on the shared connection.
macro_rules! services {
    ($($name:ident: $client:ident,)*) => {
        $(
            #[doc = concat!("The calls of [`", stringify!($client), "`].")]
            #[must_use]
            pub fn $name(&self) -> $client<Connection> {
                $client::new(self.connection.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
            }
        )*
    };
}

impl Client {
    services! {
        compute_plan: ComputePlanServiceClient,
        compute_task: ComputeTaskServiceClient,
        data_manager: DataManagerServiceClient,
        data_sample: DataSampleServiceClient,
        dataset: DatasetServiceClient,
        event: EventServiceClient,
        failure_report: FailureReportServiceClient,
        function: FunctionServiceClient,
        info: InfoServiceClient,
        model: ModelServiceClient,
        organization: OrganizationServiceClient,
        performance: PerformanceServiceClient,
        profiling: ProfilingServiceClient,
    }

    /// Connects, once: an address where nobody listens fails at once. A connection that is lost later is made again by the next call.
    ///
    /// # Errors
    ///
    /// The address is none, nobody answers there in time, or the organization or the channel cannot be written in a header.
    pub async fn connect(options: ClientOptions) -> Result<Self, Error> {
        let calls = Arc::new(AtomicU64::new(0));
        Ok(Self {
            connection: connection::open(&options, Arc::clone(&calls)).await?,
            calls,
            retry: options.retry,
        })
    }

    /// Makes the call that takes this request, and makes it again while the server says that it is unavailable, within the bounds of
    /// [`ClientOptions::retry`]. The services have the same calls without retries.
    ///
    /// A call that was answered with UNAVAILABLE may have had its effect all the same, if the connection was lost on the way back: a
    /// registration that is repeated can then be refused with OE0006 because of itself. Every other status is final (compute/COM-8).
    ///
    /// # Errors
    ///
    /// The status of the last attempt, or DEADLINE_EXCEEDED if there was no answer in time.
    pub async fn call<R: UnaryRequest>(&self, request: R) -> Result<R::Answer, Status> {
        let answer = retry::retry(&self.retry, || request.clone().send(self)).await?;
        Ok(answer.into_inner())
    }

    /// All events of the channel after this one, and all of them if it is empty (core/SUB-2, core/SUB-3). Nothing is asked for before
    /// the first [`Events::next`].
    #[must_use]
    pub fn events(&self, start_event_id: impl Into<String>) -> Events {
        Events::new(self.event(), self.retry.clone(), start_event_id.into())
    }

    /// How many calls were sent so far, repeated and refused ones included, over all clones of this client.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}
