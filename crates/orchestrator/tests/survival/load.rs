//! The load: workers that write whatever a channel can hold, through all servers, and remember what was answered.
//!
//! Every key is used once and no call is repeated, so each write has happened once or not at all. A write is remembered with all that the log
//! must tell of it. Start at [`Load::start`].

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use client::{Client, ClientOptions, RetryPolicy, UnaryRequest};
use futures::future::{BoxFuture, FutureExt, join_all};
use proto::compute_task_input::Ref;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::CHANNELS;

const ORGANIZATION: &str = "MyOrg1MSP";
const WORKERS: usize = 6;
/// A call without an answer is given up after this.
const CALL_TIME_MAX: Duration = Duration::from_secs(5);
/// After a failure; what is gone does not come back at once.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the servers may take until they serve again.
const RECOVERY_TIME_MAX: Duration = Duration::from_secs(60);
const MODEL: &str = "model";

/// Something that the log tells of a write: kind of asset, its key, what happened to it, and the status of a task after it.
pub(crate) type Mark = (i32, String, i32, i32);

/// A write and what became of it.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) channel: usize,
    pub(crate) marks: Vec<Mark>,
    /// Whether it was answered with OK; otherwise nobody knows.
    pub(crate) is_acknowledged: bool,
}

/// Everything that the workers share.
pub(crate) struct Load {
    /// The function of each channel.
    functions: [String; CHANNELS.len()],
    is_over: AtomicBool,
    is_skewed: AtomicBool,
}

