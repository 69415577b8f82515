//! The way of a call through the server: logged, identified, routed, contained, and ended when the server stops.
//!
//! Owns what is the same for every method, so that no service can forget it. What a method does is the business of the services behind
//! [`Pipeline`]'s routes. Start at [`Pipeline::answer`].

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use tokio::time::timeout;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::ServiceExt;
use tracing::{Instrument, Span};

use crate::allowance::{Allowances, CountedBody, Share};
use crate::decoded_size::Forms;
use crate::identity::Identity;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::peer::{ExemptCall, OpenCall, Peer};
use crate::record::{CallRecord, CallSpans};
use crate::routes::Answers;
use crate::status;
use crate::stopping::Stopping;

/// Everything between a connection and the services.
#[derive(Clone)]
pub(crate) struct Pipeline {
    /// Establishes the caller.
    pub(crate) identity: Arc<Identity>,
    /// Bounds what one organization has under way.
    pub(crate) allowances: Arc<Allowances>,
    /// The forms of what they are called with.
    pub(crate) forms: Arc<Forms>,
    /// The services.
    pub(crate) routes: Routes,
    /// What a call may send and take time for.
    pub(crate) limits: Limits,
    /// Ends the streams.
    pub(crate) stopping: Stopping,
    /// Finds the trace of a call in its headers, if anything does.
    pub(crate) adopt_trace: Option<fn(&Span, &HeaderMap)>,
    /// Counts and measures, if anything does.
    pub(crate) metrics: Option<Arc<Metrics>>,
}

impl Pipeline {
    async fn answer(self, request: Request<Body>) -> Response<Body> {
        let (mut record, request) = CallRecord::begin(request, self.metrics.as_deref(), self.adopt_trace);
        let spans = record.spans();
        let peer = request.extensions().get::<Peer>().cloned().unwrap_or_else(Peer::plain);
        let open = peer.begin_call();
        let passed = self.pass(request, peer, &mut record).instrument(spans.log.clone());
        let passed = passed.instrument(spans.trace.clone()).await;
        let (mut response, tenure) = passed.unwrap_or_else(|status| (status.into_http(), Tenure::default()));
        correct_status(&mut response, self.limits.message_bytes_max);
        record.note(response.headers());
        let stopping = self.stopping;
        response.map(|body| {
            let encoded = None;
            let mut body =
                ResponseBody { body, encoded, record, spans, stopping, stopped: None, tenure, _open: open };
            body.encode();
            Body::new(body)
        })
    }

    /// Lets a request through to its service, if it may pass.
    async fn pass(
        &self,
        mut request: Request<Body>,
        peer: Peer,
        record: &mut CallRecord,
    ) -> Result<(Response<Body>, Tenure), Status> {
        let method = request.uri().path();
        let answers = self.identity.answers(method);
        let Some(caller) = self.identity.identify(method, request.headers(), &peer)? else {
            let exempt = peer.begin_exempt_call().ok_or_else(status::too_many_exempt_calls)?;
            return Ok((self.contain(request).await, Tenure { _exempt: Some(exempt), ..Tenure::default() }));
        };
        let share = self.allowances.begin(&caller.organization, answers)?;
        record.pass();
        let ended = || Arc::clone(&self.identity).ended(caller.clone(), peer).boxed();
        let authority_ended = (answers == Answers::Stream).then(ended);
        request.extensions_mut().insert(caller);
        let decoded = self.forms.request(request.uri().path());
        let request = request.map(|body| Body::new(CountedBody::new(body, Arc::clone(&share), decoded)));
        Ok((self.contain(request).await, Tenure { authority_ended, share: Some(share), _exempt: None }))
    }

    /// Lets a service answer, in time; its fault is the fault of this call alone (core/DEF-14).
    async fn contain(&self, request: Request<Body>) -> Response<Body> {
        let Limits { call_timeout, shutdown_timeout, .. } = self.limits;
        let answer = AssertUnwindSafe(self.routes.clone().oneshot(request)).catch_unwind();
        tokio::select! {
            biased; // a call that is answered at once asks for nothing else
            answered = timeout(call_timeout, answer) => match answered {
                Ok(Ok(Ok(response))) => response,
                Ok(Err(_panic)) => fault().into_http(),
                Err(_elapsed) => status::overdue().into_http(),
            },
            () = self.stopping.clone().overdue(shutdown_timeout) => status::stopping().into_http(),
        }
    }
}

impl tower::Service<Request<Body>> for Pipeline {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.clone().answer(request).map(Ok).boxed()
    }
}

/// The status of a call whose service panicked; where and why is what the panic itself has logged.
fn fault() -> Status {
    tracing::error!("a call was given up because of a fault in its service");
    status::internal()
}

/// The framework says OUT_OF_RANGE of a request that is too large; the contract, and clients, another status and other words (core/ID-14,
/// ERR-7). No service answers OUT_OF_RANGE by itself.
fn correct_status(response: &mut Response<Body>, message_bytes_max: usize) {
    let code = response.headers().get(Status::GRPC_STATUS).map(|status| Code::from_bytes(status.as_bytes()));
    if code == Some(Code::OutOfRange) {
        let text = format!("grpc: received message larger than max ({message_bytes_max} bytes)");
        *response = Status::resource_exhausted(text).into_http();
    }
}

