//! Plays the predecessor: fills a version-64 database with rows as it left them, and remembers what it would answer.
//!
//! Assets are in the JSON form of their messages, as in the predecessor's snapshots; rows are JSON objects with a member for each column.
//! It knows nothing of adoption. Start at [`Predecessor::history`], then `oddities.rs` for what only old databases hold.

use std::collections::BTreeMap;

use postgres::testing::{PREDECESSOR_SCHEMA, TestDatabase};
use serde_json::{Value, json};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls};

/// Stands for the JSON value null in a JSON column, which a row of JSON cannot say.
const NULL: &str = "(null)";

/// What the predecessor would answer about a channel: assets in the order of their registration, events in that of their positions.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) organizations: Vec<Value>,
    pub(crate) data_managers: Vec<Value>,
    pub(crate) data_samples: Vec<Value>,
    pub(crate) functions: Vec<Value>,
    pub(crate) plans: Vec<Value>,
    pub(crate) tasks: Vec<Value>,
    pub(crate) models: Vec<Value>,
    pub(crate) performances: Vec<Value>,
    pub(crate) failure_reports: Vec<Value>,
    pub(crate) events: Vec<Value>,
}

pub(crate) struct Predecessor {
    pub(crate) client: Client,
    pub(crate) channels: BTreeMap<String, Answers>,
    keys: u64,
    position: i64,
    /// The clock of the current call, in microseconds.
    micros: i64,
}

impl Predecessor {
    /// An empty database at version 64.
    pub(crate) async fn on(database: &TestDatabase) -> Self {
        let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        // By default a schema of the user's own name would come first, and that may be ours.
        client.batch_execute("SET search_path = public").await.unwrap();
        client.batch_execute(PREDECESSOR_SCHEMA).await.unwrap();
        Self { client, channels: BTreeMap::new(), keys: 0, position: 0, micros: 1_650_000_000_000_000 }
    }

    pub(crate) fn answers(&mut self, channel: &str) -> &mut Answers {
        self.channels.entry(channel.to_owned()).or_default()
    }

    /// A key; keys are not in the order in which they are made.
    pub(crate) fn key(&mut self) -> String {
        self.keys += 1;
        let scattered = self.keys.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let (high, low) = (scattered >> 32, scattered & 0xFFFF_FFFF);
        format!("{high:08x}-{:04x}-4000-8000-{low:08x}{:04x}", self.keys % 7, self.keys % 0xFFFF)
    }

    /// The next call begins: at a whole second, a whole millisecond or between.
    pub(crate) fn tick(&mut self) -> String {
        const STEPS: [i64; 3] = [1_000_000, 1_001_000, 1_000_001];
        self.micros += STEPS[usize::try_from(self.micros % 3).unwrap()];
        self.now()
    }

    /// The time of the current call, with as many digits as it needs.
    pub(crate) fn now(&self) -> String {
        at(self.micros)
    }

    /// Adds a row. Columns that are not named are NULL.
    pub(crate) async fn row(&self, table: &str, row: Value) {
        let insert = format!("INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, $1)");
        let outcome = self.client.execute(&insert, &[&row]).await;
        outcome.unwrap_or_else(|error| panic!("{table} {row}: {:?}", error.as_db_error()));
    }

    /// Adds an event of the current call that tells `told` and keeps `stored`; nothing is told if nobody can read it.
    pub(crate) async fn event_as(
        &mut self,
        channel: &str,
        (kind, what): (&str, &str),
        asset_key: &str,
        stored: Value,
        told: Option<Value>,
        metadata: Value,
    ) {
        self.position += 1;
        // Random ids: in no relation to positions.
        let id = self.key();
        let (asset_kind, event_kind) = (format!("ASSET_{kind}"), format!("EVENT_ASSET_{what}"));
        let stored_metadata = if metadata == json!({}) { json!(NULL) } else { metadata.clone() };
        self.row(
            "events",
            json!({
                "id": id, "asset_key": asset_key, "channel": channel, "asset_kind": asset_kind, "event_kind": event_kind,
                "timestamp": self.now(), "metadata": stored_metadata, "asset": stored, "position": self.position,
            }),
        )
        .await;
        let Some(told) = told else { return };
        let event = json!({
            "id": id, "asset_key": asset_key, "channel": channel, "asset_kind": asset_kind, "event_kind": event_kind,
            "timestamp": self.now(), "metadata": metadata, (kind.to_lowercase()): told,
        });
        self.answers(channel).events.push(event);
    }

