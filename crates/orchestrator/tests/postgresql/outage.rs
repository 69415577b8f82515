//! The database goes away and comes back, or fails in a look-up (S-53).

use std::time::Duration;

use postgres::testing::{Cluster, TestDatabase};
use serde_json::{Value, json};
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

use crate::replica::{
    FUNCTION, MANAGER, Member, PATIENCE, PLAN, Replica, SAMPLES, eventually, function, key, manager, migrate,
    migrated, plan, samples, sql,
};
use crate::wire::{Next, Refused};

/// Long enough to be tried again, short enough for a test.
const BUDGET: Duration = Duration::from_millis(100);

/// Keys of what [`register_assets`] registers.
const A_PLAN: u32 = 1;
const A_FUNCTION: u32 = 2;
const A_MANAGER: u32 = 3;
const A_SAMPLE: u32 = 4;

async fn register_assets(member: &Member) {
    member.ok(PLAN, plan(A_PLAN)).await;
    member.ok(FUNCTION, function(A_FUNCTION)).await;
    member.ok(MANAGER, manager(A_MANAGER)).await;
    member.ok(SAMPLES, samples(A_SAMPLE..A_SAMPLE + 1)).await;
}

/// Calls that look something up, each with the table where it stands.
fn look_ups() -> [(&'static str, &'static str, Value); 8] {
    let named = |number| json!({ "key": key(number), "name": "new name" });
    let keyed = |number| json!({ "key": key(number) });
    let linked = json!({ "keys": [key(A_SAMPLE)], "data_manager_keys": [key(A_MANAGER)] });
    [
        ("compute_plan", "ComputePlanService/UpdatePlan", named(A_PLAN)),
        ("compute_plan", "ComputePlanService/GetPlan", keyed(A_PLAN)),
        ("function", "FunctionService/UpdateFunction", named(A_FUNCTION)),
        ("function", "FunctionService/GetFunction", keyed(A_FUNCTION)),
        ("data_manager", "DataManagerService/UpdateDataManager", named(A_MANAGER)),
        ("data_manager", "DatasetService/GetDataset", keyed(A_MANAGER)),
        ("data_sample", "DataSampleService/UpdateDataSamples", linked),
        ("data_sample", "DataSampleService/GetDataSample", keyed(A_SAMPLE)),
    ]
}

