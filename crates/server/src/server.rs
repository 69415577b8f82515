//! The server: puts the pieces together, runs, and stops.

use std::sync::Arc;

use service::Service;
use tokio::net::TcpListener;

use crate::access::AccessControl;
use crate::allowance::Allowances;
use crate::handler::Handler;
use crate::identity::Identity;
use crate::options::ServerOptions;
use crate::pipeline::Pipeline;
use crate::stopping::{self, Stopping};
use crate::{routes, transport};

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
}

impl Server {
    /// A server that does nothing yet.
    pub fn new(service: Service, options: ServerOptions) -> Self {
        let access = AccessControl::new(options.access.clone());
        Self { service, options, access }
    }

    /// By which it is decided who gets in while the server runs.
    pub fn access_control(&self) -> AccessControl {
        self.access.clone()
    }

    /// Serves the connections of `listener` until `shutdown` is there.
    ///
    /// Then health turns NOT_SERVING, no connection is accepted any more, streams end with UNAVAILABLE and never with OK, and running unary
    /// calls finish, for [`Limits::shutdown_timeout`](crate::Limits::shutdown_timeout) at most (core/HLT-2, SUB-11, OPS-4).
    ///
    /// # Errors
    /// [`Error`] if it cannot serve at all.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        let (stop, stopping) = stopping::stop();
        let shutdown_timeout = self.options.limits.shutdown_timeout;
        let connections = transport::connections(listener, &self.options, &self.access.follow());
        let server = transport::builder(&self.options.limits);
        let pipeline = self.pipeline(stopping.clone())?;
        let signal = async move {
            shutdown.await;
            stop.now();
        };
        tokio::select! {
            served = server.serve_with_incoming_shutdown(pipeline, connections, signal) => {
                served.map_err(Error::Transport)
            }
            () = overdue(stopping, shutdown_timeout) => {
                tracing::warn!("calls are cut off that did not finish in time");
                Ok(())
            }
        }
    }

    fn pipeline(self, stopping: Stopping) -> Result<Pipeline, Error> {
        let options = self.options;
        let ServerOptions { policy, version, limits, .. } = options;
        let response_bytes_max = limits.response_bytes_max;
        let handler = Arc::new(Handler { service: self.service, policy, response_bytes_max, version });
        Ok(Pipeline {
            identity: Arc::new(Identity {
                methods: routes::methods()?,
                access: self.access.follow(),
                verify_organizations: options.access.tls.is_some_and(|tls| tls.verifies_organizations()),
                limits,
            }),
            allowances: Allowances::new(limits),
            routes: routes::routes(&handler, limits.message_bytes_max, stopping.clone())?,
            limits,
            stopping,
        })
    }
}

/// When everything should have ended.
async fn overdue(stopping: Stopping, shutdown_timeout: std::time::Duration) {
    stopping.wait().await;
    tokio::time::sleep(shutdown_timeout).await;
}
