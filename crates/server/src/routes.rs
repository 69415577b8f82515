//! All services of the server, and the paths of all their methods (core/ID-13, RFL-1).

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message;
use prost_types::{FileDescriptorSet, MethodDescriptorProto};
use proto::compute_plan_service_server::ComputePlanServiceServer;
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

use crate::by_hand::ByHand;
use crate::compute_task::ComputeTaskService;
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
        .add_service(ByHand::<ComputeTaskService>::new(handler, message_bytes_max))
        .add_service(application!(ModelServiceServer))
        .add_service(application!(PerformanceServiceServer))
        .add_service(application!(FailureReportServiceServer))
        .add_service(application!(ProfilingServiceServer))
        .add_service(application!(InfoServiceServer))
        .add_service(ByHand::<EventService>::new(handler, message_bytes_max))
        .add_service(small!(HealthServer::new(HealthService(stopping))))
        .add_service(small!(reflection().build_v1().map_err(Error::descriptors)?))
        .add_service(small!(reflection().build_v1alpha().map_err(Error::descriptors)?))
        .prepare())
}

/// One method that there is to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Method {
    /// The full name of its service, for example `orchestrator.InfoService`.
    pub(crate) service: String,
    /// Its own name, for example `QueryVersion`.
    pub(crate) name: String,
    /// How many messages it takes and gives.
    pub(crate) kind: MethodKind,
}

/// How many messages a method takes and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MethodKind {
    /// One and one.
    Unary,
    /// One and many.
    ServerStream,
    /// Many and many.
    BidiStream,
}

/// How many messages a method answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// One.
    Once,
    /// Any number, for as long as the client likes.
    Stream,
}

/// What methods answer with, by their paths.
pub(crate) type Methods = HashMap<String, Answers>;

impl MethodKind {
    /// How many messages a method of this kind answers with.
    pub(crate) const fn answers(self) -> Answers {
        match self {
            Self::Unary => Answers::Once,
            Self::ServerStream | Self::BidiStream => Answers::Stream,
        }
    }
}

impl Method {
    fn of(service: &str, method: &MethodDescriptorProto) -> Self {
        let kind = match (method.client_streaming(), method.server_streaming()) {
            (false, false) => MethodKind::Unary,
            (false, true) => MethodKind::ServerStream,
            (true, _) => MethodKind::BidiStream,
        };
        Self { service: service.to_owned(), name: method.name().to_owned(), kind }
    }

    /// Where it is called, for example `/orchestrator.InfoService/QueryVersion`.
    pub(crate) fn path(&self) -> String {
        format!("/{}/{}", self.service, self.name)
    }
}

/// The descriptors of all services.
///
/// # Errors
/// [`Error::Descriptors`].
pub(crate) fn descriptors() -> Result<Vec<FileDescriptorSet>, Error> {
    let decode = |encoded| FileDescriptorSet::decode(encoded).map_err(Error::descriptors);
    DESCRIPTORS.into_iter().map(decode).collect()
}

/// All methods that there are to call.
///
/// # Errors
/// [`Error::Descriptors`].
pub(crate) fn methods() -> Result<Vec<Method>, Error> {
    let mut methods = Vec::new();
    for set in descriptors()? {
        for file in &set.file {
            for service in &file.service {
                let name = format!("{}.{}", file.package(), service.name());
                methods.extend(service.method.iter().map(|method| Method::of(&name, method)));
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
        for (path, kind) in [
            ("/orchestrator.InfoService/QueryVersion", MethodKind::Unary),
            ("/orchestrator.EventService/SubscribeToEvents", MethodKind::ServerStream),
            ("/grpc.health.v1.Health/Check", MethodKind::Unary),
            ("/grpc.health.v1.Health/Watch", MethodKind::ServerStream),
            ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", MethodKind::BidiStream),
            ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", MethodKind::BidiStream),
        ] {
            assert!(methods.iter().any(|method| method.path() == path && method.kind == kind), "{path}");
        }
        let of_application = methods.iter().filter(|method| method.service.starts_with("orchestrator."));
        assert_eq!(of_application.count(), 40);
    }
}
