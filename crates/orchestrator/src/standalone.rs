//! A server on the embedded store, in this process: what `dev` and `demo` run.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use asset::Policy;
use embedded::Embedded;
use persistence::Store;
use server::{AccessControl, Membership, Metrics, Server, ServerOptions, ServerState};
use service::Service;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A running server.
pub(crate) struct Standalone {
    /// Where it listens.
    pub address: SocketAddr,
    /// Decides who gets in.
    pub access_control: AccessControl,
    /// What operators can be told of it.
    pub state: ServerState,
    /// What it counts and measures.
    pub metrics: Arc<Metrics>,
    service: Service,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), server::Error>>,
}

impl Standalone {
    /// Starts a server in plain text on the store in `directory`, or in memory, for the members of these channels.
    ///
    /// # Errors
    /// As for [`Standalone::start_with`].
    pub(crate) async fn start(
        directory: Option<&Path>,
        membership: Membership,
        listen: SocketAddr,
    ) -> anyhow::Result<Self> {
        Self::start_with(directory, ServerOptions::new(membership), listen).await
    }

    /// Starts a server on the store in `directory`, or in memory, with these settings; policy and version are ours.
    ///
    /// Assets that would stop the consumers of known backends are refused (core/DEF-61): on a developer's machine one wants to know.
    ///
    /// # Errors
    /// The folder is in use or unusable; the address is taken.
    pub(crate) async fn start_with(
        directory: Option<&Path>,
        mut options: ServerOptions,
        listen: SocketAddr,
    ) -> anyhow::Result<Self> {
        let store: Arc<dyn Store> = match directory {
            Some(directory) => Arc::new(
                Embedded::open(directory)
                    .with_context(|| format!("cannot open the store in {}", directory.display()))?,
            ),
            None => Arc::new(Embedded::in_memory().context("cannot make a store in memory")?),
        };
        let listener =
            TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let address = listener.local_addr().context("cannot tell where the server listens")?;
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION")).context("cannot prepare the metrics")?;
        let mut service_options = service::Options::new(Arc::new(server::encode_event));
        service_options.observer = Arc::clone(&metrics) as _;
        let service = Service::new(metrics.measure(store), service_options);
        options.metrics = Some(Arc::clone(&metrics));
        options.policy = Policy { refuse_assets_that_stop_consumers: true };
        env!("CARGO_PKG_VERSION").clone_into(&mut options.version);
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::new(service.clone(), options);
        let (access_control, state) = (server.access_control(), server.state());
        let server = tokio::spawn(server.serve(listener, async {
            // A dropped handle stops the server as well.
            let _stop_or_dropped = stopped.await;
        }));
        Ok(Self { address, access_control, state, metrics, service, stop, server })
    }

    /// Waits until the server has ended by itself, which it only does for a reason.
    ///
    /// # Errors
    /// That reason.
    pub(crate) async fn ended(&mut self) -> anyhow::Result<()> {
        (&mut self.server).await.context("the server broke down")?.context("the server ended")
    }

    /// Stops the server: calls under way end, subscriptions are told to come back later, and the store is let go.
    ///
    /// # Errors
    /// The server had ended for a reason of its own.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        // It may have ended already; then there is nobody to tell.
        let _ended = self.stop.send(());
        let served = self.server.await;
        self.service.stop().await;
        served.context("the server broke down")?.context("the server ended")
    }
}
