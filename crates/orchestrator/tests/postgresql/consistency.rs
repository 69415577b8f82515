//! What a read sees: one moment, never an older one than what was answered or told before, on every server (S-54), and it only reads.

use std::collections::BTreeSet;

use prost_reflect::DescriptorPool;
use serde_json::{Value, json};
use tonic::Code;

use crate::replica::{
    FUNCTION, MANAGER, Member, PATIENCE, PLAN, Replica, SAMPLES, TASKS, eventually, function, key, manager,
    migrated, model, plan, sql, task,
};
use crate::wire::Next;

#[tokio::test(flavor = "multi_thread")]
async fn what_one_server_has_answered_or_told_the_other_shows() {
    // core/TX-8, TX-11, SUB-8, SUB-16, S-54
    let database = migrated().await;
    let (here, there) = (Replica::start(database.url()).await, Replica::start(database.url()).await);
    let (writer, reader) = (here.registered("OrgA", "north").await, there.member("OrgB", "north"));
    writer.ok(PLAN, plan(1)).await;
    let mut told = reader.subscribe("").await;
    let written = tokio::spawn(async move {
        for number in 0..100 {
            let name = number.to_string();
            writer.ok("ComputePlanService/UpdatePlan", json!({ "key": key(1), "name": name })).await;
            let seen = writer_and(&reader, &writer).await;
            assert_eq!(seen, [number, number], "after the answer");
        }
        reader
    });
    let other_reader = there.member("OrgA", "north");
    for number in -2..100 {
        let Next::Event(event) = told.next(PATIENCE).await else { panic!("no event") };
        if number >= 0 {
            assert_eq!(event["compute_plan"]["name"], number.to_string());
            assert!(name_of_plan(&other_reader).await >= number, "after the event");
        }
    }
    written.await.unwrap();
}

/// What both see.
async fn writer_and(reader: &Member, writer: &Member) -> [i32; 2] {
    [name_of_plan(reader).await, name_of_plan(writer).await]
}

async fn name_of_plan(member: &Member) -> i32 {
    let plan = member.ok("ComputePlanService/GetPlan", json!({ "key": key(1) })).await;
    plan["name"].as_str().unwrap().parse().unwrap()
}

/// Has reads of this table wait, while they hold their snapshot, for as long as somebody holds the lock; writes go on.
fn reads_wait(table: &str) -> String {
    format!(
        "CREATE FUNCTION orchestrator.wait_if_reading() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
            IF current_setting('transaction_read_only') = 'on' THEN
                PERFORM pg_advisory_xact_lock_shared(7);
            END IF;
            RETURN true;
        END $$;
        ALTER TABLE orchestrator.{table} RENAME TO rows;
        CREATE VIEW orchestrator.{table} AS SELECT * FROM orchestrator.rows WHERE orchestrator.wait_if_reading()"
    )
}

/// The answer to a call that is under way while `change` happens must be the one from before.
async fn assert_not_torn(table: &str, arrange: &[Call], read: Call, change: Call) {
    let database = migrated().await;
    let client = sql(&database).await;
    client.batch_execute(&reads_wait(table)).await.unwrap();
    let replica = Replica::start(database.url()).await;
    let member = replica.registered("OrgA", "north").await;
    for (rpc, request) in arrange {
        member.ok(rpc, request.clone()).await;
    }
    let before = member.ok(read.0, read.1.clone()).await;
    client.batch_execute("SELECT pg_advisory_lock(7)").await.unwrap();
    let reader = replica.member("OrgB", "north");
    let (rpc, request) = read.clone();
    let reading = tokio::spawn(async move { reader.ok(rpc, request).await });
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event = 'advisory'";
    let other = sql(&database).await;
    eventually(async || other.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 1).await;
    member.ok(change.0, change.1).await;
    client.batch_execute("SELECT pg_advisory_unlock(7)").await.unwrap();
    assert_eq!(reading.await.unwrap(), before, "the pieces of {rpc} are of one moment");
    assert_ne!(member.ok(rpc, read.1).await, before, "the change is one that {rpc} shows");
}