    /// Adds an event of the current call.
    pub(crate) async fn event(&mut self, channel: &str, kind: (&str, &str), asset_key: &str, asset: &Value) {
        self.event_as(channel, kind, asset_key, asset.clone(), Some(asset.clone()), json!({})).await;
    }

    /// The JSON columns that hold the JSON value null; to be called after the last row.
    pub(crate) async fn finish(&self) {
        for table in ["compute_plans", "compute_tasks", "functions", "datamanagers", "events"] {
            let update = format!("UPDATE {table} SET metadata = 'null' WHERE metadata = to_jsonb($1::text)");
            self.client.execute(&update, &[&NULL]).await.unwrap();
        }
    }

    /// A file at an address that nobody else uses.
    pub(crate) async fn file(&mut self, name: &str) -> Value {
        self.keys += 1;
        let address = format!("https://store.example/{name}/{}", self.keys);
        let checksum = format!("{:064x}", self.keys);
        self.row("addressables", json!({ "storage_address": address, "checksum": checksum })).await;
        json!({ "checksum": checksum, "storageAddress": address })
    }

    pub(crate) async fn organization(&mut self, channel: &str, id: &str, address: &str) {
        let date = self.tick();
        let row = json!({ "id": id, "channel": channel, "creation_date": date, "address": address });
        self.row("organizations", row).await;
        let asset = json!({ "id": id, "creationDate": date, "address": address });
        self.event(channel, ("ORGANIZATION", "CREATED"), id, &asset).await;
        self.answers(channel).organizations.push(asset);
    }

    pub(crate) async fn data_manager(&mut self, channel: &str, owner: &str) -> String {
        let (date, key) = (self.tick(), self.key());
        let (description, opener) = (self.file("description").await, self.file("opener").await);
        let asset = json!({
            "key": key, "name": format!("Daten \"{owner}\" ä"), "owner": owner, "creationDate": date,
            "permissions": permissions(&[owner, "OrgB", "OrgB"]), "logsPermission": { "public": true, "authorizedIds": [owner] },
            "description": description, "opener": opener, "metadata": { "site": "north" },
        });
        self.row(
            "datamanagers",
            json!({
                "key": key, "channel": channel, "name": asset["name"], "owner": owner, "permissions": asset["permissions"],
                "description": description["storageAddress"], "opener": opener["storageAddress"], "creation_date": date,
                "logs_permission": asset["logsPermission"], "metadata": asset["metadata"],
            }),
        )
        .await;
        self.event(channel, ("DATA_MANAGER", "CREATED"), &key, &asset).await;
        self.answers(channel).data_managers.push(asset);
        key
    }

    /// A sample, told with its managers in the order given; asked for, they come by key.
    pub(crate) async fn data_sample(&mut self, channel: &str, owner: &str, managers: &[&str]) -> String {
        let (date, key) = (self.tick(), self.key());
        let mut asset = json!({
            "key": key, "dataManagerKeys": managers, "owner": owner, "checksum": format!("{:064x}", self.keys), "creationDate": date,
        });
        self.row(
            "datasamples",
            json!({ "key": key, "channel": channel, "owner": owner, "checksum": asset["checksum"], "creation_date": date }),
        )
        .await;
        for manager in managers {
            self.row("datasample_datamanagers", json!({ "datasample_key": key, "datamanager_key": manager }))
                .await;
        }
        self.event(channel, ("DATA_SAMPLE", "CREATED"), &key, &asset).await;
        let mut by_key = managers.to_vec();
        by_key.sort_unstable();
        asset["dataManagerKeys"] = json!(by_key);
        self.answers(channel).data_samples.push(asset);
        key
    }

