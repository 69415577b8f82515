//! A server in this process on a database that others may share, the members that call it, and what they ask for.
//!
//! Channels are `north` of OrgA and OrgB, and `south` of OrgB and OrgC; nobody is registered. Start at [`Replica::start`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use postgres::testing::{Cluster, TestDatabase};
use postgres::{Postgres, PostgresOptions};
use proto::event_service_client::EventServiceClient;
use serde_json::{Value, json};
use server::{Membership, Server, ServerOptions};
use service::{Options, Service};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::Streaming;
use tonic::transport::Endpoint;

use crate::wire::{self, Answer, Headers, Subscription, Wire};

/// Many times longer than anything here takes; only a failing test waits that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Replica {
    address: SocketAddr,
    /// Dropping it stops the server.
    _stop: oneshot::Sender<()>,
}

/// An organization that calls a replica in one channel.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) wire: Wire,
    pub(crate) headers: Headers,
}

/// A database with a schema.
pub(crate) async fn migrated() -> TestDatabase {
    let database = Cluster::shared().await.fresh_database().await;
    migrate(&database).await;
    database
}

pub(crate) async fn migrate(database: &TestDatabase) {
    let store = Postgres::connect(database.url(), PostgresOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
}

/// A connection past the servers.
pub(crate) async fn sql(database: &TestDatabase) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Asks again and again until the answer is yes.
pub(crate) async fn eventually(question: impl AsyncFn() -> bool) {
    let asking = async {
        while !question().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap();
}

impl Replica {
    /// A server on the database with this URL.
    pub(crate) async fn start(url: &str) -> Self {
        Self::start_with(url, |_| {}).await
    }

    /// The same with settings changed by `adjust`.
    pub(crate) async fn start_with(url: &str, adjust: impl FnOnce(&mut Options)) -> Self {
        let store = Postgres::connect(url, PostgresOptions::default()).await.unwrap();
        let mut options = Options::new(Arc::new(server::encode_event));
        adjust(&mut options);
        let members = |ids: [&str; 2]| BTreeSet::from(ids.map(str::to_owned));
        let membership = Membership::new(BTreeMap::from([
            ("north".to_owned(), members(["OrgA", "OrgB"])),
            ("south".to_owned(), members(["OrgB", "OrgC"])),
        ]));
        let server = Server::new(Service::new(Arc::new(store), options), ServerOptions::new(membership));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server.serve(listener, async {
            let _dropped = stopped.await;
        }));
        Self { address, _stop: stop }
    }

    /// An organization in a channel, on a connection of its own.
    pub(crate) fn member(&self, organization: &str, channel: &str) -> Member {
        Member { wire: Wire::to(&self.address.to_string()), headers: wire::by(organization, channel) }
    }

    /// The same, registered.
    pub(crate) async fn registered(&self, organization: &str, channel: &str) -> Member {
        let member = self.member(organization, channel);
        member.ok("OrganizationService/RegisterOrganization", json!({})).await;
        member
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::try_from(format!("http://{}", self.address)).unwrap()
    }

    /// Events of north as messages, on a connection of its own.
    pub(crate) async fn follow_north(&self, start_event_id: &str) -> Streaming<proto::Event> {
        let mut client = EventServiceClient::new(self.endpoint().connect_lazy());
        let start_event_id = start_event_id.to_owned();
        let mut request = tonic::Request::new(proto::SubscribeToEventsParam { start_event_id });
        request.metadata_mut().insert("mspid", "OrgA".parse().unwrap());
        request.metadata_mut().insert("channel", "north".parse().unwrap());
        client.subscribe_to_events(request).await.unwrap().into_inner()
    }
}

impl Member {
    pub(crate) async fn call(&self, rpc: &str, request: Value) -> Answer {
        self.wire.call(rpc, &request, &self.headers).await.unwrap()
    }

    /// A call that must succeed.
    pub(crate) async fn ok(&self, rpc: &str, request: Value) -> Value {
        self.call(rpc, request).await.unwrap()
    }

    pub(crate) async fn subscribe(&self, start_event_id: &str) -> Subscription {
        let request = json!({ "start_event_id": start_event_id });
        self.wire.subscribe(&request, &self.headers).await.unwrap().unwrap()
    }

    /// All events of the channel, oldest first.
    pub(crate) async fn events(&self) -> Vec<Value> {
        let (mut events, mut page_token) = (Vec::new(), Value::from(""));
        loop {
            let request = json!({ "page_size": 10_000, "page_token": page_token });
            let mut page = self.ok("EventService/QueryEvents", request).await;
            events.append(page["events"].as_array_mut().unwrap());
            page_token = page["next_page_token"].take();
            if page_token == "" {
                return events;
            }
        }
    }
}

/// Reads so many events.
pub(crate) async fn read(stream: &mut Streaming<proto::Event>, count: usize) -> Vec<proto::Event> {
    let mut events = Vec::with_capacity(count);
    while events.len() < count {
        let next = tokio::time::timeout(PATIENCE, stream.message()).await.unwrap();
        events.push(next.unwrap().unwrap());
    }
    events
}

pub(crate) fn key(number: u32) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

fn file(name: &str) -> Value {
    let storage_address = format!("https://store.org-a.example/{}", uuid::Uuid::new_v4());
    json!({ "checksum": "0a".repeat(32), "storage_address": format!("{storage_address}/{name}") })
}

pub(crate) const PLAN: &str = "ComputePlanService/RegisterPlan";

pub(crate) fn plan(number: u32) -> Value {
    json!({ "key": key(number), "name": "plan" })
}

pub(crate) const MANAGER: &str = "DataManagerService/RegisterDataManager";

pub(crate) fn manager(number: u32) -> Value {
    json!({
        "key": key(number), "name": "manager", "description": file("description"), "opener": file("opener"),
        "new_permissions": { "public": true }, "logs_permission": { "public": true },
    })
}

pub(crate) const SAMPLES: &str = "DataSampleService/RegisterDataSamples";

pub(crate) fn samples(numbers: Range<u32>) -> Value {
    let sample = |number| json!({ "key": key(number), "checksum": "0a".repeat(32) });
    json!({ "samples": numbers.map(sample).collect::<Vec<_>>() })
}

pub(crate) const FUNCTION: &str = "FunctionService/RegisterFunction";

/// A function that takes any number of models, `grist`, and gives one, `flour`.
pub(crate) fn function(number: u32) -> Value {
    json!({
        "key": key(number), "name": "mill", "description": file("description"), "archive": file("archive"),
        "new_permissions": { "public": true },
        "inputs": { "grist": { "kind": "ASSET_MODEL", "multiple": true, "optional": true } },
        "outputs": { "flour": { "kind": "ASSET_MODEL", "multiple": true } },
    })
}

pub(crate) const TASKS: &str = "ComputeTaskService/RegisterTasks";

/// A task of a function in a plan, fed by the flour of its parents.
pub(crate) fn task(number: u32, function: u32, plan: u32, parents: &[u32]) -> Value {
    let input = |parent: &u32| {
        json!({
            "identifier": "grist",
            "parent_task_output": { "parent_task_key": key(*parent), "output_identifier": "flour" },
        })
    };
    json!({
        "key": key(number), "function_key": key(function), "compute_plan_key": key(plan), "worker": "OrgA",
        "inputs": parents.iter().map(input).collect::<Vec<_>>(),
        "outputs": { "flour": { "permissions": { "public": true }, "transient": true } },
    })
}

/// A model of a task.
pub(crate) fn model(number: u32, task: u32) -> Value {
    json!({
        "key": key(number), "compute_task_key": key(task), "compute_task_output_identifier": "flour",
        "address": file("model"),
    })
}
