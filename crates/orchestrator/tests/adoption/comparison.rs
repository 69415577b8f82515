//! Asks a server everything that can be asked about a channel, and compares the answers with what the predecessor would say.
//!
//! Answers and expectations are compared with all their fields, absent ones included. Start at [`everything`].

use std::sync::LazyLock;
use std::time::Duration;

use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::{Value, json};

use crate::predecessor::Answers;
use crate::wire::{Answer, Headers, Next, Wire, by};

/// How long the next event may take.
const PATIENCE: Duration = Duration::from_secs(20);

static MESSAGES: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET).unwrap());

/// A member of a channel who asks.
pub(crate) struct Member<'a> {
    pub(crate) wire: &'a Wire,
    pub(crate) channel: &'a str,
    pub(crate) organization: &'a str,
}

impl Member<'_> {
    fn headers(&self) -> Headers {
        by(self.organization, self.channel)
    }

    /// The answer to a call, or its refusal.
    pub(crate) async fn try_call(&self, rpc: &str, request: Value) -> Answer {
        self.wire.call(rpc, &request, &self.headers()).await.unwrap()
    }

    /// The answer to a call that succeeds.
    pub(crate) async fn call(&self, rpc: &str, request: Value) -> Value {
        self.try_call(rpc, request.clone())
            .await
            .unwrap_or_else(|refusal| panic!("{rpc} {request}: {refusal:?}"))
    }

    /// All items of a list, page by page.
    pub(crate) async fn all(&self, rpc: &str, mut request: Value, member: &str) -> Vec<Value> {
        let mut items = Vec::new();
        request["page_size"] = json!(7);
        loop {
            let mut answer = self.call(rpc, request.clone()).await;
            items.append(answer[member].as_array_mut().unwrap());
            request["page_token"] = answer["next_page_token"].take();
            if request["page_token"] == "" {
                return items;
            }
        }
    }

    /// The first so many events after one.
    pub(crate) async fn events_after(&self, id: &str, count: usize) -> Vec<Value> {
        let request = json!({ "start_event_id": id });
        let mut subscription = self.wire.subscribe(&request, &self.headers()).await.unwrap().unwrap();
        let mut events = Vec::new();
        while events.len() < count {
            match subscription.next(PATIENCE).await {
                Next::Event(event) => events.push(event),
                Next::Ended(refused) => panic!("the stream ended after {} events: {refused:?}", events.len()),
                Next::Nothing => panic!("only {} of {count} events came", events.len()),
            }
        }
        events
    }
}

/// A message with all its fields, from its JSON form.
pub(crate) fn whole(message: &str, value: &Value) -> Value {
    let descriptor = MESSAGES.get_message_by_name(&format!("orchestrator.{message}")).unwrap();
    let parsed = DynamicMessage::deserialize(descriptor, value);
    let parsed = parsed.unwrap_or_else(|error| panic!("{value} is no {message}: {error}"));
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);
    parsed.serialize_with_options(serde_json::value::Serializer, &options).unwrap()
}

fn wholes(message: &str, values: &[Value]) -> Vec<Value> {
    values.iter().map(|value| whole(message, value)).collect()
}

/// Assets as lists tell them: by creation date, then key.
fn by_date_and_key(message: &str, assets: &[Value]) -> Vec<Value> {
    let mut assets = wholes(message, assets);
    assets.sort_by_key(|asset| (date(asset, "creation_date"), text(asset, "key")));
    assets
}

fn date(value: &Value, member: &str) -> jiff::Timestamp {
    value[member].as_str().unwrap().parse().unwrap()
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap().to_owned()
}

fn assert_same(what: &str, found: &[Value], expected: &[Value]) {
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected, "{what}");
    }
    assert_eq!(found.len(), expected.len(), "{what}");
}

/// Compares every answer about a channel.
pub(crate) async fn everything(member: &Member<'_>, answers: &Answers) {
    assert!(!answers.events.is_empty());
    data(member, answers).await;
    functions_and_plans(member, answers).await;
    tasks(member, answers).await;
    outcomes(member, answers).await;
    events(member, answers).await;
}

async fn data(member: &Member<'_>, answers: &Answers) {
    let organizations = member.call("OrganizationService/GetAllOrganizations", json!({})).await;
    let expected = wholes("Organization", &answers.organizations);
    assert_same("organizations", organizations["organizations"].as_array().unwrap(), &expected);

    let managers = member.all("DataManagerService/QueryDataManagers", json!({}), "data_managers").await;
    assert_same("data managers", &managers, &by_date_and_key("DataManager", &answers.data_managers));
    let samples = member.all("DataSampleService/QueryDataSamples", json!({}), "data_samples").await;
    let expected = by_date_and_key("DataSample", &answers.data_samples);
    assert_same("data samples", &samples, &expected);
    for manager in &managers {
        let dataset = member.call("DatasetService/GetDataset", json!({ "key": manager["key"] })).await;
        let offered = expected
            .iter()
            .filter(|sample| sample["data_manager_keys"].as_array().unwrap().contains(&manager["key"]));
        let offered: Vec<&Value> = offered.map(|sample| &sample["key"]).collect();
        assert_eq!(dataset, json!({ "data_manager": manager, "data_sample_keys": offered }));
    }
}

