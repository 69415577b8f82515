//! Services whose answers are stored as they are sent, which nothing here decodes.
//!
//! Answers of generated services are messages in full, so these are written by hand: each says in [`Methods`] which function carries out which
//! method, and [`ByHand`] makes a service of it. [`EncodedPage`] is the answer of a list.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use futures::future::BoxFuture;
use prost::Message;
use service::Listing;
use service::page_token::Place;
use tonic::body::Body;
use tonic::codec::Codec;
use tonic::server::{Grpc, NamedService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::handler::{Handler, item_bytes};

/// The methods of a service.
pub(crate) trait Methods: 'static {
    /// The full name of the service.
    const NAME: &'static str;

    /// Carries out a call.
    fn carry_out(call: Call) -> impl Future<Output = http::Response<Body>> + Send;
}

/// A service with these methods.
pub(crate) struct ByHand<M> {
    handler: Arc<Handler>,
    /// The largest request that is read, in bytes.
    message_bytes_max: usize,
    methods: PhantomData<fn() -> M>,
}

impl<M> ByHand<M> {
    /// A service that reads requests of so many bytes at most.
    pub(crate) fn new(handler: &Arc<Handler>, message_bytes_max: usize) -> Self {
        Self { handler: Arc::clone(handler), message_bytes_max, methods: PhantomData }
    }
}

impl<M> Clone for ByHand<M> {
    fn clone(&self) -> Self {
        Self::new(&self.handler, self.message_bytes_max)
    }
}

impl<M: Methods> NamedService for ByHand<M> {
    const NAME: &'static str = M::NAME;
}

impl<M: Methods> tower::Service<http::Request<Body>> for ByHand<M> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let Self { handler, message_bytes_max, .. } = self.clone();
        let call = Call { service: M::NAME, handler, message_bytes_max, request };
        Box::pin(async move { Ok(M::carry_out(call).await) })
    }
}

/// A call that is not read yet.
pub(crate) struct Call {
    service: &'static str,
    handler: Arc<Handler>,
    message_bytes_max: usize,
    request: http::Request<Body>,
}

impl Call {
    /// The name of the method in its service; empty if the path is not one of this service.
    pub(crate) fn method(&self) -> &str {
        let path = self.request.uri().path().strip_prefix('/');
        let rest = path.and_then(|path| path.strip_prefix(self.service));
        rest.and_then(|rest| rest.strip_prefix('/')).unwrap_or_default()
    }

    /// The answer to a method that there is not.
    pub(crate) fn unknown() -> http::Response<Body> {
        Status::unimplemented("unknown method").into_http()
    }

    /// Lets a function that takes one message answer with one.
    pub(crate) async fn unary<Q, A, F>(
        self,
        method: impl Fn(Arc<Handler>, Request<Q>) -> F + Send,
    ) -> http::Response<Body>
    where
        Q: Message + Default + 'static,
        A: Message + 'static,
        F: Future<Output = Result<Response<A>, Status>> + Send,
    {
        let Self { handler, message_bytes_max, request, .. } = self;
        let method = service_fn(|request| method(Arc::clone(&handler), request));
        let mut grpc = Grpc::new(ProstCodec::<A, Q>::default()).max_decoding_message_size(message_bytes_max);
        grpc.unary(method, request).await
    }

    /// Lets a function that takes one message answer with many, which `codec` encodes.
    pub(crate) async fn server_streaming<C, S, F>(
        self,
        codec: C,
        method: impl Fn(Arc<Handler>, Request<C::Decode>) -> F + Send,
    ) -> http::Response<Body>
    where
        C: Codec + Send,
        S: Stream<Item = Result<C::Encode, Status>> + Send + 'static,
        F: Future<Output = Result<Response<S>, Status>> + Send,
    {
        let Self { handler, message_bytes_max, request, .. } = self;
        let method = service_fn(|request| method(Arc::clone(&handler), request));
        Grpc::new(codec).max_decoding_message_size(message_bytes_max).server_streaming(method, request).await
    }
}

/// The response of a list, with items that are encoded already: on the wire, a message in a field is its bytes.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct EncodedPage {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    items: Vec<Bytes>,
    #[prost(string, tag = "2")]
    next_page_token: String,
}

impl EncodedPage {
    /// A page whose items have these bytes (core/PAG-4, PAG-6).
    pub(crate) async fn of<T, P: Place>(
        listing: Listing<T, P>,
        response_bytes_max: usize,
        encoded: impl Fn(T) -> Bytes,
    ) -> Self {
        let bytes = |item: &Bytes| item_bytes(item.len());
        let (items, next_page_token) = listing.into_response(response_bytes_max, encoded, bytes).await;
        Self { items, next_page_token }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A page with these items.
    fn page<M: Message>(items: &[M]) -> EncodedPage {
        EncodedPage {
            items: items.iter().map(|item| item.encode_to_vec().into()).collect(),
            next_page_token: "next".into(),
        }
    }

    #[test]
    fn a_page_of_encoded_items_is_a_page_of_items() {
        let events = vec![
            proto::Event { id: "a".into(), ..Default::default() },
            proto::Event { channel: "b".into(), ..Default::default() },
        ];
        let encoded = page(&events).encode_to_vec();
        let whole = proto::QueryEventsResponse { events, next_page_token: "next".into() };
        assert_eq!(encoded, whole.encode_to_vec());

        let tasks = vec![proto::ComputeTask { key: "a".into(), rank: 1, ..Default::default() }; 2];
        let encoded = page(&tasks).encode_to_vec();
        let whole = proto::QueryTasksResponse { tasks, next_page_token: "next".into() };
        assert_eq!(encoded, whole.encode_to_vec());
    }
}
