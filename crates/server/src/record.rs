//! What is kept of a call while it is under way: its line in the log, and its part in the metrics.
//!
//! A [`CallRecord`] lives as long as the call, from its headers to the last byte of its answer or until the client has left. Bodies tell it of the
//! messages that pass; nothing here looks into them.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request};
use http_body::{Frame, SizeHint};
use service::SPANS;
use tonic::body::Body;
use tonic::{Code, Status};
use tracing::Span;
use tracing::field::Empty;
use tracing::span::Entered;

use crate::access_log::AccessLine;
use crate::messages::MessageCounter;
use crate::metrics::{MeasuredCall, Metrics, Receipts};
use crate::status;

/// A call under way; dropping it ends it.
pub(crate) struct CallRecord {
    access: AccessLine,
    /// Nothing for a method that there is not, or where nobody measures.
    measured: Option<MeasuredCall>,
    sent: MessageCounter,
    spans: CallSpans,
}

/// What a call is worked on in: everything that is logged meanwhile says of which call, and everything that is done is a part of its trace.
#[derive(Clone)]
pub(crate) struct CallSpans {
    /// For the log.
    pub(crate) log: Span,
    /// For the trace, if there is one.
    pub(crate) trace: Span,
}

impl CallSpans {
    /// Until what this returns is dropped, one works on the call.
    pub(crate) fn enter(&self) -> (Entered<'_>, Entered<'_>) {
        let trace = self.trace.enter();
        (self.log.enter(), trace)
    }

    /// Nobody waits for the error of a refused call to be mended: only what the server could not do is marked as an error.
    fn end(&self, code: Code, text: &[u8]) {
        self.trace.record("rpc.grpc.status_code", i32::from(code));
        if code == Code::Unavailable || status::is_fault(text) {
            self.trace.record("otel.status_code", "ERROR");
        }
    }
}

/// The span of a call in its trace.
fn trace_span<B>(request: &Request<B>, adopt: Option<fn(&Span, &HeaderMap)>) -> Span {
    let span = tracing::info_span!(
        target: SPANS,
        "call",
        otel.name = request.uri().path().trim_start_matches('/'),
        otel.kind = "server",
        rpc.system = "grpc",
        rpc.grpc.status_code = Empty,
        otel.status_code = Empty,
    );
    if let Some(adopt) = adopt.filter(|_| !span.is_disabled()) {
        adopt(&span, request.headers());
    }
    span
}

impl CallRecord {
    /// Begins with a request, whose body tells of its messages from now on.
    pub(crate) fn begin(
        request: Request<Body>,
        metrics: Option<&Metrics>,
        adopt_trace: Option<fn(&Span, &HeaderMap)>,
    ) -> (Self, Request<Body>) {
        let measured = metrics.and_then(|metrics| metrics.begin_call(request.uri().path()));
        let access = AccessLine::begin(&request);
        let spans = CallSpans { log: access.span(), trace: trace_span(&request, adopt_trace) };
        let record = Self { access, measured, sent: MessageCounter::default(), spans };
        let Some(receipts) = record.measured.as_ref().map(MeasuredCall::receipts) else {
            return (record, request);
        };
        let received = MessageCounter::default();
        (record, request.map(|body| Body::new(RequestBody { body, received, receipts })))
    }

    /// What to work on the call in.
    pub(crate) fn spans(&self) -> CallSpans {
        self.spans.clone()
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
        let text = headers.get(Status::GRPC_MESSAGE).map(HeaderValue::as_bytes).unwrap_or_default();
        self.access.end(code, text);
        self.spans.end(code, text);
        if let Some(measured) = &mut self.measured {
            measured.end(code, text);
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
