//! Calls that are in each other's way, meet passing trouble, or are given up (S-56, S-57).

use std::sync::Arc;
use std::time::{Duration, Instant};

use asset::command::{Call, Command, Decision};
use asset::{ChannelName, Facts, Needs, OrganizationId, Refusal};
use futures::future::join_all;
use postgres::{Postgres, PostgresOptions};
use serde_json::json;
use service::{Failure, Options, Service};

use crate::replica::{MANAGER, PATIENCE, PLAN, Replica, eventually, key, manager, migrated, plan, sql};

/// Has each registration of a plan named `held` or `troubled` run this before its row is written.
fn on_plan(name: &str, body: &str) -> String {
    format!(
        "CREATE SEQUENCE orchestrator.attempts;
        CREATE FUNCTION orchestrator.on_plan() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            {body}
            RETURN NEW;
        END $$;
        CREATE TRIGGER on_plan BEFORE INSERT ON orchestrator.compute_plan
            FOR EACH ROW WHEN (NEW.name = '{name}') EXECUTE FUNCTION orchestrator.on_plan()"
    )
}

/// Fails twice with this code of the database; a sequence is not rolled back.
fn fail_twice(sqlstate: &str) -> String {
    format!(
        "IF nextval('orchestrator.attempts') <= 2 THEN
            PERFORM pg_sleep(0.05);
            RAISE EXCEPTION 'trouble' USING ERRCODE = '{sqlstate}';
        END IF;"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_trouble_is_tried_again_from_nothing_within_the_budget() {
    // core/TX-4, TX-5, TX-7, DEF-21: a serialization failure, a deadlock, and a unique key that a race has taken.
    for sqlstate in ["40001", "40P01", "23505"] {
        let database = migrated().await;
        sql(&database).await.batch_execute(&on_plan("troubled", &fail_twice(sqlstate))).await.unwrap();
        let replica =
            Replica::start_with(database.url(), |options| options.retry_budget = Duration::from_secs(10))
                .await;
        let member = replica.registered("OrgA", "north").await;
        let began = now_in_micros();
        let registered = member.ok(PLAN, json!({ "key": key(1), "name": "troubled" })).await;
        let events = member.events().await;
        assert_eq!(events.len(), 2, "{sqlstate}: nothing of the attempts that failed");
        assert_eq!(events[1]["timestamp"], registered["creation_date"], "{sqlstate}");
        let date: jiff::Timestamp = registered["creation_date"].as_str().unwrap().parse().unwrap();
        assert!(date.as_microsecond() >= began + 100_000, "{sqlstate}: the time is that of the last attempt");
    }
}

fn now_in_micros() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_keep_their_distance_and_end_with_the_budget() {
    // core/TX-5, DEF-20
    const ALWAYS: &str = "PERFORM nextval('orchestrator.attempts');
        RAISE EXCEPTION 'trouble' USING ERRCODE = '40001';";
    for (budget, attempts) in [(Duration::ZERO, 1..=1), (Duration::from_millis(1_000), 3..=40)] {
        let database = migrated().await;
        let client = sql(&database).await;
        client.batch_execute(&on_plan("troubled", ALWAYS)).await.unwrap();
        let replica = Replica::start_with(database.url(), |options| options.retry_budget = budget).await;
        let member = replica.registered("OrgA", "north").await;
        let began = Instant::now();
        let refused = member.call(PLAN, json!({ "key": key(1), "name": "troubled" })).await.unwrap_err();
        assert_eq!((refused.status().as_str(), refused.oe()), ("UNAVAILABLE", ""), "{refused:?}");
        assert!(began.elapsed() >= budget);
        let made = client.query_one("SELECT last_value FROM orchestrator.attempts", &[]).await.unwrap();
        assert!(attempts.contains(&made.get::<_, i64>(0)), "{made:?} within {budget:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_held_up_holds_up_no_other_channel() {
    // core/CHN-5, DEF-19, compute/DEF-33
    let database = migrated().await;
    sql(&database).await.batch_execute(&on_plan("held", "PERFORM pg_sleep(2);")).await.unwrap();
    let replica = Replica::start(database.url()).await;
    let north = replica.registered("OrgA", "north").await;
    let south = replica.registered("OrgB", "south").await;
    let held = tokio::spawn(async move { north.ok(PLAN, json!({ "key": key(1), "name": "held" })).await });
    let client = sql(&database).await;
    let sleeping = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event = 'PgSleep'";
    eventually(async || client.query_one(sleeping, &[]).await.unwrap().get::<_, i64>(0) == 1).await;
    south.ok(PLAN, plan(2)).await;
    assert!(!held.is_finished());
    held.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_of_one_channel_do_not_make_each_other_fail() {
    // core/TX-12, DEF-19, compute/DEF-33, S-56: 32 clients, as fast as they can.
    let database = migrated().await;
    let replica = Replica::start(database.url()).await;
    let member = replica.registered("OrgA", "north").await;
    let until = Instant::now() + Duration::from_secs(2);
    let writers = (0..32).map(|writer| {
        let member = replica.member("OrgA", "north");
        async move {
            let mut written = 0;
            while Instant::now() < until {
                written += 1;
                member.ok(MANAGER, manager(writer * 100_000 + written)).await;
            }
            written
        }
    });
    let written: u32 = join_all(writers).await.into_iter().sum();
    let events = member.events().await;
    assert_eq!(events.len(), usize::try_from(written).unwrap() + 1, "one event for each success");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_given_up_happens_entirely_or_not_at_all() {
    // core/TX-10, S-57: at random moments, some before anything was sent.
    const CALLS: u32 = 500;
    let database = migrated().await;
    let replica = Replica::start(database.url()).await;
    let member = replica.registered("OrgA", "north").await;
    let mut random = fastrand::Rng::with_seed(57);
    let patience: Vec<_> = (0..CALLS).map(|_| Duration::from_micros(random.u64(0..60_000))).collect();
    // Not too many on one connection: whoever gives up so much at once is cut off.
    let givers_up: Vec<_> = (0..50).map(|_| replica.member("OrgA", "north")).collect();
    let calls = (0..CALLS).zip(patience).zip(givers_up.iter().cycle()).map(|((number, patience), member)| {
        let call = member.call(PLAN, plan(number));
        async move { tokio::time::timeout(patience, call).await.is_ok_and(|answer| answer.is_ok()) }
    });
    let answered = join_all(calls).await;
    // What is still under way will have ended before this.
    member.ok(PLAN, plan(CALLS)).await;
    let events = member.events().await;
    let mut happened = 0;
    for (number, answered) in (0..CALLS).zip(answered) {
        let count = events.iter().filter(|event| event["asset_key"] == key(number)).count();
        let found = member.call("ComputePlanService/GetPlan", json!({ "key": key(number) })).await.is_ok();
        assert_eq!(count, usize::from(found), "plan {number}: the asset and one event, or neither");
        assert!(found || !answered, "plan {number} was acknowledged");
        happened += u32::from(found);
    }
    assert!(happened > 0, "not all were given up too early to tell");
}

/// Refuses, after the connection of its batch has been cut.
struct CutOff {
    database: String,
}

impl Command for CutOff {
    type Answer = ();

    fn needs(&self, _caller: &OrganizationId, _facts: &Facts, needs: &mut Needs) {
        needs.organizations = true;
    }

    fn decide(&self, _call: &Call, _facts: &Facts) -> Result<Decision<()>, Refusal> {
        const CUT: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND state = 'idle in transaction'";
        let database = self.database.clone();
        let cut = std::thread::spawn(move || {
            tokio::runtime::Runtime::new().unwrap().block_on(async {
                let (client, connection) =
                    tokio_postgres::connect(&database, tokio_postgres::NoTls).await.unwrap();
                tokio::spawn(connection);
                client.query_one(CUT, &[]).await.unwrap().get::<_, i64>(0)
            })
        });
        assert_eq!(cut.join().unwrap(), 1);
        Err(Refusal::permission_denied("the cause"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_back_that_fails_does_not_hide_its_cause() {
    // core/DEF-24
    let database = migrated().await;
    let store = Postgres::connect(database.url(), PostgresOptions::default()).await.unwrap();
    let service = Service::new(Arc::new(store), Options::new(Arc::new(server::encode_event)));
    let command = CutOff { database: database.url().to_owned() };
    let (north, caller) = (ChannelName::new("north"), OrganizationId::new("OrgA"));
    let outcome = tokio::time::timeout(PATIENCE, service.execute(&north, &caller, command)).await.unwrap();
    assert_eq!(outcome, Err(Failure::Refused(Refusal::permission_denied("the cause"))));
}
