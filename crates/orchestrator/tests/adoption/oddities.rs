//! What only databases hold that have seen many versions of the predecessor (contract: schema, section 9; core/EVT-11).

use serde_json::{Value, json};

use crate::predecessor::{Predecessor, permissions};

impl Predecessor {
    /// Adds old rows and old snapshots to a channel that has a history.
    pub(crate) async fn oddities(&mut self, channel: &str) {
        self.odd_functions(channel).await;
        self.odd_tasks(channel).await;
        self.odd_reports(channel).await;
        self.odd_performances(channel).await;
        self.odd_snapshots(channel).await;
        self.unreadable_snapshots(channel).await;
    }

    /// Functions whose status nobody knows, with an image that is the opener of somebody's data manager, without a checksum.
    async fn odd_functions(&mut self, channel: &str) {
        let opener = self.answers(channel).data_managers[0]["opener"].clone();
        for (status, told) in [
            (json!("FUNCTION_STATUS_UNKNOWN"), "FUNCTION_STATUS_UNKNOWN"),
            (Value::Null, "FUNCTION_STATUS_UNKNOWN"),
        ] {
            let (date, key) = (self.tick(), self.key());
            let (archive, mut description) = (self.file("archive").await, self.file("description").await);
            self.client
                .execute(
                    "UPDATE addressables SET checksum = NULL WHERE storage_address = $1",
                    &[&description["storageAddress"].as_str().unwrap()],
                )
                .await
                .unwrap();
            description["checksum"] = json!("");
            self.row(
                "functions",
                json!({
                    "key": key, "channel": channel, "name": "old", "owner": "OrgA", "creation_date": date, "metadata": {},
                    "description": description["storageAddress"], "archive_address": archive["storageAddress"],
                    "permissions": { "process": { "authorized_ids": ["OrgA"], "public": false }, "download": null }, "status": status,
                    "image_address": opener["storageAddress"],
                }),
            )
            .await;
            self.answers(channel).functions.push(json!({
                "key": key, "name": "old", "owner": "OrgA", "creationDate": date, "description": description, "archive": archive,
                "image": opener, "permissions": { "process": { "authorizedIds": ["OrgA"] }, "download": {} }, "status": told,
            }));
        }
    }

    /// A task that is older than inputs and outputs: it has a parent and a model all the same.
    async fn odd_tasks(&mut self, channel: &str) {
        let parent = self.answers(channel).tasks[0].clone();
        let key = self.key();
        let mut task = json!({
            "key": key, "owner": "OrgA", "computePlanKey": parent["computePlanKey"], "functionKey": parent["functionKey"],
            "worker": "OrgA", "status": "STATUS_DONE", "logsPermission": {}, "rank": 1,
        });
        task["creationDate"] = json!(self.tick());
        self.task_rows(channel, &task).await;
        let row = json!({ "child_task_key": key, "parent_task_key": parent["key"], "position": 1 });
        self.row("compute_task_parents", row).await;
        self.answers(channel).tasks.push(task);
        for _ in 0..2 {
            let model = json!({
                "key": self.key(), "computeTaskKey": key, "permissions": permissions(&["OrgA"]), "owner": "OrgA",
                "creationDate": self.tick(),
            });
            self.row(
                "models",
                json!({ "key": model["key"], "channel": channel, "compute_task_key": key, "permissions": model["permissions"],
                    "owner": "OrgA", "creation_date": model["creationDate"] }),
            )
            .await;
            self.answers(channel).models.push(model);
        }
    }

    /// Reports that do not tell what failed and share their logs.
    async fn odd_reports(&mut self, channel: &str) {
        for kind in [json!("FAILED_ASSET_UNKNOWN"), Value::Null] {
            let (date, key) = (self.tick(), self.key());
            let logs = "https://db-backfill/EMPTY_LOG_FILE";
            self.row(
                "failure_reports",
                json!({ "asset_key": key, "channel": channel, "error_type": "ERROR_TYPE_BUILD", "owner": "OrgA",
                    "creation_date": date, "logs_address": logs, "asset_type": kind }),
            )
            .await;
            self.answers(channel).failure_reports.push(json!({
                "assetKey": key, "errorType": "ERROR_TYPE_BUILD", "owner": "OrgA", "creationDate": date,
                "logsAddress": { "storageAddress": logs, "checksum": "0".repeat(64) },
            }));
        }
    }

