//! How many statements a call takes: as many for many assets as for one.

use serde_json::{Value, json};

use crate::proxy::Proxy;
use crate::replica::{
    FUNCTION, MANAGER, Member, PLAN, Replica, SAMPLES, TASKS, function, key, manager, migrated, model, plan,
    samples, task,
};

/// Keys with one meaning each, apart from each other by more than any call registers.
const KIND: u32 = 1 << 16;
const ROOTS: u32 = KIND;
const PARENT: u32 = 2 * KIND;
const CHILDREN: u32 = 3 * KIND;
const WAITING: u32 = 4 * KIND;
const MODELS: u32 = 5 * KIND;
const MANAGERS: u32 = 6 * KIND;
const DATA: u32 = 7 * KIND;
const READY: u32 = 8 * KIND;
const UNBUILT: u32 = 9 * KIND;
const GROUND: u32 = 10 * KIND;

struct Counted {
    proxy: Proxy,
    member: Member,
    counts: Vec<(String, usize)>,
}

impl Counted {
    async fn call(&mut self, what: &str, rpc: &str, request: Value) {
        let before = self.proxy.executed();
        self.member.ok(rpc, request).await;
        self.counts.push((what.to_owned(), self.proxy.executed() - before));
    }

    async fn act(&mut self, what: &str, number: u32, action: &str) {
        let action = format!("TASK_ACTION_{action}");
        let request = json!({ "compute_task_key": key(number), "action": action });
        self.call(what, "ComputeTaskService/ApplyTaskAction", request).await;
    }

    async fn build(&mut self, what: &str, number: u32, action: &str) {
        let action = format!("FUNCTION_ACTION_{action}");
        let request = json!({ "function_key": key(number), "action": action });
        self.call(what, "FunctionService/ApplyFunctionAction", request).await;
    }
}

fn tasks(first: u32, count: u32, function: u32, parents: &[u32]) -> Value {
    let tasks = (first..first + count).map(|number| task(number, function, GROUND, parents));
    json!({ "tasks": tasks.collect::<Vec<_>>() })
}

/// Calls that have to do with so many assets, and how many statements each has taken.
async fn counts(count: u32) -> Vec<(String, usize)> {
    let database = migrated().await;
    let proxy = Proxy::before(&database).await;
    let replica = Replica::start(proxy.url()).await;
    let member = replica.registered("OrgA", "north").await;
    let mut counted = Counted { proxy, member, counts: Vec::new() };
    let calls = &mut counted;
    calls.call("plan", PLAN, plan(GROUND)).await;
    calls.call("function", FUNCTION, function(READY)).await;
    calls.call("function", FUNCTION, function(UNBUILT)).await;
    calls.build("building", READY, "BUILDING").await;
    calls.build("ready", READY, "READY").await;

    calls.call("roots", TASKS, tasks(ROOTS, count, READY, &[])).await;
    calls.call("a parent", TASKS, tasks(PARENT, 1, READY, &[])).await;
    calls.call("children", TASKS, tasks(CHILDREN, count, READY, &[PARENT])).await;
    calls.act("a parent begins", PARENT, "EXECUTING").await;
    let models = (MODELS..MODELS + count).map(|number| model(number, PARENT)).collect::<Vec<_>>();
    calls.call("models", "ModelService/RegisterModels", json!({ "models": models })).await;
    calls.act("a parent of many is done", PARENT, "DONE").await;
    let inputs = json!({ "compute_task_key": key(CHILDREN) });
    calls.call("inputs", "ComputeTaskService/GetTaskInputAssets", inputs).await;

    calls.call("tasks that wait for a build", TASKS, tasks(WAITING, count, UNBUILT, &[])).await;
    calls.build("many wait: building", UNBUILT, "BUILDING").await;
    calls.build("many wait: ready", UNBUILT, "READY").await;

    for number in 0..count {
        calls.call("manager", MANAGER, manager(MANAGERS + number)).await;
    }
    calls.call("samples", SAMPLES, samples(DATA..DATA + count)).await;
    let keys = (DATA..DATA + count).map(key).collect::<Vec<_>>();
    let managers = (MANAGERS..MANAGERS + count).map(key).collect::<Vec<_>>();
    let link = json!({ "keys": keys, "data_manager_keys": managers });
    calls.call("links", "DataSampleService/UpdateDataSamples", link).await;
    calls.call("dataset", "DatasetService/GetDataset", json!({ "key": key(MANAGERS) })).await;
    let mut counts = counted.counts;
    counts.dedup();
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_takes_as_many_statements_for_thirty_assets_as_for_one() {
    // compute/DEF-50, DEF-52, core/DEF-37
    let (one, thirty) = tokio::join!(counts(1), counts(30));
    assert_eq!(one, thirty);
    assert!(one.iter().all(|(what, count)| (1..=30).contains(count) || what == "plan"), "{one:?}");
}