    /// A function with all kinds of inputs and outputs. Its image is there once it is ready.
    pub(crate) async fn function(&mut self, channel: &str, owner: &str, status: &str) -> String {
        let (date, key) = (self.tick(), self.key());
        let (description, archive) = (self.file("description").await, self.file("archive").await);
        let image = if status == "READY" { self.file("image").await } else { json!({}) };
        let asset = json!({
            "key": key, "name": format!("function {status}"), "owner": owner, "creationDate": date,
            "permissions": { "process": { "public": true, "authorizedIds": [owner] }, "download": { "public": true, "authorizedIds": [owner] } },
            "description": description, "archive": archive, "image": image, "status": format!("FUNCTION_STATUS_{status}"),
            "inputs": { "opener": { "kind": "ASSET_DATA_MANAGER" }, "samples": { "kind": "ASSET_DATA_SAMPLE", "multiple": true },
                "start": { "kind": "ASSET_MODEL", "multiple": true, "optional": true } },
            "outputs": { "models": { "kind": "ASSET_MODEL", "multiple": true }, "figure": { "kind": "ASSET_PERFORMANCE" } },
        });
        self.function_rows(channel, &asset).await;
        self.event(channel, ("FUNCTION", "CREATED"), &key, &asset).await;
        self.answers(channel).functions.push(asset);
        key
    }

    async fn function_rows(&self, channel: &str, asset: &Value) {
        let image = asset["image"].get("storageAddress").cloned().unwrap_or(json!(""));
        self.row(
            "functions",
            json!({
                "key": asset["key"], "channel": channel, "name": asset["name"], "owner": asset["owner"],
                "description": asset["description"]["storageAddress"], "archive_address": asset["archive"]["storageAddress"],
                "permissions": asset["permissions"], "creation_date": asset["creationDate"], "metadata": NULL,
                "status": asset["status"], "image_address": image,
            }),
        )
        .await;
        let is = |declared: &Value, what: &str| declared.get(what).cloned().unwrap_or(json!(false));
        for (identifier, input) in asset["inputs"].as_object().unwrap() {
            self.row(
                "function_inputs",
                json!({ "function_key": asset["key"], "identifier": identifier, "kind": input["kind"],
                    "multiple": is(input, "multiple"), "optional": is(input, "optional") }),
            )
            .await;
        }
        for (identifier, output) in asset["outputs"].as_object().unwrap() {
            self.row(
                "function_outputs",
                json!({ "function_key": asset["key"], "identifier": identifier, "kind": output["kind"],
                    "multiple": is(output, "multiple") }),
            )
            .await;
        }
    }

    /// A plan with these dates. If it was canceled, nobody is told that it failed too.
    pub(crate) async fn plan(&mut self, channel: &str, owner: &str, ends: &[&str]) -> String {
        let (date, key) = (self.tick(), self.key());
        let mut asset = json!({ "key": key, "owner": owner, "name": "plan", "tag": "tägig", "creationDate": date, "metadata": { "": "" } });
        self.event(channel, ("COMPUTE_PLAN", "CREATED"), &key, &asset).await;
        let mut row = json!({
            "key": key, "channel": channel, "owner": owner, "name": "plan", "tag": "tägig", "creation_date": date,
            "metadata": { "": "" },
        });
        for end in ends {
            let date = self.tick();
            row[format!("{end}_date")] = json!(date);
            if *end == "failure" && ends.contains(&"cancelation") {
                continue;
            }
            asset[if *end == "failure" { "failureDate" } else { "cancelationDate" }] = json!(date);
            if *end == "cancelation" {
                self.event(channel, ("COMPUTE_PLAN", "UPDATED"), &key, &asset).await;
            }
        }
        self.row("compute_plans", row).await;
        self.answers(channel).plans.push(asset);
        key
    }

    /// Tasks that were registered in one call, in this order.
    pub(crate) async fn tasks(&mut self, channel: &str, tasks: &[Value]) {
        let date = self.tick();
        for task in tasks {
            let mut task = task.clone();
            task["creationDate"] = json!(date);
            self.task_rows(channel, &task).await;
            let key = task["key"].as_str().unwrap().to_owned();
            self.event(channel, ("COMPUTE_TASK", "CREATED"), &key, &task).await;
            self.answers(channel).tasks.push(task);
        }
    }