/// What a call has while it lasts.
#[derive(Default)]
struct Tenure {
    /// Ends a stream; until then its caller may follow it.
    authority_ended: Option<BoxFuture<'static, ()>>,
    /// What it takes of its caller's allowance, if it has a caller.
    share: Option<Arc<Share>>,
    /// What it takes of its connection's, if it has none.
    _exempt: Option<ExemptCall>,
}

/// A response on its way: its call ends with it. It contains a fault of its stream, and ends it when the server stops or the caller may no
/// longer follow it.
struct ResponseBody {
    body: Body,
    /// What is sent next, if that is known already.
    encoded: Option<Result<Frame<Bytes>, Status>>,
    record: CallRecord,
    spans: CallSpans,
    stopping: Stopping,
    /// Made when the body waits: most never do.
    stopped: Option<BoxFuture<'static, ()>>,
    tenure: Tenure,
    _open: OpenCall,
}

type PolledFrame = Poll<Option<Result<Frame<Bytes>, Status>>>;

impl ResponseBody {
    /// Has the answer of a unary call encoded at once: as bytes it is counted, whether or not its caller takes it.
    fn encode(&mut self) {
        let is_unary = self.tenure.share.is_some() && self.tenure.authority_ended.is_none();
        if is_unary && !http_body::Body::is_end_stream(&self.body) {
            let mut nobody_waits = Context::from_waker(Waker::noop());
            let polled = http_body::Body::poll_frame(Pin::new(&mut *self), &mut nobody_waits);
            if let Poll::Ready(frame) = polled {
                self.encoded = frame;
            }
        }
    }

    /// Counts what is to be sent; or ends the response, if too much of that has not been taken.
    fn count(&mut self, frame: Frame<Bytes>) -> PolledFrame {
        let share = self.tenure.share.clone();
        let frame = match (share, frame.into_data()) {
            (Some(share), Ok(bytes)) => match share.hold(bytes) {
                Ok(bytes) => Frame::data(bytes),
                Err(status) => return self.end(&status),
            },
            (None, Ok(bytes)) => Frame::data(bytes),
            (_, Err(trailers)) => trailers,
        };
        Poll::Ready(Some(Ok(frame)))
    }