/// A client that does not try again.
pub(crate) async fn client(entrance: &str, channel: usize) -> Client {
    let mut options = ClientOptions::new(entrance, ORGANIZATION, CHANNELS[channel]);
    options.connect_timeout = Duration::from_secs(1);
    options.retry = RetryPolicy { attempts_max: 1, deadline: CALL_TIME_MAX, ..RetryPolicy::default() };
    let connecting = async {
        loop {
            match Client::connect(options.clone()).await {
                Ok(client) => return client,
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    tokio::time::timeout(RECOVERY_TIME_MAX, connecting).await.expect("a server can be connected to")
}

impl Load {
    /// Registers what the writes need, while nothing is broken yet.
    pub(crate) async fn prepare(entrances: &[String]) -> Self {
        let mut functions = [const { String::new() }; CHANNELS.len()];
        for (channel, function) in functions.iter_mut().enumerate() {
            let client = client(&entrances[0], channel).await;
            client.call(proto::RegisterOrganizationParam { address: String::new() }).await.unwrap();
            *function = new_key();
            client.call(new_function(function)).await.unwrap();
            for action in [proto::FunctionAction::Building, proto::FunctionAction::Ready] {
                let function_key = function.clone();
                let act = proto::ApplyFunctionActionParam { function_key, action: action.into() };
                client.call(act).await.unwrap();
            }
        }
        Self { functions, is_over: AtomicBool::new(false), is_skewed: AtomicBool::new(false) }
    }

    /// Starts the workers; what they have written, once they have stopped.
    pub(crate) fn start(
        self: &Arc<Self>,
        entrances: &[String],
        chance: &mut fastrand::Rng,
    ) -> BoxFuture<'static, Vec<Write>> {
        let workers: Vec<_> = (0..WORKERS)
            .map(|_| {
                let (load, entrances, chance) = (Arc::clone(self), entrances.to_vec(), chance.fork());
                tokio::spawn(async move { Worker::new(load, entrances, chance).await.work().await })
            })
            .collect();
        join_all(workers)
            .map(|written| written.into_iter().flat_map(|writes| writes.expect("no worker fails")).collect())
            .boxed()
    }

    /// Sends everything to the first channel for a while.
    pub(crate) async fn skew(&self, duration: Duration) {
        self.is_skewed.store(true, Ordering::Relaxed);
        tokio::time::sleep(duration).await;
        self.is_skewed.store(false, Ordering::Relaxed);
    }

    /// Tells the workers to stop.
    pub(crate) fn stop(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Writes once more to each channel, through each server in turn until one accepts: the keys of the last plans.
    pub(crate) async fn last_words(&self, entrances: &[String]) -> Vec<String> {
        let mut keys = Vec::new();
        for channel in 0..CHANNELS.len() {
            let mut clients = Vec::new();
            for entrance in entrances {
                clients.push(client(entrance, channel).await);
            }
            let speaking = async {
                for client in clients.iter().cycle() {
                    let key = new_key();
                    if client.call(new_plan(&key)).await.is_ok() {
                        return key;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                unreachable!("there are servers")
            };
            keys.push(
                tokio::time::timeout(RECOVERY_TIME_MAX, speaking).await.expect("a server writes again"),
            );
        }
        keys
    }
}

/// One of those who write.
struct Worker {
    load: Arc<Load>,
    chance: fastrand::Rng,
    /// One for each server and channel.
    clients: HashMap<(usize, usize), Client>,
    servers: usize,
    writes: Vec<Write>,
    /// Acknowledged plans, by channel.
    plans: [Vec<String>; CHANNELS.len()],
    /// Acknowledged tasks that can be executed, each with its children, by channel.
    ready: [Vec<Family>; CHANNELS.len()],
}

/// A task and those that wait for it.
struct Family {
    parent: String,
    children: Vec<String>,
}

impl Worker {
    async fn new(load: Arc<Load>, entrances: Vec<String>, chance: fastrand::Rng) -> Self {
        let mut clients = HashMap::new();
        for (server, entrance) in entrances.iter().enumerate() {
            for channel in 0..CHANNELS.len() {
                clients.insert((server, channel), client(entrance, channel).await);
            }
        }
        let servers = entrances.len();
        Self {
            load,
            chance,
            clients,
            servers,
            writes: Vec::new(),
            plans: Default::default(),
            ready: Default::default(),
        }
    }

    async fn work(mut self) -> Vec<Write> {
        while !self.load.is_over.load(Ordering::Relaxed) {
            let is_skewed = self.load.is_skewed.load(Ordering::Relaxed);
            let channel = if is_skewed { 0 } else { self.chance.usize(..CHANNELS.len()) };
            match self.chance.u8(..10) {
                0..4 => self.register_plan(channel).await,
                4..6 => self.register_samples(channel).await,
                6..8 => self.register_tasks(channel).await,
                _ => self.execute_task(channel).await,
            }
            tokio::time::sleep(Duration::from_millis(self.chance.u64(5..30))).await;
        }
        self.writes
    }

    async fn register_plan(&mut self, channel: usize) {
        let key = new_key();
        let marks = vec![created(proto::AssetKind::AssetComputePlan, &key)];
        if self.write(channel, new_plan(&key), marks).await {
            self.is_found(channel, &key).await;
            self.plans[channel].push(key);
        }
    }

    /// What was acknowledged can be read at once through every server that answers.
    async fn is_found(&mut self, channel: usize, key: &str) {
        let server = self.chance.usize(..self.servers);
        let read = proto::GetComputePlanParam { key: key.to_owned() };
        if let Err(status) = self.clients[&(server, channel)].call(read).await {
            assert!(is_interruption(&status), "an acknowledged plan is not found: {status:?}");
        }
    }

    async fn register_samples(&mut self, channel: usize) {
        let keys = [(); 3].map(|()| new_key());
        let marks = keys.iter().map(|key| created(proto::AssetKind::AssetDataSample, key)).collect();
        let samples = keys.map(|key| proto::NewDataSample {
            checksum: checksum(&key),
            key,
            ..proto::NewDataSample::default()
        });
        self.write(channel, proto::RegisterDataSamplesParam { samples: samples.into() }, marks).await;
    }

    /// A task and three that take its model.
    async fn register_tasks(&mut self, channel: usize) {
        let Some(plan) = self.plans[channel].last().cloned() else { return };
        let function = self.load.functions[channel].clone();
        let family = Family { parent: new_key(), children: [(); 3].map(|()| new_key()).into() };
        let child = |key: &String| new_task(key, &function, &plan, Some(&family.parent));
        let mut tasks = vec![new_task(&family.parent, &function, &plan, None)];
        tasks.extend(family.children.iter().map(child));
        let status = |key: &String| {
            if *key == family.parent {
                proto::ComputeTaskStatus::StatusWaitingForExecutorSlot
            } else {
                proto::ComputeTaskStatus::StatusWaitingForParentTasks
            }
        };
        let marks = tasks.iter().map(|task| {
            let (kind, key, event, _) = created(proto::AssetKind::AssetComputeTask, &task.key);
            (kind, key, event, status(&task.key).into())
        });
        let marks = marks.collect();
        if self.write(channel, proto::RegisterTasksParam { tasks }, marks).await {
            self.ready[channel].push(family);
        }
    }

    /// The whole life of a task; it is left where a step has no certain outcome.
    async fn execute_task(&mut self, channel: usize) {
        use proto::ComputeTaskAction::{TaskActionDone, TaskActionExecuting};
        use proto::ComputeTaskStatus::{StatusDone, StatusExecuting, StatusWaitingForExecutorSlot};
        let Some(Family { parent, children }) = self.ready[channel].pop() else { return };
        let action = |action: proto::ComputeTaskAction| proto::ApplyTaskActionParam {
            compute_task_key: parent.clone(),
            action: action.into(),
            log: String::new(),
        };
        if !self.write(channel, action(TaskActionExecuting), vec![moved(&parent, StatusExecuting)]).await {
            return;
        }
        let model = new_key();
        let marks = vec![
            created(proto::AssetKind::AssetModel, &model),
            created(proto::AssetKind::AssetComputeTaskOutputAsset, &parent),
        ];
        if !self.write(channel, new_model(&model, &parent), marks).await {
            return;
        }
        let mut marks = vec![moved(&parent, StatusDone)];
        marks.extend(children.iter().map(|child| moved(child, StatusWaitingForExecutorSlot)));
        if self.write(channel, action(TaskActionDone), marks).await {
            let grown = children.into_iter().map(|parent| Family { parent, children: Vec::new() });
            self.ready[channel].extend(grown);
        }
    }

    /// Makes a call through any server and remembers it; whether it was acknowledged.
    async fn write<R: UnaryRequest>(&mut self, channel: usize, request: R, marks: Vec<Mark>) -> bool {
        let server = self.chance.usize(..self.servers);
        let outcome = self.clients[&(server, channel)].call(request).await;
        if let Err(status) = &outcome {
            assert!(is_interruption(status), "a valid write was refused: {status:?} {marks:?}");
        }
        self.writes.push(Write { channel, marks, is_acknowledged: outcome.is_ok() });
        if outcome.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
        outcome.is_ok()
    }
}

/// Whether a failure only says that something was broken. Statuses of broken connections are made up by the client.
fn is_interruption(status: &Status) -> bool {
    let is_made_up = std::error::Error::source(status).is_some();
    matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded) || is_made_up
}

fn created(kind: proto::AssetKind, key: &str) -> Mark {
    (kind.into(), key.to_owned(), proto::EventKind::EventAssetCreated.into(), 0)
}

fn moved(task: &str, status: proto::ComputeTaskStatus) -> Mark {
    let kind = proto::AssetKind::AssetComputeTask.into();
    (kind, task.to_owned(), proto::EventKind::EventAssetUpdated.into(), status.into())
}

fn new_key() -> String {
    Uuid::new_v4().to_string()
}

fn checksum(key: &str) -> String {
    key.replace('-', "").repeat(2)
}

fn address(kind: &str, key: &str) -> proto::Addressable {
    proto::Addressable { checksum: checksum(key), storage_address: format!("http://storage/{kind}/{key}") }
}

fn public() -> Option<proto::NewPermissions> {
    Some(proto::NewPermissions { public: true, authorized_ids: Vec::new() })
}

fn new_plan(key: &str) -> proto::NewComputePlan {
    proto::NewComputePlan { key: key.to_owned(), name: "plan".to_owned(), ..Default::default() }
}

fn new_function(key: &str) -> proto::NewFunction {
    let kind = proto::AssetKind::AssetModel.into();
    proto::NewFunction {
        key: key.to_owned(),
        name: "function".to_owned(),
        description: Some(address("description", key)),
        archive: Some(address("archive", key)),
        new_permissions: public(),
        inputs: [(MODEL.to_owned(), proto::FunctionInput { kind, multiple: false, optional: true })].into(),
        outputs: [(MODEL.to_owned(), proto::FunctionOutput { kind, multiple: false })].into(),
        ..Default::default()
    }
}

fn new_task(key: &str, function: &str, plan: &str, parent: Option<&str>) -> proto::NewComputeTask {
    let input = |parent: &str| {
        let parent_task_key = parent.to_owned();
        let output = proto::ParentTaskOutputRef { parent_task_key, output_identifier: MODEL.to_owned() };
        proto::ComputeTaskInput { identifier: MODEL.to_owned(), r#ref: Some(Ref::ParentTaskOutput(output)) }
    };
    let output = proto::NewComputeTaskOutput { permissions: public(), transient: false };
    proto::NewComputeTask {
        key: key.to_owned(),
        function_key: function.to_owned(),
        compute_plan_key: plan.to_owned(),
        worker: ORGANIZATION.to_owned(),
        inputs: parent.map(input).into_iter().collect(),
        outputs: [(MODEL.to_owned(), output)].into(),
        ..Default::default()
    }
}

fn new_model(key: &str, task: &str) -> proto::RegisterModelsParam {
    let model = proto::NewModel {
        key: key.to_owned(),
        compute_task_key: task.to_owned(),
        compute_task_output_identifier: MODEL.to_owned(),
        address: Some(address("model", key)),
    };
    proto::RegisterModelsParam { models: vec![model] }
}
