//! A client that knows messages only by their descriptors: requests and answers are JSON with the names of the protocol.
//!
//! Headers are sent as they are given, so that they may also be wrong. It reaches a server over the network and in this process alike, and
//! knows nothing of scripts, recordings or rules. Start at [`Wire::call`].

mod raw_messages;

use std::time::Duration;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::Value;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt};

use raw_messages::RawMessages;

const SUBSCRIBE: &str = "EventService/SubscribeToEvents";
/// More than any answer has.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What came back: a message, or an error.
pub(crate) type Answer = Result<Value, Refused>;

/// The status of a call that was not answered, or of a stream that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self { code: status.code(), message: status.message().to_owned() }
    }
}

impl Refused {
    /// The code at the start of the text, as `OE0101`; empty if there is none.
    pub(crate) fn oe(&self) -> &str {
        let start = self.message.split(": ").next().unwrap_or_default();
        if start.starts_with("OE") && start.len() == 6 { start } else { "" }
    }

    /// The name of the status, as `NOT_FOUND`.
    pub(crate) fn status(&self) -> String {
        let mut name = String::new();
        for letter in format!("{:?}", self.code).chars() {
            if letter.is_ascii_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_uppercase());
        }
        name
    }
}

/// Headers in the order in which they are sent.
pub(crate) type Headers = Vec<(String, String)>;

/// The headers of an organization in a channel.
pub(crate) fn by(organization: &str, channel: &str) -> Headers {
    vec![("mspid".to_owned(), organization.to_owned()), ("channel".to_owned(), channel.to_owned())]
}

/// Carries requests to a server, however far that is.
type Transport = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Status>;

#[derive(Clone)]
pub(crate) struct Wire {
    transport: Transport,
    pool: DescriptorPool,
    /// Whether fields that are not set are left out of answers.
    pub(crate) without_defaults: bool,
}

impl Wire {
    /// Connects to this address when it is first used.
    pub(crate) fn to(address: &str) -> Self {
        Self::over(Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy())
    }

    /// Calls without a connection, for example a server in this process.
    pub(crate) fn over<S>(service: S) -> Self
    where
        S: tower::Service<http::Request<Body>, Response = http::Response<Body>, Error: Into<BoxError>>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        Self {
            transport: BoxCloneSyncService::new(service.map_err(|error| Status::from_error(error.into()))),
            pool: DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET).unwrap(),
            without_defaults: false,
        }
    }

    /// Sends a unary call; the outer error is one of whoever wrote it.
    pub(crate) async fn call(&self, rpc: &str, request: &Value, headers: &Headers) -> Result<Answer, String> {
        let method = self.method(rpc)?;
        let request = with_headers(encode(&method, request)?, headers)?;
        let path = format!("/orchestrator.{rpc}").parse().unwrap();
        match self.ready().await?.unary(request, path, RawMessages).await {
            Ok(answer) => self.decode(&method, &answer.into_inner()).map(Ok),
            Err(status) => Ok(Err(status.into())),
        }
    }

    /// Subscribes to events; the outer error is one of whoever wrote the request.
    pub(crate) async fn subscribe(
        &self,
        request: &Value,
        headers: &Headers,
    ) -> Result<Result<Subscription, Refused>, String> {
        let method = self.method(SUBSCRIBE)?;
        let request = with_headers(encode(&method, request)?, headers)?;
        let path = format!("/orchestrator.{SUBSCRIBE}").parse().unwrap();
        Ok(match self.ready().await?.server_streaming(request, path, RawMessages).await {
            Ok(answer) => Ok(Subscription { stream: answer.into_inner(), wire: self.clone(), method }),
            Err(status) => Err(status.into()),
        })
    }

    async fn ready(&self) -> Result<Grpc<Transport>, String> {
        let mut grpc = Grpc::new(self.transport.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        grpc.ready().await.map_err(|error| error.to_string())?;
        Ok(grpc)
    }

    /// `Service/Method` as its descriptor.
    fn method(&self, rpc: &str) -> Result<MethodDescriptor, String> {
        let unknown = || format!("there is no method {rpc}");
        let (service, method) = rpc.split_once('/').ok_or_else(unknown)?;
        let service = self.pool.get_service_by_name(&format!("orchestrator.{service}"));
        let mut methods = service.as_ref().ok_or_else(unknown)?.methods();
        methods.find(|found| found.name() == method).ok_or_else(unknown)
    }

    fn decode(&self, method: &MethodDescriptor, bytes: &[u8]) -> Result<Value, String> {
        let message = DynamicMessage::decode(method.output(), bytes).map_err(|error| error.to_string())?;
        let options =
            SerializeOptions::new().use_proto_field_name(true).skip_default_fields(self.without_defaults);
        message
            .serialize_with_options(serde_json::value::Serializer, &options)
            .map_err(|error| error.to_string())
    }
}

fn with_headers(message: Vec<u8>, headers: &Headers) -> Result<Request<Vec<u8>>, String> {
    let mut request = Request::new(message);
    for (name, value) in headers {
        let name = tonic::metadata::AsciiMetadataKey::from_bytes(name.as_bytes())
            .map_err(|error| error.to_string())?;
        request.metadata_mut().append(name, value.parse().map_err(|_| format!("{value} is no header"))?);
    }
    Ok(request)
}

fn encode(method: &MethodDescriptor, request: &Value) -> Result<Vec<u8>, String> {
    DynamicMessage::deserialize(method.input(), request)
        .map(|message| message.encode_to_vec())
        .map_err(|error| format!("{request} is no {}: {error}", method.input().name()))
}

/// An open stream of events.
pub(crate) struct Subscription {
    stream: Streaming<Vec<u8>>,
    wire: Wire,
    method: MethodDescriptor,
}

/// What a stream brings within some time.
pub(crate) enum Next {
    Event(Value),
    Ended(Refused),
    Nothing,
}

impl Subscription {
    pub(crate) async fn next(&mut self, patience: Duration) -> Next {
        match tokio::time::timeout(patience, self.stream.message()).await {
            Ok(Ok(Some(event))) => Next::Event(self.wire.decode(&self.method, &event).unwrap()),
            Ok(Ok(None)) => Next::Ended(Status::new(Code::Ok, "").into()),
            Ok(Err(status)) => Next::Ended(status.into()),
            Err(_elapsed) => Next::Nothing,
        }
    }
}
