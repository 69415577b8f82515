//! A server that runs for one test: channels `north` of OrgA and OrgB, and `south` of OrgB and OrgC, nobody registered.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use embedded::Embedded;
use proto::organization_service_client::OrganizationServiceClient;
use server::{AccessControl, Membership, Metrics, Server, ServerOptions};
use service::Service;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

pub(crate) struct RunningServer {
    pub(crate) address: SocketAddr,
    /// The port for operators.
    pub(crate) http: SocketAddr,
    pub(crate) store: Arc<Embedded>,
    pub(crate) access: AccessControl,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), server::Error>>,
}

pub(crate) fn membership() -> Membership {
    let members = |ids: [&str; 2]| BTreeSet::from(ids.map(str::to_owned));
    Membership::new(BTreeMap::from([
        ("north".to_owned(), members(["OrgA", "OrgB"])),
        ("south".to_owned(), members(["OrgB", "OrgC"])),
    ]))
}

impl RunningServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts with settings changed by `adjust`.
    pub(crate) async fn start_with(adjust: impl FnOnce(&mut ServerOptions)) -> Self {
        let store = Arc::new(Embedded::in_memory().unwrap());
        let metrics = Metrics::new("test").unwrap();
        let mut options = service::Options::new(Arc::new(server::encode_event));
        options.observer = Arc::clone(&metrics) as _;
        let service = Service::new(metrics.measure(Arc::clone(&store) as _), options);
        let mut options = ServerOptions::new(membership());
        options.metrics = Some(Arc::clone(&metrics));
        adjust(&mut options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _asked_or_dropped = stopped.await;
        };
        let server = Server::new(service, options);
        let access = server.access_control();
        let admin = server::admin::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let http = admin.address().unwrap();
        tokio::spawn(admin.serve(server.state(), Some(metrics)));
        let ended = tokio::spawn(server.serve(listener, shutdown));
        Self { address, http, store, access, stop, ended }
    }

    /// A connection of its own.
    pub(crate) fn connect(&self) -> Channel {
        Endpoint::try_from(format!("http://{}", self.address)).unwrap().connect_lazy()
    }

    /// Registers an organization in a channel.
    pub(crate) async fn register(
        &self,
        organization: &str,
        channel: &str,
    ) -> Result<proto::Organization, Status> {
        let mut client = OrganizationServiceClient::new(self.connect());
        let message = proto::RegisterOrganizationParam { address: "http://backend.example".to_owned() };
        client
            .register_organization(by(organization, channel, message))
            .await
            .map(tonic::Response::into_inner)
    }

    /// Asks the server to stop; what it waits for is the caller's to end.
    pub(crate) fn stop(self) -> JoinHandle<Result<(), server::Error>> {
        self.stop.send(()).unwrap();
        self.ended
    }
}

/// A request of an organization in a channel.
pub(crate) fn by<T>(organization: &str, channel: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("mspid", organization.parse().unwrap());
    request.metadata_mut().insert("channel", channel.parse().unwrap());
    request
}

/// A request of OrgA in north.
pub(crate) fn by_a<T>(message: T) -> Request<T> {
    by("OrgA", "north", message)
}
