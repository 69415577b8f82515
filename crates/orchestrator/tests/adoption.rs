//! Adoption from outside: a database as the predecessor left it, the executable's `migrate`, and servers on the outcome.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

#[path = "adoption/comparison.rs"]
mod comparison;
#[path = "adoption/oddities.rs"]
mod oddities;
#[path = "adoption/predecessor.rs"]
mod predecessor;
#[expect(dead_code, reason = "shared with other tests")]
mod process;
#[expect(dead_code, reason = "shared with other tests")]
mod wire;

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use comparison::{Member, everything};
use postgres::testing::{Cluster, TestDatabase, programs};
use predecessor::Predecessor;
use process::{Process, orchestrator};
use serde_json::json;
use tokio_postgres::{Client, NoTls};
use wire::Wire;

/// A running server for these channels, both of whose organizations are members of all.
struct Served {
    wire: Wire,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Served {
    fn on(database: &TestDatabase, channels: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("channels.yaml");
        let channels = channels.iter().map(|channel| format!("  {channel}: [OrgA, OrgB]\n"));
        std::fs::write(&file, format!("channels:\n{}", channels.collect::<String>())).unwrap();
        let process = Process::serve(&[
            ("ORCHESTRATOR_DATABASE_URL", database.url()),
            ("ORCHESTRATOR_CHANNEL_CONFIG", file.to_str().unwrap()),
            ("ORCHESTRATOR_TX_RETRY_BUDGET", "500ms"),
            ("ORCHESTRATOR_TLS_ENABLED", "false"),
            ("ORCHESTRATOR_VERIFY_CLIENT_MSP_ID", "false"),
            ("ORCHESTRATOR_GRPC_LISTEN", "127.0.0.1:0"),
            ("ORCHESTRATOR_HTTP_LISTEN", "127.0.0.1:0"),
            ("LOG_LEVEL", "INFO"),
        ]);
        Self { wire: Wire::to(&process.address), _process: process, _folder: folder }
    }

    fn member<'a>(&'a self, channel: &'a str, organization: &'a str) -> Member<'a> {
        Member { wire: &self.wire, channel, organization }
    }
}

fn migrate(database: &TestDatabase, arguments: &[&str]) -> Output {
    let arguments = [&["migrate"], arguments].concat();
    orchestrator(&arguments, &[("ORCHESTRATOR_DATABASE_URL", database.url())]).output().unwrap()
}