/// What everybody is told of storage that is away: nothing of the inside (core/TX-6, ERR-5).
fn unavailable() -> Refused {
    let message = "the service is unavailable, try again later".to_owned();
    Refused { code: Code::Unavailable, message }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_unavailable_while_the_database_is_away_and_no_event_is_lost() {
    // core/TX-6, SUB-11, HLT-4, DEF-18, DEF-23, compute/DEF-38
    let mut cluster = Cluster::start().await;
    let database = cluster.fresh_database().await;
    migrate(&database).await;
    let replica = Replica::start_with(database.url(), |options| options.retry_budget = BUDGET).await;
    let member = replica.registered("OrgA", "north").await;
    register_assets(&member).await;
    let mut seen = Vec::new();
    follow(&member, &mut seen, 5).await;
    let mut open = member.subscribe(seen[4]["id"].as_str().unwrap()).await;

    cluster.stop().await;
    let lists = ["ComputePlanService/QueryPlans", "OrganizationService/GetAllOrganizations"];
    let lists = lists.map(|rpc| ("", rpc, json!({})));
    for (_, rpc, request) in look_ups().into_iter().chain(lists).chain([("", PLAN, plan(9))]) {
        assert_eq!(member.call(rpc, request).await, Err(unavailable()), "{rpc}");
    }
    member.ok("InfoService/QueryVersion", json!({})).await;
    assert_answers_without_a_database(&replica).await;

    cluster.restart().await;
    eventually(async || member.call(PLAN, plan(10)).await.is_ok()).await;
    // The stream that was open goes on, or tells to come back.
    match open.next(PATIENCE).await {
        Next::Event(event) => assert_eq!(event["asset_key"], key(10)),
        Next::Ended(refused) => assert_eq!(refused.code, Code::Unavailable),
        Next::Nothing => panic!("the stream has stopped"),
    }
    follow(&member, &mut seen, 6).await;
    assert_eq!(seen, member.events().await, "every event once");
}

/// Who writes first after commits were lost.
#[derive(Clone, Copy, Debug)]
enum Writer {
    Nobody,
    /// The server that the subscriber listens to.
    Same,
    Other,
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_to_a_log_that_has_lost_its_end_are_ended_and_no_server_need_be_restarted() {
    // core/SUB-7, SUB-11
    for writer in [Writer::Nobody, Writer::Same, Writer::Other] {
        let database = migrated().await;
        let servers = [Replica::start(database.url()).await, Replica::start(database.url()).await];
        let member = servers[0].registered("OrgA", "north").await;
        let other = servers[1].member("OrgA", "north");
        for number in 1..=3 {
            member.ok(PLAN, plan(number)).await;
        }
        let mut seen = Vec::new();
        follow(&member, &mut seen, 4).await;
        let id = |position: usize| seen[position - 1]["id"].as_str().unwrap();
        let mut open = [member.subscribe(id(4)).await, other.subscribe(id(4)).await];

        lose_events_behind(2, &database).await;
        let writing = match writer {
            Writer::Nobody => None,
            Writer::Same => Some(&member),
            Writer::Other => Some(&other),
        };
        for number in 4..=7 {
            if let Some(writing) = writing {
                writing.ok(PLAN, plan(number)).await;
            }
        }
        for open in &mut open {
            match open.next(PATIENCE).await {
                Next::Ended(refused) => assert_eq!(refused, unavailable(), "{writer:?}"),
                Next::Event(event) => panic!("{writer:?}: after a lost event came {event}"),
                Next::Nothing => panic!("{writer:?}: the subscription waits for a log that is no more"),
            }
        }

        for member in [&member, &other] {
            let lost = json!({ "start_event_id": id(4) });
            let refused = member.wire.subscribe(&lost, &member.headers).await.unwrap().err().unwrap();
            assert_eq!(refused.code, Code::NotFound, "{writer:?}");
            member.ok(PLAN, plan(if std::ptr::eq(member, &other) { 9 } else { 8 })).await;
        }
        let log = member.events().await;
        assert_eq!(log[..2], seen[..2], "{writer:?}");
        for member in [&member, &other] {
            for known in [0, 2] {
                let mut anew = log[..known].to_vec();
                follow(member, &mut anew, log.len()).await;
                assert_eq!(anew, log, "{writer:?}");
            }
        }
    }
}

/// What is left if the last commits of north are lost, each of which registered a plan.
async fn lose_events_behind(position: i64, database: &TestDatabase) {
    let lose = format!(
        "BEGIN;
        DELETE FROM orchestrator.compute_plan WHERE key::text IN
            (SELECT asset_key FROM orchestrator.event WHERE channel = 'north' AND position > {position});
        DELETE FROM orchestrator.event WHERE channel = 'north' AND position > {position};
        UPDATE orchestrator.channel SET (position, hash, time) = (
            SELECT position, hash, timestamp FROM orchestrator.event WHERE channel = 'north' AND position = {position}
        ) WHERE name = 'north';
        COMMIT"
    );
    sql(database).await.batch_execute(&lose).await.unwrap();
}

/// Reads on behind the events seen so far until there are so many.
async fn follow(member: &Member, seen: &mut Vec<Value>, count: usize) {
    let last = seen.last().map(|event| event["id"].as_str().unwrap().to_owned());
    let mut subscription = member.subscribe(&last.unwrap_or_default()).await;
    while seen.len() < count {
        let Next::Event(event) = subscription.next(PATIENCE).await else { panic!("no event") };
        seen.push(event);
    }
}

/// Health and reflection (core/HLT-4, DEF-10).
async fn assert_answers_without_a_database(replica: &Replica) {
    let connection = replica.endpoint().connect_lazy();
    let health = HealthClient::new(connection.clone()).check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(health.into_inner().status(), ServingStatus::Serving);
    let question = MessageRequest::ListServices(String::new());
    let question = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let mut request = Request::new(futures::stream::iter([question]));
    request.metadata_mut().insert("mspid", "OrgA".parse().unwrap());
    request.metadata_mut().insert("channel", "north".parse().unwrap());
    let answers = ServerReflectionClient::new(connection).server_reflection_info(request).await.unwrap();
    assert!(answers.into_inner().message().await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_that_fails_is_not_an_absence() {
    // core/DEF-22, compute/DEF-27: neither if it cannot be made at all, nor if it might succeed later.
    let database = migrated().await;
    let url = format!("{}?lock_timeout=20ms", database.url());
    let replica = Replica::start_with(&url, |options| options.retry_budget = BUDGET).await;
    let member = replica.registered("OrgA", "north").await;
    register_assets(&member).await;
    let (client, locking) = (sql(&database).await, sql(&database).await);
    let broken = Refused { code: Code::Internal, message: "OE0007: internal error".to_owned() };
    for (table, rpc, request) in look_ups() {
        let move_away = format!("ALTER TABLE orchestrator.{table} RENAME TO away");
        client.batch_execute(&move_away).await.unwrap();
        assert_eq!(member.call(rpc, request.clone()).await, Err(broken.clone()), "{rpc}");
        let move_back = format!("ALTER TABLE orchestrator.away RENAME TO {table}");
        client.batch_execute(&move_back).await.unwrap();

        let lock = format!("BEGIN; LOCK TABLE orchestrator.{table} IN ACCESS EXCLUSIVE MODE");
        locking.batch_execute(&lock).await.unwrap();
        assert_eq!(member.call(rpc, request.clone()).await, Err(unavailable()), "{rpc}");
        locking.batch_execute("ROLLBACK").await.unwrap();
        member.ok(rpc, request).await;
    }
}