async fn functions_and_plans(member: &Member<'_>, answers: &Answers) {
    let functions = member.all("FunctionService/QueryFunctions", json!({}), "Functions").await;
    assert_same("functions", &functions, &by_date_and_key("Function", &answers.functions));
    let plans = member.all("ComputePlanService/QueryPlans", json!({}), "plans").await;
    assert_same("plans", &plans, &by_date_and_key("ComputePlan", &answers.plans));
    for plan in &plans {
        let key = &plan["key"];
        assert_eq!(member.call("ComputePlanService/GetPlan", json!({ "key": key })).await, *plan);
        let filter = json!({ "filter": { "compute_plan_key": key } });
        let used = member.all("FunctionService/QueryFunctions", filter, "Functions").await;
        let in_plan = |task: &&Value| task["computePlanKey"] == *key;
        let keys: Vec<&Value> =
            answers.tasks.iter().filter(in_plan).map(|task| &task["functionKey"]).collect();
        let expected: Vec<Value> =
            functions.iter().filter(|function| keys.contains(&&function["key"])).cloned().collect();
        assert_same("functions of a plan", &used, &expected);
    }
}

async fn tasks(member: &Member<'_>, answers: &Answers) {
    let expected = by_date_and_key("ComputeTask", &answers.tasks);
    let filters = [
        json!({}),
        json!({ "worker": "OrgB" }),
        json!({ "status": "STATUS_DONE" }),
        json!({ "worker": "OrgB", "status": "STATUS_WAITING_FOR_EXECUTOR_SLOT" }),
        json!({ "compute_plan_key": expected[0]["compute_plan_key"] }),
        json!({ "function_key": expected[0]["function_key"] }),
    ];
    for filter in filters {
        let matches =
            |task: &&Value| filter.as_object().unwrap().iter().all(|(name, value)| task[name] == *value);
        let expected: Vec<Value> = expected.iter().filter(matches).cloned().collect();
        let tasks = member.all("ComputeTaskService/QueryTasks", json!({ "filter": filter }), "tasks").await;
        assert_same("tasks", &tasks, &expected);
    }
    for task in &expected {
        assert_eq!(member.call("ComputeTaskService/GetTask", json!({ "key": task["key"] })).await, *task);
        let request = json!({ "compute_task_key": task["key"] });
        let models = member.call("ModelService/GetComputeTaskOutputModels", request).await;
        let of_task = |model: &&Value| model["computeTaskKey"] == task["key"];
        let expected: Vec<Value> = answers.models.iter().filter(of_task).cloned().collect();
        assert_same("models of a task", models["models"].as_array().unwrap(), &wholes("Model", &expected));
    }
}

async fn outcomes(member: &Member<'_>, answers: &Answers) {
    for model in wholes("Model", &answers.models) {
        assert_eq!(member.call("ModelService/GetModel", json!({ "key": model["key"] })).await, model);
    }
    let performances = member.all("PerformanceService/QueryPerformances", json!({}), "Performances").await;
    let mut expected = wholes("Performance", &answers.performances);
    expected.sort_by_key(|it| (date(it, "creation_date"), std::cmp::Reverse(text(it, "compute_task_key"))));
    assert_same("performances", &performances, &expected);
    for report in wholes("FailureReport", &answers.failure_reports) {
        let request = json!({ "asset_key": report["asset_key"] });
        assert_eq!(member.call("FailureReportService/GetFailureReport", request).await, report);
    }
}

async fn events(member: &Member<'_>, answers: &Answers) {
    let expected = wholes("Event", &answers.events);
    let replayed = member.events_after("", expected.len()).await;
    assert_same("replay", &replayed, &expected);
    let middle = expected.len() / 2;
    let rest =
        member.events_after(expected[middle - 1]["id"].as_str().unwrap(), expected.len() - middle).await;
    assert_same("replay from the middle", &rest, &expected[middle..]);

    let mut by_time = expected;
    by_time.sort_by_key(|event| date(event, "timestamp"));
    let filters = [
        json!({}),
        json!({ "asset_kind": "ASSET_MODEL" }),
        json!({ "event_kind": "EVENT_ASSET_UPDATED" }),
        json!({ "asset_key": by_time[middle]["asset_key"] }),
        json!({ "metadata": { "reason": "User action" } }),
    ];
    for filter in filters {
        let matches =
            |event: &&Value| filter.as_object().unwrap().iter().all(|(name, value)| event[name] == *value);
        let mut expected: Vec<Value> = by_time.iter().filter(matches).cloned().collect();
        for sort in ["ASCENDING", "DESCENDING"] {
            let request = json!({ "filter": filter, "sort": sort });
            let found = member.all("EventService/QueryEvents", request, "events").await;
            assert_same("events", &found, &expected);
            expected.reverse();
        }
    }
    let (start, end) = (&by_time[3]["timestamp"], &by_time[middle]["timestamp"]);
    let between = |event: &&Value| {
        (date(&by_time[3], "timestamp")..=date(&by_time[middle], "timestamp"))
            .contains(&date(event, "timestamp"))
    };
    let request = json!({ "filter": { "start": start, "end": end } });
    let found = member.all("EventService/QueryEvents", request, "events").await;
    assert_same("events between", &found, &by_time.iter().filter(between).cloned().collect::<Vec<_>>());
}
