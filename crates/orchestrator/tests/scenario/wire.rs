//! A client that knows messages only by their descriptors: requests and answers are JSON with the names of the protocol.
//!
//! Headers are sent as they are given, so that they may also be wrong. It knows nothing of scripts. Start at [`Wire::call`].

use std::time::Duration;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::Value;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::raw_messages::RawMessages;

/// How long an event that must come may take.
const PATIENCE: Duration = Duration::from_secs(20);
const SUBSCRIBE: &str = "EventService/SubscribeToEvents";

/// What came back: a message, or an error.
pub(crate) type Answer = Result<Value, Refused>;

#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self { code: status.code(), message: status.message().to_owned() }
    }
}

/// Headers in the order in which they are sent.
pub(crate) type Headers = Vec<(String, String)>;

#[derive(Clone)]
pub(crate) struct Wire {
    channel: Channel,
    pool: DescriptorPool,
}

impl Wire {
    /// Connects when it is first used.
    pub(crate) fn to(address: &str) -> Self {
        Self {
            channel: Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy(),
            pool: DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET).unwrap(),
        }
    }

    /// `Service/Method` as its descriptor.
    fn method(&self, rpc: &str) -> Result<MethodDescriptor, String> {
        let unknown = || format!("there is no method {rpc}");
        let (service, method) = rpc.split_once('/').ok_or_else(unknown)?;
        let service = self.pool.get_service_by_name(&format!("orchestrator.{service}"));
        let mut methods = service.as_ref().ok_or_else(unknown)?.methods();
        methods.find(|found| found.name() == method).ok_or_else(unknown)
    }

    /// Sends a unary call; the outer error is one of the script.
    pub(crate) async fn call(&self, rpc: &str, request: &Value, headers: &Headers) -> Result<Answer, String> {
        let method = self.method(rpc)?;
        let request = with_headers(encode(&method, request)?, headers)?;
        let mut grpc = tonic::client::Grpc::new(self.channel.clone()).max_decoding_message_size(64 << 20);
        grpc.ready().await.map_err(|error| error.to_string())?;
        let path = format!("/orchestrator.{rpc}").parse().unwrap();
        match grpc.unary(request, path, RawMessages).await {
            Ok(answer) => decode(&method, &answer.into_inner()).map(Ok),
            Err(status) => Ok(Err(status.into())),
        }
    }

    /// Reads a subscription until `enough` is satisfied with what came.
    pub(crate) async fn subscribe(
        &self,
        request: &Value,
        headers: &Headers,
        enough: impl Fn(&[Value]) -> bool,
    ) -> Result<Result<Vec<Value>, Refused>, String> {
        let method = self.method(SUBSCRIBE)?;
        let request = with_headers(encode(&method, request)?, headers)?;
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        grpc.ready().await.map_err(|error| error.to_string())?;
        let path = format!("/orchestrator.{SUBSCRIBE}").parse().unwrap();
        let mut stream = match grpc.server_streaming(request, path, RawMessages).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return Ok(Err(status.into())),
        };
        let mut events = Vec::new();
        while !enough(&events) {
            let next = tokio::time::timeout(PATIENCE, stream.message()).await;
            match next.map_err(|_| format!("after {} events nothing came", events.len()))? {
                Ok(Some(event)) => events.push(decode(&method, &event)?),
                Ok(None) => return Err("a subscription ended with OK".to_owned()),
                Err(status) => return Ok(Err(status.into())),
            }
        }
        Ok(Ok(events))
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

/// The message with all its fields.
fn decode(method: &MethodDescriptor, bytes: &[u8]) -> Result<Value, String> {
    let message = DynamicMessage::decode(method.output(), bytes).map_err(|error| error.to_string())?;
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);
    message.serialize_with_options(serde_json::value::Serializer, &options).map_err(|error| error.to_string())
}