    pub(crate) async fn task_rows(&self, channel: &str, task: &Value) {
        let key = &task["key"];
        self.row(
            "compute_tasks",
            json!({
                "key": key, "channel": channel, "compute_plan_key": task["computePlanKey"], "status": task["status"],
                "worker": task["worker"], "function_key": task["functionKey"], "owner": task["owner"],
                "rank": task.get("rank").cloned().unwrap_or(json!(0)), "creation_date": task["creationDate"],
                "logs_permission": task["logsPermission"], "metadata": task.get("metadata").cloned().unwrap_or(json!(NULL)),
            }),
        )
        .await;
        let mut parents: Vec<&Value> = Vec::new();
        for (position, input) in (1..).zip(task.get("inputs").and_then(Value::as_array).into_iter().flatten())
        {
            let parent = &input["parentTaskOutput"];
            self.row(
                "compute_task_inputs",
                json!({
                    "compute_task_key": key, "identifier": input["identifier"], "position": position, "asset_key": input["assetKey"],
                    "parent_task_key": parent["parentTaskKey"], "parent_task_output_identifier": parent["outputIdentifier"],
                }),
            )
            .await;
            if !parent.is_null() && !parents.contains(&&parent["parentTaskKey"]) {
                parents.push(&parent["parentTaskKey"]);
            }
        }
        for (position, parent) in (1..).zip(parents) {
            let row = json!({ "child_task_key": key, "parent_task_key": parent, "position": position });
            self.row("compute_task_parents", row).await;
        }
        for (identifier, output) in task.get("outputs").and_then(Value::as_object).into_iter().flatten() {
            self.row(
                "compute_task_outputs",
                json!({
                    "compute_task_key": key, "identifier": identifier, "permissions": output["permissions"],
                    "transient": output.get("transient").cloned().unwrap_or(json!(false)),
                }),
            )
            .await;
        }
    }

    /// A task moves on; whoever is told by a cascade is not told its inputs and outputs.
    pub(crate) async fn task_moves(&mut self, channel: &str, key: &str, status: &str, is_cascade: bool) {
        self.tick();
        let status = format!("STATUS_{status}");
        let update = "UPDATE compute_tasks SET status = $1 WHERE key::text = $2";
        self.client.execute(update, &[&status as &(dyn ToSql + Sync), &key]).await.unwrap();
        let tasks = &mut self.answers(channel).tasks;
        let task = tasks.iter_mut().find(|task| task["key"] == key).unwrap();
        task["status"] = json!(status);
        let mut snapshot = task.clone();
        if is_cascade {
            snapshot.as_object_mut().unwrap().retain(|name, _| name != "inputs" && name != "outputs");
        }
        let reason = json!({ "reason": "User action" });
        self.event_as(channel, ("COMPUTE_TASK", "UPDATED"), key, snapshot.clone(), Some(snapshot), reason)
            .await;
    }

    /// Models of one call for the output `models`, each followed by its link.
    pub(crate) async fn models(&mut self, channel: &str, task: &str, owner: &str, count: u32) -> Vec<String> {
        let date = self.tick();
        let mut keys = Vec::new();
        for position in 0..count {
            let key = self.key();
            let address = self.file("model").await;
            let asset = json!({
                "key": key, "computeTaskKey": task, "address": address, "permissions": permissions(&["OrgA", owner]), "owner": owner,
                "creationDate": date,
            });
            self.row(
                "models",
                json!({ "key": key, "channel": channel, "compute_task_key": task, "address": address["storageAddress"],
                    "permissions": asset["permissions"], "owner": owner, "creation_date": date }),
            )
            .await;
            self.event(channel, ("MODEL", "CREATED"), &key, &asset).await;
            self.output_asset(channel, task, "models", position, ("ASSET_MODEL", &key)).await;
            self.answers(channel).models.push(asset);
            keys.push(key);
        }
        keys
    }

    pub(crate) async fn output_asset(
        &mut self,
        channel: &str,
        task: &str,
        identifier: &str,
        position: u32,
        (kind, key): (&str, &str),
    ) {
        self.row(
            "compute_task_output_assets",
            json!({ "compute_task_key": task, "compute_task_output_identifier": identifier, "position": position,
                "asset_kind": kind, "asset_key": key }),
        )
        .await;
        let link = json!({ "computeTaskKey": task, "computeTaskOutputIdentifier": identifier, "assetKind": kind, "assetKey": key });
        self.event(channel, ("COMPUTE_TASK_OUTPUT_ASSET", "CREATED"), task, &link).await;
    }

