//! The server: puts the pieces together, runs, and stops.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use service::Service;
use tokio::net::TcpListener;
use tonic::body::Body;

use crate::access::AccessControl;
use crate::allowance::Allowances;
use crate::decoded_size::Forms;
use crate::handler::Handler;
use crate::identity::Identity;
use crate::options::ServerOptions;
use crate::pipeline::Pipeline;
use crate::readiness::ServerState;
use crate::stopping::{self, Stop, Stopping};
use crate::{routes, transport};

/// How long the last answers of a server that stops have to leave it.
const FAREWELL: Duration = Duration::from_secs(1);

/// The server could not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The descriptors of the services that were built in cannot be read.
    #[error("cannot read the descriptors of the services")]
    Descriptors(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Serving connections failed.
    #[error("cannot serve connections")]
    Transport(#[source] tonic::transport::Error),
}

impl Error {
    pub(crate) fn descriptors(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Descriptors(Box::new(error))
    }
}

/// A gRPC server in front of a service.
pub struct Server {
    service: Service,
    options: ServerOptions,
    access: AccessControl,
    stop: Stop,
    stopping: Stopping,
}

impl Server {
    /// A server that does nothing yet.
    pub fn new(service: Service, options: ServerOptions) -> Self {
        let access = AccessControl::new(options.access.clone());
        let (stop, stopping) = stopping::stop();
        Self { service, options, access, stop, stopping }
    }

    /// By which it is decided who gets in while the server runs.
    pub fn access_control(&self) -> AccessControl {
        self.access.clone()
    }

    /// What operators can be told of it while it runs, and after it was told to stop.
    pub fn state(&self) -> ServerState {
        let (service, stopping, access) = (self.service.clone(), self.stopping.clone(), self.access.clone());
        ServerState { service, stopping, access }
    }

    /// Serves the connections of `listener` until `shutdown` is there.
    ///
    /// Then health turns NOT_SERVING, no connection is accepted any more, streams end with UNAVAILABLE and never with OK, and running unary
    /// calls finish, for [`Limits::shutdown_timeout`](crate::Limits::shutdown_timeout) at most: after that they end with UNAVAILABLE as well, and
    /// connections a second later (core/HLT-2, SUB-11, OPS-4).
    ///
    /// # Errors
    /// [`Error`] if it cannot serve at all.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        let Self { service, options, access, stop, stopping } = self;
        let shutdown_timeout = options.limits.shutdown_timeout;
        let connections = transport::connections(listener, &options, &access.follow());
        let server = transport::builder(&options.limits);
        let pipeline = pipeline(service, options, &access, stopping.clone())?;
        let signal = async move {
            shutdown.await;
            stop.now();
        };
        tokio::select! {
            served = server.serve_with_incoming_shutdown(pipeline, connections, signal) => {
                served.map_err(Error::Transport)
            }
            () = stopping.overdue(shutdown_timeout + FAREWELL) => {
                tracing::warn!("connections are cut off whose peers did not take what was left to say");
                Ok(())
            }
        }
    }

    /// Answers calls that are made in this process, without a connection: with nobody's certificate, until the last clone is gone.
    ///
    /// # Errors
    /// [`Error`] if it cannot serve at all.
    pub fn in_process(self) -> Result<InProcess, Error> {
        let Self { service, options, access, stop, stopping } = self;
        let pipeline = pipeline(service, options, &access, stopping)?;
        Ok(InProcess { pipeline, _running: Arc::new((stop, access)) })
    }
}

/// A server without connections, as a service that takes the HTTP requests of gRPC clients.
#[derive(Clone)]
pub struct InProcess {
    pipeline: Pipeline,
    /// Its streams go on as long as these are there.
    _running: Arc<(Stop, AccessControl)>,
}

impl tower::Service<Request<Body>> for InProcess {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.pipeline.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.pipeline.call(request)
    }
}

fn pipeline(
    service: Service,
    options: ServerOptions,
    access: &AccessControl,
    stopping: Stopping,
) -> Result<Pipeline, Error> {
    let ServerOptions { policy, version, limits, adopt_trace, metrics, .. } = options;
    let response_bytes_max = limits.response_bytes_max;
    let handler = Handler { service, policy, response_bytes_max, version, metrics: metrics.clone() };
    let methods = routes::methods()?.into_iter().map(|method| (method.path(), method.kind.answers()));
    Ok(Pipeline {
        identity: Arc::new(Identity {
            methods: methods.collect(),
            access: access.follow(),
            verify_organizations: options.access.tls.is_some_and(|tls| tls.verifies_organizations()),
            limits,
        }),
        allowances: Allowances::new(limits),
        forms: Forms::new(&routes::descriptors()?),
        routes: routes::routes(&Arc::new(handler), limits.message_bytes_max, stopping.clone())?,
        limits,
        stopping,
        adopt_trace,
        metrics,
    })
}