type Call = (&'static str, Value);

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_is_of_one_moment() {
    // core/TX-8, DST-2, DEF-26, compute/DEF-35: the data manager is read first, then its samples.
    let sample = |number| {
        let checksum = "0a".repeat(32);
        json!({ "samples": [{ "key": key(number), "checksum": checksum, "data_manager_keys": [key(1)] }] })
    };
    let arrange = [(MANAGER, manager(1)), (SAMPLES, sample(2))];
    let read = ("DatasetService/GetDataset", json!({ "key": key(1) }));
    assert_not_torn("data_manager", &arrange, read, (SAMPLES, sample(3))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inputs_of_a_task_are_of_one_moment() {
    // core/TX-8, DEF-26, compute/DEF-35: the task is read first, then what its parents have made.
    let act = |number, action: &str| {
        let action = format!("TASK_ACTION_{action}");
        ("ComputeTaskService/ApplyTaskAction", json!({ "compute_task_key": key(number), "action": action }))
    };
    let build = |action: &str| {
        let action = format!("FUNCTION_ACTION_{action}");
        ("FunctionService/ApplyFunctionAction", json!({ "function_key": key(1), "action": action }))
    };
    let arrange = [
        (FUNCTION, function(1)),
        build("BUILDING"),
        build("READY"),
        (PLAN, plan(2)),
        (TASKS, json!({ "tasks": [task(3, 1, 2, &[]), task(4, 1, 2, &[3])] })),
        act(3, "EXECUTING"),
        ("ModelService/RegisterModels", json!({ "models": [model(5, 3)] })),
        act(3, "DONE"),
        act(4, "EXECUTING"),
        act(4, "FAILED"),
    ];
    let read = ("ComputeTaskService/GetTaskInputAssets", json!({ "compute_task_key": key(4) }));
    let disable = json!({ "compute_task_key": key(3), "identifier": "flour" });
    let change = ("ComputeTaskService/DisableOutput", disable);
    assert_not_torn("compute_task", &arrange, read, change).await;
}

/// The methods that only read (core/TX-2).
const READS: [&str; 20] = [
    "ComputePlanService/GetPlan",
    "ComputePlanService/IsPlanRunning",
    "ComputePlanService/QueryPlans",
    "ComputeTaskService/GetTask",
    "ComputeTaskService/GetTaskInputAssets",
    "ComputeTaskService/QueryTasks",
    "DataManagerService/GetDataManager",
    "DataManagerService/QueryDataManagers",
    "DataSampleService/GetDataSample",
    "DataSampleService/QueryDataSamples",
    "DatasetService/GetDataset",
    "EventService/QueryEvents",
    "FailureReportService/GetFailureReport",
    "FunctionService/GetFunction",
    "FunctionService/QueryFunctions",
    "InfoService/QueryVersion",
    "ModelService/GetComputeTaskOutputModels",
    "ModelService/GetModel",
    "OrganizationService/GetAllOrganizations",
    "PerformanceService/QueryPerformances",
];

/// A valid request of each of the others, but for streams.
fn writes() -> Vec<Call> {
    let named = || json!({ "key": key(1), "name": "name" });
    let of_task = |more: Value| {
        let mut request = json!({ "compute_task_key": key(1) });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request
    };
    let samples = json!({ "keys": [key(1)] });
    let built = json!({ "function_key": key(1), "action": "FUNCTION_ACTION_BUILDING" });
    let canceled = json!({ "key": key(1), "action": "PLAN_ACTION_CANCELED" });
    let failed = json!({
        "asset_key": key(1), "error_type": "ERROR_TYPE_INTERNAL", "asset_type": "FAILED_ASSET_COMPUTE_TASK",
    });
    vec![
        ("ComputePlanService/ApplyPlanAction", canceled),
        (PLAN, plan(1)),
        ("ComputePlanService/UpdatePlan", named()),
        ("ComputeTaskService/ApplyTaskAction", of_task(json!({ "action": "TASK_ACTION_DONE" }))),
        ("ComputeTaskService/DisableOutput", of_task(json!({ "identifier": "flour" }))),
        (TASKS, json!({ "tasks": [task(1, 1, 1, &[])] })),
        (MANAGER, manager(1)),
        ("DataManagerService/UpdateDataManager", named()),
        (SAMPLES, crate::replica::samples(1..2)),
        ("DataSampleService/UpdateDataSamples", samples),
        ("FailureReportService/RegisterFailureReport", failed),
        ("FunctionService/ApplyFunctionAction", built),
        (FUNCTION, function(1)),
        ("FunctionService/UpdateFunction", named()),
        ("ModelService/RegisterModel", model(1, 1)),
        ("ModelService/RegisterModels", json!({ "models": [model(1, 1)] })),
        ("OrganizationService/RegisterOrganization", json!({})),
        (
            "PerformanceService/RegisterPerformance",
            of_task(json!({ "compute_task_output_identifier": "x", "performance_value": 1 })),
        ),
        (
            "ProfilingService/RegisterProfilingStep",
            json!({ "asset_key": key(1), "step": "x", "duration": 1 }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_database_that_refuses_to_write_the_methods_that_only_read_are_answered() {
    // core/TX-2, compute/COM-4: as on a standby. What is not there is an answer, too.
    let database = migrated().await;
    let url = format!("{}?options=-c%20default_transaction_read_only%3Don", database.url());
    let replica = Replica::start_with(&url, |options| options.retry_budget = std::time::Duration::ZERO).await;
    let member = replica.member("OrgA", "north");
    for rpc in READS {
        let is_list = ["Query", "GetAll", "OutputModels"].iter().any(|word| rpc.contains(word));
        let request = match rpc {
            "FailureReportService/GetFailureReport" => json!({ "asset_key": key(1) }),
            "ComputeTaskService/GetTaskInputAssets" | "ModelService/GetComputeTaskOutputModels" => {
                json!({ "compute_task_key": key(1) })
            }
            _ if is_list => json!({}),
            _ => json!({ "key": key(1) }),
        };
        match member.call(rpc, request).await {
            Ok(_) => assert!(is_list, "{rpc}"),
            Err(refused) => {
                assert_eq!((refused.code, is_list), (Code::NotFound, false), "{rpc}: {refused:?}");
            }
        }
    }
    for (rpc, request) in writes() {
        let refused = member.call(rpc, request).await.unwrap_err();
        assert_eq!(refused.code, Code::Unavailable, "{rpc}: {refused:?}");
    }
}

#[test]
fn each_method_reads_or_writes() {
    let pool = DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
    let methods = pool.services().flat_map(|service| {
        let name = service.name().to_owned();
        service.methods().map(move |method| format!("{name}/{}", method.name())).collect::<Vec<_>>()
    });
    let methods: BTreeSet<String> = methods.collect();
    let listed = READS.into_iter().chain(writes().into_iter().map(|(rpc, _)| rpc));
    let listed: BTreeSet<String> =
        listed.chain(["EventService/SubscribeToEvents"]).map(str::to_owned).collect();
    assert_eq!(methods, listed);
}