    /// A model loses its address.
    pub(crate) async fn model_is_disabled(&mut self, channel: &str, key: &str) {
        self.tick();
        let disable = "WITH former AS (SELECT address FROM models WHERE key::text = $1),
            gone AS (UPDATE models SET address = NULL WHERE key::text = $1)
            SELECT address FROM former";
        let address: String = self.client.query_one(disable, &[&key]).await.unwrap().get(0);
        self.client
            .execute("DELETE FROM addressables WHERE storage_address = $1", &[&address])
            .await
            .unwrap();
        let models = &mut self.answers(channel).models;
        let model = models.iter_mut().find(|model| model["key"] == key).unwrap();
        model.as_object_mut().unwrap().remove("address");
        let model = model.clone();
        self.event(channel, ("MODEL", "DISABLED"), key, &model).await;
    }

    /// A performance as it is stored: the 32 bits widened to 64, as text.
    pub(crate) async fn performance(&mut self, channel: &str, task: &str, stored: &str, told: Value) {
        let date = self.tick();
        let asset = json!({
            "computeTaskKey": task, "performanceValue": told, "creationDate": date, "computeTaskOutputIdentifier": "figure",
        });
        self.row(
            "performances",
            json!({ "compute_task_key": task, "channel": channel, "performance_value": stored, "creation_date": date,
                "compute_task_output_identifier": "figure" }),
        )
        .await;
        let key = format!("{task}|figure");
        self.event(channel, ("PERFORMANCE", "CREATED"), &key, &asset).await;
        self.output_asset(channel, task, "figure", 0, ("ASSET_PERFORMANCE", &key)).await;
        self.answers(channel).performances.push(asset);
    }

    pub(crate) async fn failure_report(
        &mut self,
        channel: &str,
        (kind, key): (&str, &str),
        error: &str,
        owner: &str,
    ) {
        let date = self.tick();
        let mut asset = json!({
            "assetKey": key, "assetType": format!("FAILED_ASSET_{kind}"), "errorType": format!("ERROR_TYPE_{error}"), "owner": owner,
            "creationDate": date,
        });
        if error != "INTERNAL" {
            asset["logsAddress"] = self.file("logs").await;
        }
        self.row(
            "failure_reports",
            json!({ "asset_key": key, "channel": channel, "error_type": asset["errorType"], "owner": owner, "creation_date": date,
                "logs_address": asset["logsAddress"]["storageAddress"], "asset_type": asset["assetType"] }),
        )
        .await;
        self.event(channel, ("FAILURE_REPORT", "CREATED"), key, &asset).await;
        self.answers(channel).failure_reports.push(asset);
    }

