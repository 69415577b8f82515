//! Calls below the generated clients: any path, any headers, any bytes.

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

/// Headers, in order; a name may repeat.
pub(crate) type Headers<'a> = &'a [(&'a str, &'a [u8])];

/// The headers of OrgA in north.
pub(crate) const BY_A: Headers<'static> = &[("mspid", b"OrgA"), ("channel", b"north")];

/// Opens a call with one message; what follows is the stream of its answers.
pub(crate) async fn open(
    connection: Channel,
    path: &str,
    headers: Headers<'_>,
    message: impl Into<Bytes>,
) -> Result<Streaming<Bytes>, Status> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value).unwrap());
    }
    let request = Request::from_parts(MetadataMap::from_headers(map), Extensions::new(), message.into());
    let mut grpc = Grpc::new(connection);
    grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
    let path = PathAndQuery::try_from(path).unwrap();
    grpc.server_streaming(request, path, RawCodec).await.map(tonic::Response::into_inner)
}

/// The first answer to a call, or the status it ended with; `None` if it ended with OK and without an answer.
pub(crate) async fn call(
    connection: Channel,
    path: &str,
    headers: Headers<'_>,
    message: impl Into<Bytes>,
) -> Result<Option<Bytes>, Status> {
    open(connection, path, headers, message).await?.message().await
}

#[derive(Clone, Copy)]
struct RawCodec;

impl Codec for RawCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
