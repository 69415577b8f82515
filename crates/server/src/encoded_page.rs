//! Pages of what is stored as it is sent: nothing here decodes it.
//!
//! Answers of generated services are messages in full, so services with such pages are written by hand. They call [`unary`] for each of
//! their methods; [`EncodedPage`] is the answer of a list.

use bytes::Bytes;
use prost::Message;
use service::Listing;
use service::page_token::Place;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::handler::item_bytes;

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

/// Carries out a call of a method that takes one message and answers with one.
pub(crate) async fn unary<Q, A, F>(
    request: http::Request<Body>,
    message_bytes_max: usize,
    method: impl FnMut(Request<Q>) -> F + Send,
) -> http::Response<Body>
where
    Q: Message + Default + 'static,
    A: Message + 'static,
    F: Future<Output = Result<Response<A>, Status>> + Send,
{
    let codec = ProstCodec::<A, Q>::default();
    Grpc::new(codec).max_decoding_message_size(message_bytes_max).unary(service_fn(method), request).await
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