    /// Ends the response with this status, whatever there would have been to come.
    fn end(&mut self, status: &Status) -> PolledFrame {
        self.body = Body::empty();
        let mut trailers = HeaderMap::new();
        Poll::Ready(Some(status.add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
    }

    /// Whether the server has stopped; asks to be told otherwise.
    fn poll_stopped(&mut self, context: &mut Context<'_>) -> bool {
        let stopped = self.stopped.get_or_insert_with(|| self.stopping.clone().wait().boxed());
        let is_stopped = stopped.poll_unpin(context).is_ready();
        if is_stopped {
            self.stopped = None;
        }
        is_stopped
    }

    /// Asks the body for its next frame, and contains its fault.
    fn poll_body(&mut self, context: &mut Context<'_>) -> std::thread::Result<PolledFrame> {
        catch_unwind(AssertUnwindSafe(|| http_body::Body::poll_frame(Pin::new(&mut self.body), context)))
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> PolledFrame {
        let this = self.get_mut();
        if let Some(frame) = this.encoded.take() {
            return Poll::Ready(Some(frame));
        }
        let spans = this.spans.clone();
        let _entered = spans.enter();
        let authority_ended = &mut this.tenure.authority_ended;
        if authority_ended.as_mut().is_some_and(|ended| ended.poll_unpin(context).is_ready()) {
            *authority_ended = None;
            return this.end(&status::authority_ended());
        }
        let mut polled = this.poll_body(context);
        // Only a stream waits, and only what waits is ended: a unary call finishes (core/OPS-4). What the stop itself makes the stream say
        // comes before that (core/HLT-3), also if the server has stopped since the body was asked.
        let is_stopped = matches!(polled, Ok(Poll::Pending)) && this.poll_stopped(context);
        if is_stopped {
            polled = this.poll_body(context);
        }
        let polled = match polled {
            Ok(Poll::Pending) if is_stopped => this.end(&status::stopping()),
            Ok(Poll::Ready(Some(Ok(frame)))) => this.count(frame),
            Ok(polled) => polled,
            Err(_panic) => this.end(&fault()),
        };
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            frame.data_ref().into_iter().for_each(|bytes| this.record.send(bytes));
            frame.trailers_ref().into_iter().for_each(|trailers| this.record.note(trailers));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.encoded.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.encoded.is_some() { SizeHint::default() } else { self.body.size_hint() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use futures::stream;
    use http_body::Body as _;
    use tonic::codec::{BufferSettings, EncodeBody, SingleMessageCompressionOverride};
    use tonic::server::NamedService;
    use tonic_prost::ProstEncoder;

    use super::*;
    use crate::access::AccessControl;
    use crate::membership::Membership;
    use crate::stopping::{self, Stop};

    /// A service with the faults that ours must not have.
    #[derive(Clone)]
    struct Faulty;

    impl NamedService for Faulty {
        const NAME: &'static str = "test.Faulty";
    }

    impl tower::Service<Request<Body>> for Faulty {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

        fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Body>) -> Self::Future {
            Box::pin(async move {
                assert!(request.uri().path() != "/test.Faulty/Panics", "a call panics on purpose");
                let panics = request.uri().path() == "/test.Faulty/PanicsLater";
                let speaks = request.uri().path() == "/test.Faulty/SpeaksLate";
                let mut polled = 0;
                let then = stream::poll_fn(move |_context| {
                    polled += 1; // what is before is sent once this waits
                    assert!(!(panics && polled == 2), "a stream panics on purpose");
                    if speaks && polled == 3 { Poll::Ready(Some(Ok(()))) } else { Poll::Pending }
                });
                let messages = stream::StreamExt::chain(stream::iter([Ok(())]), then);
                let encoder = ProstEncoder::<()>::new(BufferSettings::default());
                let uncompressed = SingleMessageCompressionOverride::default();
                let body = EncodeBody::new_server(encoder, messages, None, uncompressed, None);
                Ok(Response::new(Body::new(body)))
            })
        }
    }

    fn pipeline() -> (Pipeline, Stop) {
        let (stop, stopping) = stopping::stop();
        let methods = ["Panics", "PanicsLater", "SpeaksLate", "Waits"];
        let methods = methods.map(|method| (format!("/test.Faulty/{method}"), Answers::Stream));
        let north = BTreeMap::from([("north".to_owned(), BTreeSet::from(["OrgA".to_owned()]))]);
        let identity = Identity {
            methods: methods.into(),
            access: AccessControl::new(Membership::new(north).into()).follow(),
            verify_organizations: false,
            limits: Limits::default(),
        };
        let routes = Routes::new(Faulty);
        let (identity, limits) = (Arc::new(identity), Limits::default());
        let allowances = Allowances::new(limits);
        (
            Pipeline {
                identity,
                allowances,
                forms: Arc::default(),
                routes,
                limits,
                stopping,
                adopt_trace: None,
                metrics: None,
            },
            stop,
        )
    }

    async fn call(pipeline: &Pipeline, method: &str) -> Response<Body> {
        let request = Request::get(format!("http://server/test.Faulty/{method}"));
        let request = request.header("mspid", "OrgA").header("channel", "north").body(Body::empty()).unwrap();
        pipeline.clone().oneshot(request).await.unwrap()
    }

    async fn frame(body: &mut Body) -> Frame<Bytes> {
        std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await.unwrap().unwrap()
    }

    fn status(headers: &HeaderMap) -> (Code, String) {
        let status = Status::from_header_map(headers).unwrap();
        (status.code(), status.message().to_owned())
    }

    #[tokio::test]
    async fn a_call_that_panics_is_an_internal_error_and_the_next_one_is_answered() {
        // core/DEF-14
        let (pipeline, _stop) = pipeline();
        let response = call(&pipeline, "Panics").await;
        assert_eq!(status(response.headers()), (Code::Internal, "OE0007: internal error".to_owned()));
        assert!(call(&pipeline, "Waits").await.headers().get(Status::GRPC_STATUS).is_none());
    }

    #[tokio::test]
    async fn a_stream_that_panics_ends_as_an_internal_error() {
        let (pipeline, _stop) = pipeline();
        let mut body = call(&pipeline, "PanicsLater").await.into_body();
        assert!(frame(&mut body).await.is_data());
        let trailers = frame(&mut body).await.into_trailers().unwrap();
        assert_eq!(status(&trailers).0, Code::Internal);
        assert!(body.is_end_stream());
    }

    #[tokio::test]
    async fn a_stream_that_waits_is_ended_when_the_server_stops() {
        // core/SUB-11
        let (pipeline, stop) = pipeline();
        let mut body = call(&pipeline, "Waits").await.into_body();
        assert!(frame(&mut body).await.is_data());
        assert!(frame(&mut body).now_or_never().is_none());
        stop.now();
        let trailers = frame(&mut body).await.into_trailers().unwrap();
        assert_eq!(status(&trailers).0, Code::Unavailable);
    }

    #[tokio::test]
    async fn what_a_stream_says_because_the_server_stops_comes_before_its_end() {
        // core/HLT-3
        let (pipeline, stop) = pipeline();
        let mut body = call(&pipeline, "SpeaksLate").await.into_body();
        assert!(frame(&mut body).await.is_data());
        stop.now();
        assert!(frame(&mut body).await.is_data(), "it had not been asked since the server stopped");
        let trailers = frame(&mut body).await.into_trailers().unwrap();
        assert_eq!(status(&trailers).0, Code::Unavailable);
    }
}
