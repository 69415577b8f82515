//! A client that knows messages only by their descriptors, so that requests and answers are JSON as in the corpus.

use std::time::Duration;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::{Value, json};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::raw_messages::RawMessages;

/// What came back.
pub(crate) enum Answer {
    /// A message, as JSON.
    Ok(Value),
    /// The events of a stream, and how it ended if it did.
    Events(Vec<Value>, Option<Code>),
    /// An error.
    Refused { code: Code, message: String },
}

impl Answer {
    /// What later steps can refer to.
    pub(crate) fn body(&self) -> Value {
        match self {
            Self::Ok(body) => body.clone(),
            Self::Events(events, _) => json!({ "events": events }),
            Self::Refused { .. } => Value::Null,
        }
    }

    fn of(status: &Status) -> Self {
        Self::Refused { code: status.code(), message: status.message().to_owned() }
    }
}

pub(crate) struct Wire {
    channel: Channel,
    pool: DescriptorPool,
}

impl Wire {
    pub(crate) async fn connect(address: &str) -> Self {
        let channel = Channel::from_shared(address.to_owned()).unwrap().connect().await.unwrap();
        let pool = DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
        Self { channel, pool }
    }

    fn method(&self, rpc: &str) -> MethodDescriptor {
        let (service, method) = rpc.split_once('/').unwrap();
        let service = self.pool.get_service_by_name(&format!("orchestrator.{service}")).unwrap();
        service.methods().find(|found| found.name() == method).unwrap()
    }

    /// Sends a unary call.
    pub(crate) async fn call(&self, rpc: &str, request: &Value, organization: &str, channel: &str) -> Answer {
        let method = self.method(rpc);
        let mut grpc = tonic::client::Grpc::new(self.channel.clone()).max_decoding_message_size(64 << 20);
        grpc.ready().await.unwrap();
        let path = format!("/orchestrator.{rpc}").parse().unwrap();
        let answer = grpc
            .unary(with_headers(encode(&method, request), organization, channel), path, RawMessages)
            .await;
        match answer {
            Ok(answer) => Answer::Ok(decode(&method, &answer.into_inner())),
            Err(status) => Answer::of(&status),
        }
    }

    /// Reads a subscription: the expected events and whatever comes before it is quiet.
    pub(crate) async fn subscribe(
        &self,
        request: &Value,
        organization: &str,
        channel: &str,
        expected: usize,
        quiet: Duration,
    ) -> Answer {
        let method = self.method("EventService/SubscribeToEvents");
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        grpc.ready().await.unwrap();
        let path = "/orchestrator.EventService/SubscribeToEvents".parse().unwrap();
        let request = with_headers(encode(&method, request), organization, channel);
        let mut stream = match grpc.server_streaming(request, path, RawMessages).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => return Answer::of(&status),
        };
        let mut events = Vec::new();
        loop {
            let patience = if events.len() < expected { Duration::from_secs(10) } else { quiet };
            match tokio::time::timeout(patience, stream.message()).await {
                Ok(Ok(Some(event))) => events.push(decode(&method, &event)),
                Ok(Ok(None)) => return Answer::Events(events, Some(Code::Ok)),
                Ok(Err(status)) => return Answer::Events(events, Some(status.code())),
                Err(_quiet) => return Answer::Events(events, None),
            }
        }
    }
}

fn with_headers(message: Vec<u8>, organization: &str, channel: &str) -> Request<Vec<u8>> {
    let mut request = Request::new(message);
    let headers: &mut MetadataMap = request.metadata_mut();
    headers.insert("mspid", organization.parse().unwrap());
    headers.insert("channel", channel.parse().unwrap());
    request
}

fn encode(method: &MethodDescriptor, request: &Value) -> Vec<u8> {
    DynamicMessage::deserialize(method.input(), request).unwrap().encode_to_vec()
}

fn decode(method: &MethodDescriptor, bytes: &[u8]) -> Value {
    let message = DynamicMessage::decode(method.output(), bytes).unwrap();
    let options = SerializeOptions::new().use_proto_field_name(true);
    message.serialize_with_options(serde_json::value::Serializer, &options).unwrap()
}
