//! All services of the server, and the paths of all their methods (core/ID-13, RFL-1).

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message;
use prost_types::FileDescriptorSet;
use proto::compute_plan_service_server::ComputePlanServiceServer;
use proto::compute_task_service_server::ComputeTaskServiceServer;
use proto::data_manager_service_server::DataManagerServiceServer;
use proto::data_sample_service_server::DataSampleServiceServer;
use proto::dataset_service_server::DatasetServiceServer;
use proto::failure_report_service_server::FailureReportServiceServer;
use proto::function_service_server::FunctionServiceServer;
use proto::info_service_server::InfoServiceServer;
use proto::model_service_server::ModelServiceServer;
use proto::organization_service_server::OrganizationServiceServer;
use proto::performance_service_server::PerformanceServiceServer;
use proto::profiling_service_server::ProfilingServiceServer;
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;

use crate::event::EventService;
use crate::handler::Handler;
use crate::health::HealthService;
use crate::server::Error;
use crate::stopping::Stopping;

/// The largest request of health and reflection, in bytes.
const SMALL_MESSAGE_BYTES_MAX: usize = 4096;

/// What reflection tells, and what there is to call.
const DESCRIPTORS: [&[u8]; 4] = [
    proto::FILE_DESCRIPTOR_SET,
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

/// The services: those of the application, all carried out by `handler`, then health and reflection.
///
/// # Errors
/// [`Error::Descriptors`].
pub(crate) fn routes(
    handler: &Arc<Handler>,
    message_bytes_max: usize,
    stopping: Stopping,
) -> Result<Routes, Error> {
    macro_rules! application {
        ($server:ident) => {
            $server::from_arc(Arc::clone(handler)).max_decoding_message_size(message_bytes_max)
        };
    }
    // What everybody may ask, even without being a member, is short.
    macro_rules! small {
        ($server:expr) => {
            $server.max_decoding_message_size(message_bytes_max.min(SMALL_MESSAGE_BYTES_MAX))
        };
    }
    let reflection = || {
        let builder = tonic_reflection::server::Builder::configure().include_reflection_service(false);
        DESCRIPTORS
            .into_iter()
            .fold(builder, |builder, set| builder.register_encoded_file_descriptor_set(set))
    };
    Ok(Routes::default()
        .add_service(application!(OrganizationServiceServer))
        .add_service(application!(DataManagerServiceServer))
        .add_service(application!(DataSampleServiceServer))
        .add_service(application!(DatasetServiceServer))
        .add_service(application!(FunctionServiceServer))
        .add_service(application!(ComputePlanServiceServer))
        .add_service(application!(ComputeTaskServiceServer))
        .add_service(application!(ModelServiceServer))
        .add_service(application!(PerformanceServiceServer))
        .add_service(application!(FailureReportServiceServer))
        .add_service(application!(ProfilingServiceServer))
        .add_service(application!(InfoServiceServer))
        .add_service(EventService { handler: Arc::clone(handler), message_bytes_max })
        .add_service(small!(HealthServer::new(HealthService(stopping))))
        .add_service(small!(reflection().build_v1().map_err(Error::descriptors)?))
        .add_service(small!(reflection().build_v1alpha().map_err(Error::descriptors)?))
        .prepare())
}

/// How many messages a method answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// One.
    Once,
    /// Any number, for as long as the client likes.
    Stream,
}

/// All methods by their paths, for example `/orchestrator.InfoService/QueryVersion`.
pub(crate) type Methods = HashMap<String, Answers>;

/// The methods of all services.
///
/// # Errors
/// [`Error::Descriptors`].
pub(crate) fn methods() -> Result<Methods, Error> {
    let mut methods = Methods::new();
    for encoded in DESCRIPTORS {
        let set = FileDescriptorSet::decode(encoded).map_err(Error::descriptors)?;
        for file in &set.file {
            for service in &file.service {
                methods.extend(service.method.iter().map(|method| {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    let answers = if method.server_streaming() { Answers::Stream } else { Answers::Once };
                    (path, answers)
                }));
            }
        }
    }
    Ok(methods)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_methods_are_known() {
        let methods = methods().unwrap();
        for (path, answers) in [
            ("/orchestrator.InfoService/QueryVersion", Answers::Once),
            ("/orchestrator.EventService/SubscribeToEvents", Answers::Stream),
            ("/grpc.health.v1.Health/Check", Answers::Once),
            ("/grpc.health.v1.Health/Watch", Answers::Stream),
            ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Answers::Stream),
            ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Answers::Stream),
        ] {
            assert_eq!(methods.get(path), Some(&answers), "{path}");
        }
        let of_application = methods.keys().filter(|path| path.starts_with("/orchestrator.")).count();
        assert_eq!(of_application, 40);
    }
}
