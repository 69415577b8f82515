//! What is kept of a call while it is under way: its line in the log, and its part in the metrics.
//!
//! A [`CallRecord`] lives as long as the call, from its headers to the last byte of its answer or until the client has left. Bodies tell it of the
//! messages that pass; nothing here looks into them.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body::{Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};
use tracing::Span;

use crate::access_log::AccessLine;
use crate::messages::MessageCounter;
use crate::metrics::{MeasuredCall, Metrics, Receipts};

/// A call under way; dropping it ends it.
pub(crate) struct CallRecord {
    access: AccessLine,
    /// Nothing for a method that there is not, or where nobody measures.
    measured: Option<MeasuredCall>,
    sent: MessageCounter,
}

impl CallRecord {
    /// Begins with a request, whose body tells of its messages from now on.
    pub(crate) fn begin(request: Request<Body>, metrics: Option<&Metrics>) -> (Self, Request<Body>) {
        let measured = metrics.and_then(|metrics| metrics.begin_call(request.uri().path()));
        let record = Self { access: AccessLine::begin(&request), measured, sent: MessageCounter::default() };
        let Some(receipts) = record.measured.as_ref().map(MeasuredCall::receipts) else {
            return (record, request);
        };
        let received = MessageCounter::default();
        (record, request.map(|body| Body::new(RequestBody { body, received, receipts })))
    }

    /// What everything that is logged during the call stands in.
    pub(crate) fn span(&self) -> Span {
        self.access.span()
    }

    /// The call has passed identity and goes to its service.
    pub(crate) fn pass(&mut self) {
        if let Some(measured) = &mut self.measured {
            measured.pass();
        }
    }

    /// Notes the status, if these headers or trailers hold one.
    pub(crate) fn note(&mut self, headers: &HeaderMap) {
        let Some(status) = headers.get(Status::GRPC_STATUS) else { return };
        let code = Code::from_bytes(status.as_bytes());
        self.access.end(code);
        if let Some(measured) = &mut self.measured {
            let message = headers.get(Status::GRPC_MESSAGE);
            measured.end(code, message.map(http::HeaderValue::as_bytes).unwrap_or_default());
        }
    }

    /// Notes what leaves.
    pub(crate) fn send(&mut self, bytes: &Bytes) {
        if let Some(measured) = &self.measured {
            measured.send(self.sent.count(bytes));
        }
    }
}

/// A request on its way to its service.
struct RequestBody {
    body: Body,
    received: MessageCounter,
    receipts: Receipts,
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(bytes) = frame.data_ref()
        {
            this.receipts.add(this.received.count(bytes));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