    /// A channel in which everything happens that can happen.
    pub(crate) async fn history(&mut self, channel: &str) -> History {
        self.organization(channel, "OrgA", "https://a.example").await;
        self.organization(channel, "OrgB", "").await;
        let manager = self.data_manager(channel, "OrgA").await;
        let other = self.data_manager(channel, "OrgB").await;
        let sample = self.data_sample(channel, "OrgA", &[&manager, &other]).await;
        self.data_sample(channel, "OrgA", &[&other, &manager]).await;
        self.data_sample(channel, "OrgB", &[]).await;
        let ready = self.function(channel, "OrgA", "READY").await;
        let waiting = self.function(channel, "OrgA", "WAITING").await;
        let building = self.function(channel, "OrgB", "BUILDING").await;
        let failed = self.function(channel, "OrgB", "FAILED").await;
        self.function(channel, "OrgB", "CANCELED").await;
        let plan = self.plan(channel, "OrgA", &[]).await;
        self.plan(channel, "OrgA", &["cancelation"]).await;
        self.plan(channel, "OrgA", &["failure"]).await;
        self.plan(channel, "OrgB", &["failure", "cancelation"]).await;

        let keys: Vec<String> = (0..9).map(|_| self.key()).collect();
        let [first, second, child, grandchild, unbuilt, building_task, broken, given_up, polled] = &keys[..]
        else {
            unreachable!()
        };
        let from = |parent: &str| json!({ "identifier": "start", "parentTaskOutput": { "parentTaskKey": parent, "outputIdentifier": "models" } });
        let data = [
            json!({ "identifier": "opener", "assetKey": manager }),
            json!({ "identifier": "samples", "assetKey": sample }),
        ];
        let task = |key: &str, function: &str, status: &str, rank: u32, inputs: Vec<Value>| {
            let inputs = [data.to_vec(), inputs].concat();
            let mut task = json!({
                "key": key, "owner": "OrgA", "computePlanKey": plan, "functionKey": function, "worker": "OrgB",
                "status": format!("STATUS_{status}"), "logsPermission": { "authorizedIds": ["OrgA", "OrgB"] },
                "inputs": inputs,
                "outputs": { "models": { "permissions": permissions(&["OrgA", "OrgB"]), "transient": true },
                    "figure": { "permissions": permissions(&["OrgA"]) } },
            });
            if rank > 0 {
                task["rank"] = json!(rank);
            }
            task
        };
        let waiting_for_parents = "WAITING_FOR_PARENT_TASKS";
        self.tasks(
            channel,
            &[
                task(first, &ready, "WAITING_FOR_EXECUTOR_SLOT", 0, vec![]),
                task(second, &ready, "WAITING_FOR_EXECUTOR_SLOT", 0, vec![]),
                task(child, &ready, waiting_for_parents, 1, vec![from(second), from(first), from(second)]),
                task(grandchild, &ready, waiting_for_parents, 2, vec![from(child)]),
                task(unbuilt, &waiting, "WAITING_FOR_BUILDER_SLOT", 0, vec![]),
                task(building_task, &building, "BUILDING", 1, vec![from(first)]),
            ],
        )
        .await;
        let broken_task = task(broken, &failed, "WAITING_FOR_BUILDER_SLOT", 0, vec![]);
        self.tasks(channel, &[broken_task, task(given_up, &ready, "WAITING_FOR_EXECUTOR_SLOT", 0, vec![])])
            .await;
        self.tasks(channel, &[task(polled, &ready, "WAITING_FOR_EXECUTOR_SLOT", 0, vec![])]).await;

        for (key, is_child_done) in [(first, false), (second, true)] {
            self.task_moves(channel, key, "EXECUTING", false).await;
            let models = self.models(channel, key, "OrgB", 3).await;
            self.performance(channel, key, "0.10000000149011612", json!(0.1)).await;
            self.task_moves(channel, key, "DONE", false).await;
            if is_child_done {
                self.task_moves(channel, child, "WAITING_FOR_EXECUTOR_SLOT", true).await;
            } else {
                self.model_is_disabled(channel, &models[1]).await;
            }
        }
        let models = &self.answers(channel).models;
        let model = models.iter().find(|model| model["computeTaskKey"] == *second).unwrap()["key"].clone();
        let reader = self.key();
        let by_key = json!({ "identifier": "start", "assetKey": model });
        let reads = task(&reader, &ready, "WAITING_FOR_EXECUTOR_SLOT", 0, vec![by_key.clone(), by_key]);
        self.tasks(channel, &[reads]).await;
        self.task_moves(channel, broken, "FAILED", true).await;
        self.failure_report(channel, ("FUNCTION", &failed), "BUILD", "OrgB").await;
        self.task_moves(channel, given_up, "CANCELED", false).await;
        self.failure_report(channel, ("COMPUTE_TASK", given_up), "INTERNAL", "OrgB").await;
        self.failure_report(channel, ("COMPUTE_TASK", broken), "EXECUTION", "OrgB").await;
        let step = json!({ "assetKey": first, "step": "training", "duration": 4_000_000_000_u32 });
        self.event(channel, ("PROFILING_STEP", "CREATED"), first, &step).await;
        History {
            manager,
            sample,
            function: ready,
            plan,
            done: second.clone(),
            executable: child.clone(),
            waiting: grandchild.clone(),
            reader,
        }
    }
}

/// Keys of a history that calls go on with.
pub(crate) struct History {
    pub(crate) manager: String,
    pub(crate) sample: String,
    pub(crate) function: String,
    pub(crate) plan: String,
    pub(crate) done: String,
    pub(crate) executable: String,
    pub(crate) waiting: String,
    pub(crate) reader: String,
}

/// The same for both actions, as always.
pub(crate) fn permissions(authorized_ids: &[&str]) -> Value {
    let permission = json!({ "authorizedIds": authorized_ids });
    json!({ "process": permission, "download": permission })
}

fn at(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros).unwrap().to_string()
}