    /// Values at the edges of what 32 bits hold.
    async fn odd_performances(&mut self, channel: &str) {
        let template = self.answers(channel).tasks[0].clone();
        let values = [
            ("NaN", json!("NaN")),
            ("Infinity", json!("Infinity")),
            ("-Infinity", json!("-Infinity")),
            ("0", json!(0)),
            ("-0.25", json!(-0.25)),
            ("1.401298464324817e-45", json!(1.401_298_464_324_817e-45)),
            ("16777217", json!(16_777_216)),
        ];
        for (stored, told) in values {
            let mut task = template.clone();
            task["key"] = json!(self.key());
            self.tasks(channel, std::slice::from_ref(&task)).await;
            self.performance(channel, task["key"].as_str().unwrap(), stored, told).await;
        }
    }

    /// Snapshots of former times that can be understood.
    async fn odd_snapshots(&mut self, channel: &str) {
        let plan = self.answers(channel).plans[0].clone();
        let model = self.answers(channel).models[0].clone();
        let with = |asset: &Value, changes: Value| {
            let mut asset = asset.clone();
            asset.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            asset
        };
        let mut disabled = model.clone();
        disabled.as_object_mut().unwrap().remove("address");
        let date = |text: &str| with(&plan, json!({ "creationDate": text }));
        let performance = json!({ "computeTaskKey": model["computeTaskKey"], "creationDate": plan["creationDate"], "performanceValue": 2 });
        let old = [
            // core/S-55: fields that messages no longer have, names of the proto files, nulls
            ("COMPUTE_PLAN", with(&plan, json!({ "deleteIntermediaryModels": true })), plan.clone()),
            ("COMPUTE_PLAN", with(&plan, json!({ "delete_intermediary_models": false })), plan.clone()),
            ("PERFORMANCE", with(&performance, json!({ "metricKey": plan["key"] })), performance.clone()),
            (
                "PERFORMANCE",
                json!({ "compute_task_key": model["computeTaskKey"], "creation_date": plan["creationDate"], "performance_value": 2.0 }),
                performance.clone(),
            ),
            ("MODEL", with(&model, json!({ "address": null })), disabled.clone()),
            (
                "MODEL",
                with(&model, json!({ "address": { "checksum": null, "storageAddress": null } })),
                with(&model, json!({ "address": {} })),
            ),
            ("MODEL", with(&model, json!({ "category": "MODEL_SIMPLE", "permissions": null })), {
                let mut told = model.clone();
                told.as_object_mut().unwrap().remove("permissions");
                told
            }),
            (
                "DATA_SAMPLE",
                json!({ "key": plan["key"], "dataManagerKeys": [null], "testOnly": true }),
                json!({ "key": plan["key"], "testOnly": true }),
            ),
            (
                "COMPUTE_TASK",
                json!({ "key": plan["key"], "status": 4, "rank": 7.0 }),
                json!({ "key": plan["key"], "status": "STATUS_DONE", "rank": 7 }),
            ),
            // whole seconds that lost their zeros
            ("COMPUTE_PLAN", date("2022-05-06T10:00:3Z"), date("2022-05-06T10:00:30Z")),
            ("COMPUTE_PLAN", date("2022-05-06T10:00:Z"), date("2022-05-06T10:00:00Z")),
            ("COMPUTE_PLAN", date("2022-05-06T10:00:03.12Z"), date("2022-05-06T10:00:03.120Z")),
            // as PostgreSQL writes times in JSON
            ("COMPUTE_PLAN", date("2022-05-06T12:00:03.120004+02:00"), date("2022-05-06T10:00:03.120004Z")),
        ];
        for (kind, stored, told) in old {
            self.tick();
            let key = format!("{}|old", plan["key"].as_str().unwrap());
            self.event_as(channel, (kind, "UPDATED"), &key, stored, Some(told), json!({})).await;
        }
    }

    /// Snapshots that nobody can read, between others that everybody can.
    async fn unreadable_snapshots(&mut self, channel: &str) {
        let plan = self.answers(channel).plans[0].clone();
        let key = plan["key"].as_str().unwrap().to_owned();
        for (kind, stored) in UNREADABLE {
            self.tick();
            let stored = serde_json::from_str(stored).unwrap();
            self.event_as(channel, (kind, "UPDATED"), &key, stored, None, json!({})).await;
            self.event(channel, ("COMPUTE_PLAN", "UPDATED"), &key, &plan).await;
        }
    }
}

/// Wrong shapes, a name that no enumeration has, and a kind of asset that there is no more.
const UNREADABLE: [(&str, &str); 7] = [
    ("COMPUTE_PLAN", "\"text\""),
    ("COMPUTE_PLAN", "[]"),
    ("COMPUTE_PLAN", r#"{"key": 5}"#),
    ("COMPUTE_PLAN", r#"{"creationDate": "yesterday"}"#),
    ("COMPUTE_TASK", r#"{"status": "STATUS_DOING"}"#),
    ("FUNCTION", r#"{"inputs": [1]}"#),
    ("METRIC", "{}"),
];