/// Migrates with success and returns what was printed.
fn adopt(database: &TestDatabase) -> String {
    let output = migrate(database, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Migrates without success and returns the reason.
fn refusal(database: &TestDatabase, arguments: &[&str]) -> String {
    let output = migrate(database, arguments);
    let reason = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{reason}");
    reason
}

async fn holds(client: &Client, condition: &str) -> bool {
    client.query_one(&format!("SELECT {condition}"), &[]).await.unwrap().get(0)
}

/// Everything in the predecessor's tables.
async fn former_data(client: &Client) -> Vec<String> {
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1";
    let mut data = Vec::new();
    for table in client.query(tables, &[]).await.unwrap() {
        let table: String = table.get(0);
        let rows = format!(
            "SELECT md5(coalesce(string_agg(row::text, '|' ORDER BY row::text), '')) FROM public.{table} AS row"
        );
        let digest: String = client.query_one(&rows, &[]).await.unwrap().get(0);
        data.push(format!("{table} {digest}"));
    }
    data
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_database_answers_as_before() {
    // core/EVT-10, EVT-11, DEF-56; scenario core/S-55
    let database = Cluster::shared().await.fresh_database().await;
    let mut predecessor = Predecessor::on(&database).await;
    predecessor.history("north").await;
    predecessor.history("south").await;
    predecessor.oddities("north").await;
    predecessor.history("unlisted").await;
    predecessor.oddities("south").await;
    predecessor.finish().await;
    let before = former_data(&predecessor.client).await;

    let report = adopt(&database);
    let told: Vec<&str> = report.lines().map(str::trim).collect();
    for expected in ["6  organizations", "14  events left out, because nobody can read them:"] {
        assert!(told.contains(&expected), "{report}");
    }
    assert_eq!(former_data(&predecessor.client).await, before);
    let served = Served::on(&database, &["north", "south"]);
    for channel in ["north", "south"] {
        everything(&served.member(channel, "OrgB"), predecessor.answers(channel)).await;
    }
    // A channel that the configuration did not know is there once it does.
    let served = Served::on(&database, &["unlisted"]);
    everything(&served.member("unlisted", "OrgA"), predecessor.answers("unlisted")).await;
}

/// Everything that our own schema consists of.
async fn schema(database: &TestDatabase) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let objects = "
        SELECT indexdef FROM pg_indexes WHERE schemaname = 'orchestrator' AND tablename <> 'adoption'
        UNION ALL
        SELECT conrelid::regclass::text || ' ' || conname || ' ' || pg_get_constraintdef(oid)
        FROM pg_constraint
        WHERE connamespace = 'orchestrator'::regnamespace AND conrelid <> coalesce(to_regclass('orchestrator.adoption')::oid, 0::oid)
        ORDER BY 1";
    client.query(objects, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adopted_database_has_the_indexes_of_a_new_one() {
    let adopted = Cluster::shared().await.fresh_database().await;
    let mut predecessor = Predecessor::on(&adopted).await;
    predecessor.history("north").await;
    predecessor.finish().await;
    adopt(&adopted);
    let new = Cluster::shared().await.fresh_database().await;
    assert!(migrate(&new, &[]).status.success());
    assert_eq!(schema(&adopted).await, schema(&new).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_on_where_the_predecessor_stopped() {
    let database = Cluster::shared().await.fresh_database().await;
    let mut predecessor = Predecessor::on(&database).await;
    let history = predecessor.history("north").await;
    predecessor.oddities("north").await;
    predecessor.finish().await;
    adopt(&database);
    let served = Served::on(&database, &["north"]);
    let (owner, worker) = (served.member("north", "OrgA"), served.member("north", "OrgB"));
    let adopted = predecessor.answers("north");
    let last = adopted.events.last().unwrap()["id"].as_str().unwrap();

    let key = "aaaaaaaa-0000-4000-8000-000000000001";
    let inputs = json!([
        { "identifier": "opener", "asset_key": history.manager },
        { "identifier": "samples", "asset_key": history.sample },
        { "identifier": "start", "parent_task_output": { "parent_task_key": history.done, "output_identifier": "models" } },
    ]);
    let output = json!({ "permissions": { "authorized_ids": ["OrgB"] } });
    let task = json!({
        "key": key, "function_key": history.function, "compute_plan_key": history.plan, "worker": "OrgA", "inputs": inputs,
        "outputs": { "models": output, "figure": { "permissions": { "public": true } } },
    });
    let registered = owner.call("ComputeTaskService/RegisterTasks", json!({ "tasks": [task] })).await;
    assert_eq!(registered["tasks"][0]["status"], "STATUS_WAITING_FOR_EXECUTOR_SLOT");

    for action in ["TASK_ACTION_EXECUTING", "TASK_ACTION_DONE"] {
        let request = json!({ "compute_task_key": history.executable, "action": action });
        worker.call("ComputeTaskService/ApplyTaskAction", request).await;
    }
    let waiting = worker.call("ComputeTaskService/GetTask", json!({ "key": history.waiting })).await;
    assert_eq!(waiting["status"], "STATUS_WAITING_FOR_EXECUTOR_SLOT", "its last parent is done");
    let sample = json!({ "keys": [history.sample], "data_manager_keys": [history.manager] });
    owner.call("DataSampleService/UpdateDataSamples", sample).await;

    // Keys and addresses of adopted assets are taken, also by those that share one.
    let organization = owner.try_call("OrganizationService/RegisterOrganization", json!({})).await;
    assert!(organization.unwrap_err().message.starts_with("OE0006"));
    let plan = json!({ "key": history.plan, "name": "again" });
    assert!(
        owner
            .try_call("ComputePlanService/RegisterPlan", plan)
            .await
            .unwrap_err()
            .message
            .starts_with("OE0006")
    );
    let manager = json!({
        "key": "aaaaaaaa-0000-4000-8000-000000000002", "name": "again", "new_permissions": {}, "logs_permission": {},
        "description": { "checksum": "a".repeat(64), "storage_address": "https://free.example/description" },
        "opener": { "checksum": "a".repeat(64), "storage_address": adopted.data_managers[0]["opener"]["storageAddress"] },
    });
    let manager = owner.try_call("DataManagerService/RegisterDataManager", manager).await;
    assert!(manager.unwrap_err().message.starts_with("OE0006"));

    let events = owner.events_after(last, 5).await;
    let kinds: Vec<(&str, &str)> = events
        .iter()
        .map(|event| (event["asset_kind"].as_str().unwrap(), event["asset_key"].as_str().unwrap()))
        .collect();
    let executable = ("ASSET_COMPUTE_TASK", &*history.executable);
    let expected =
        [("ASSET_COMPUTE_TASK", key), executable, executable, ("ASSET_COMPUTE_TASK", &history.waiting)];
    assert_eq!(kinds[..4], expected);

    // compute/TASK-70: an output is disabled only when all who use it are over, be it by a model's key.
    let output = json!({ "compute_task_key": history.done, "identifier": "models" });
    let give_up = |key: &str| json!({ "compute_task_key": key, "action": "TASK_ACTION_CANCELED" });
    owner.call("ComputeTaskService/ApplyTaskAction", give_up(key)).await;
    let refused = worker.try_call("ComputeTaskService/DisableOutput", output.clone()).await.unwrap_err();
    assert!(refused.message.contains("uses a model"), "{refused:?}");
    owner.call("ComputeTaskService/ApplyTaskAction", give_up(&history.reader)).await;
    worker.call("ComputeTaskService/DisableOutput", output).await;

    // The log goes on from what was adopted, and tells everything since.
    let verified =
        orchestrator(&["verify"], &[("ORCHESTRATOR_DATABASE_URL", database.url())]).output().unwrap();
    let report = String::from_utf8(verified.stdout).unwrap();
    assert!(verified.status.success() && report.contains("0 differences"), "{report}");
    assert!(report.contains("adopted events tell something else or nothing"), "{report}");
    let spoil = "UPDATE orchestrator.compute_task_status SET status = 6 WHERE compute_task_key::text = $1";
    predecessor.client.execute(spoil, &[&history.executable]).await.unwrap();
    let verified =
        orchestrator(&["verify"], &[("ORCHESTRATOR_DATABASE_URL", database.url())]).output().unwrap();
    assert_eq!(verified.status.code(), Some(3), "what has changed since is compared");
}

#[tokio::test(flavor = "multi_thread")]
async fn adopting_again_or_at_the_same_time_changes_nothing() {
    let database = Cluster::shared().await.fresh_database().await;
    let mut predecessor = Predecessor::on(&database).await;
    predecessor.history("north").await;
    predecessor.finish().await;
    let environment = [("ORCHESTRATOR_DATABASE_URL", database.url())];
    let adoptions: Vec<_> = (0..3)
        .map(|_| orchestrator(&["migrate"], &environment).stdout(Stdio::piped()).spawn().unwrap())
        .collect();
    // A server that starts meanwhile waits for nothing but the lock, and serves what is there then.
    let served = Served::on(&database, &["north"]);
    let outputs: Vec<Output> = adoptions.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    assert!(outputs.iter().all(|output| output.status.success()));
    assert_eq!(outputs.iter().filter(|output| !output.stdout.is_empty()).count(), 1, "one has adopted");
    everything(&served.member("north", "OrgA"), predecessor.answers("north")).await;
    assert_eq!(adopt(&database), "", "nothing to report");
    assert_eq!(String::from_utf8(migrate(&database, &["--dry-run"]).stdout).unwrap(), "");
    everything(&served.member("north", "OrgA"), predecessor.answers("north")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_adoption_leaves_nothing_and_can_be_repeated() {
    let database = Cluster::shared().await.fresh_database().await;
    let mut predecessor = Predecessor::on(&database).await;
    predecessor.history("north").await;
    predecessor.finish().await;
    let many = "
        INSERT INTO events
        SELECT gen_random_uuid(), 'x', 'north', 'ASSET_COMPUTE_PLAN', 'EVENT_ASSET_UPDATED', now(), 'null',
            jsonb_build_object('key', 'x'), 100000 + number
        FROM generate_series(1, 20000) AS number";
    predecessor.client.batch_execute(many).await.unwrap();
    let environment = [("ORCHESTRATOR_DATABASE_URL", database.url())];
    let mut adoption = orchestrator(&["migrate"], &environment).stderr(Stdio::piped()).spawn().unwrap();
    let mut progress = BufReader::new(adoption.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(
        progress.any(|line| line.contains("failure_reports")),
        "nearly all tables but the events were read"
    );
    adoption.kill().unwrap();
    adoption.wait().unwrap();
    let ended = "NOT EXISTS (SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle')";
    while !holds(&predecessor.client, ended).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(holds(&predecessor.client, "to_regclass('orchestrator.event') IS NULL").await);
    let report = adopt(&database);
    assert!(report.contains("events of channel north"), "{report}");
    let served = Served::on(&database, &["north"]);
    let answers = predecessor.answers("north");
    let replayed = served.member("north", "OrgA").events_after("", answers.events.len() + 20_000).await;
    assert_eq!(replayed[answers.events.len() - 1]["id"], answers.events.last().unwrap()["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_versions_are_refused_with_advice() {
    let database = Cluster::shared().await.fresh_database().await;
    let predecessor = Predecessor::on(&database).await;
    for (version, dirty, advice) in [
        (63, false, "bring it to version 64 with the image of Substra orchestrator 1.0.0"),
        (65, false, "does not know it"),
        (64, true, "was interrupted"),
    ] {
        let set = format!("UPDATE schema_migrations SET version = {version}, dirty = {dirty}");
        predecessor.client.batch_execute(&set).await.unwrap();
        for arguments in [&[][..], &["--dry-run"]] {
            let reason = refusal(&database, arguments);
            assert!(reason.contains(advice), "{reason}");
        }
        assert!(holds(&predecessor.client, "to_regnamespace('orchestrator') IS NULL").await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_adopted_are_named_and_refuse_the_whole() {
    let database = Cluster::shared().await.fresh_database().await;
    let mut predecessor = Predecessor::on(&database).await;
    predecessor.history("north").await;
    predecessor.finish().await;
    let dry = migrate(&database, &["--dry-run"]);
    assert!(dry.status.success());
    let (dry, before) = (String::from_utf8(dry.stdout).unwrap(), former_data(&predecessor.client).await);
    assert!(dry.contains("2  organizations") && dry.contains("events of channel north"), "{dry}");

    let spoil = "UPDATE compute_plans SET cancelation_date = 'infinity'; UPDATE models SET permissions = '5'";
    predecessor.client.batch_execute(spoil).await.unwrap();
    let dry = migrate(&database, &["--dry-run"]);
    assert_eq!(dry.status.code(), Some(1));
    let dry = String::from_utf8(dry.stdout).unwrap();
    assert!(
        dry.contains("compute_plans.cancelation_date of ") && dry.contains("models.permissions of "),
        "{dry}"
    );
    assert!(refusal(&database, &[]).contains("cannot be adopted, nothing was changed"));
    assert!(holds(&predecessor.client, "to_regnamespace('orchestrator') IS NULL").await);
    assert_ne!(former_data(&predecessor.client).await, before, "but for what was spoiled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_golang_migrate_is_waited_for() {
    let database = Cluster::shared().await.fresh_database().await;
    let mut predecessor = Predecessor::on(&database).await;
    predecessor.history("north").await;
    predecessor.finish().await;
    let name: String =
        predecessor.client.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    let lock = golang_migrate_lock(&name);
    predecessor.client.batch_execute(&format!("SELECT pg_advisory_lock({lock})")).await.unwrap();
    let environment = [("ORCHESTRATOR_DATABASE_URL", database.url())];
    let mut adoption = orchestrator(&["migrate"], &environment).spawn().unwrap();
    let waits = "EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT pg_try_advisory_xact_lock%')";
    while !holds(&predecessor.client, waits).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(adoption.try_wait().unwrap().is_none());
    assert!(holds(&predecessor.client, "to_regclass('orchestrator.adoption') IS NULL").await);
    predecessor.client.batch_execute(&format!("SELECT pg_advisory_unlock({lock})")).await.unwrap();
    assert!(adoption.wait().unwrap().success());
    assert!(holds(&predecessor.client, "to_regclass('orchestrator.adoption') IS NOT NULL").await);
}

/// The number of the lock as the operations contract gives it, computed by another implementation than the program's.
fn golang_migrate_lock(database: &str) -> u32 {
    let mut checksum = flate2::Crc::new();
    checksum.update(format!("public\0schema_migrations\0/{database}").as_bytes());
    checksum.sum().wrapping_mul(1_486_364_155)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_predecessor_is_kept_from_writing_and_can_have_its_database_back() {
    // docs/adoption.md, "The way back"
    let database = Cluster::shared().await.fresh_database().await;
    let mut predecessor = Predecessor::on(&database).await;
    predecessor.history("north").await;
    predecessor.finish().await;
    let before = former_data(&predecessor.client).await;
    adopt(&database);
    let event = "INSERT INTO events SELECT gen_random_uuid(), asset_key, channel, asset_kind, event_kind, timestamp, metadata,
        asset, (SELECT max(position) + 1 FROM events) FROM events WHERE position = 1";
    let refused = predecessor.client.batch_execute(event).await.unwrap_err();
    assert!(refused.as_db_error().unwrap().message().contains("was adopted"), "{refused:?}");

    predecessor.client.batch_execute("DROP SCHEMA orchestrator CASCADE").await.unwrap();
    assert_eq!(former_data(&predecessor.client).await, before);
    predecessor.client.batch_execute(event).await.unwrap();
    let objects = "NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'adopted_by_orchestrator')";
    assert!(holds(&predecessor.client, objects).await);
    assert!(adopt(&database).contains("events of channel north"), "and may change its mind again");
}

/// Runs a line that the page for operators gives, with the words in capitals for what they stand for.
fn as_documented(line: &str, database: &TestDatabase, folder: &Path) {
    assert!(
        include_str!("../../../docs/adoption.md").contains(line),
        "the page does not say so any more: {line}"
    );
    let path = [programs().as_os_str(), &env::var_os("PATH").unwrap()].join(OsStr::new(":"));
    let mut shell = Command::new("sh");
    shell.args(["-c", &line.replace("URL", "\"$ORCHESTRATOR_DATABASE_URL\"")]).current_dir(folder);
    let output = shell.env("PATH", path).env("ORCHESTRATOR_DATABASE_URL", database.url()).output().unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dump_from_before_brings_back_every_row() {
    // docs/adoption.md, "The way back"
    let folder = tempfile::tempdir().unwrap();
    let database = Cluster::shared().await.fresh_database().await;
    let mut predecessor = Predecessor::on(&database).await;
    let history = predecessor.history("north").await;
    predecessor.oddities("north").await;
    predecessor.finish().await;
    let before = former_data(&predecessor.client).await;
    as_documented("pg_dump --format=custom URL > before.dump", &database, folder.path());
    adopt(&database);
    let served = Served::on(&database, &["north"]);
    let cancel = json!({ "key": history.plan, "action": "PLAN_ACTION_CANCELED" });
    served.member("north", "OrgA").call("ComputePlanService/ApplyPlanAction", cancel).await;
    drop(served);
    // Somebody has tidied up too early.
    predecessor
        .client
        .batch_execute("DROP TABLE events, models CASCADE; DELETE FROM performances")
        .await
        .unwrap();

    as_documented(r#"psql URL --command 'DROP SCHEMA orchestrator CASCADE'"#, &database, folder.path());
    as_documented("pg_restore --clean --if-exists --dbname URL before.dump", &database, folder.path());
    assert_eq!(former_data(&predecessor.client).await, before);
    assert!(holds(&predecessor.client, "to_regnamespace('orchestrator') IS NULL").await);
    assert!(adopt(&database).contains("events of channel north"), "and may be adopted again");
    let served = Served::on(&database, &["north"]);
    everything(&served.member("north", "OrgA"), predecessor.answers("north")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_for_the_adoption_instead_of_beginning_a_new_history() {
    let database = Cluster::shared().await.fresh_database().await;
    let mut predecessor = Predecessor::on(&database).await;
    predecessor.history("north").await;
    predecessor.finish().await;
    let served = Served::on(&database, &["north"]);
    let member = served.member("north", "OrgA");
    let refused = member.try_call("ComputePlanService/QueryPlans", json!({})).await.unwrap_err();
    assert!(matches!(refused.code, tonic::Code::Internal | tonic::Code::Unavailable), "{refused:?}");
    assert!(holds(&predecessor.client, "to_regnamespace('orchestrator') IS NULL").await);
    adopt(&database);
    everything(&member, predecessor.answers("north")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_histories_are_not_merged() {
    let database = Cluster::shared().await.fresh_database().await;
    let served = Served::on(&database, &["north"]);
    served.member("north", "OrgA").call("OrganizationService/RegisterOrganization", json!({})).await;
    let _predecessor = Predecessor::on(&database).await;
    assert!(refusal(&database, &[]).contains("cannot be merged"));
    let organizations =
        served.member("north", "OrgA").call("OrganizationService/GetAllOrganizations", json!({})).await;
    assert_eq!(organizations["organizations"].as_array().map(Vec::len), Some(1), "it serves on");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes many minutes; for measuring, run it with --release"]
async fn a_million_events_are_adopted_within_minutes() {
    let database = Cluster::shared().await.fresh_database().await;
    let predecessor = Predecessor::on(&database).await;
    predecessor.client.batch_execute(include_str!("adoption/large.sql")).await.unwrap();
    let began = Instant::now();
    let report = adopt(&database);
    let took = began.elapsed();
    assert!(report.contains("200000  compute_tasks"), "{report}");
    assert!(report.contains("1000000  events of channel large"), "{report}");
    assert!(took < Duration::from_secs(600), "{took:?}");
    let mut verify = orchestrator(&["verify"], &[("ORCHESTRATOR_DATABASE_URL", database.url())]);
    assert!(verify.status().unwrap().success());
}
