//! What the database makes of the statements: which index leads to the rows.
//!
//! A connection keeps one plan for each statement as long as it lives (see `pool.rs`): plans are looked at as they would
//! be if it began on an empty database, or on one whose tables the database has analyzed.

#![cfg(test)]

use asset::compute_task::ComputeTaskStatus as Status;
use asset::key::Key;
use asset::{ChannelName, ComputeTaskKey, Needs, OrganizationId, Timestamp};
use persistence::{
    ByDateAndKey, ByDateAndPerformance, ByTimeAndPosition, ComputeTaskFilter, DataSampleFilter, EventFilter,
    EventLimit, FunctionFilter, Head, PageRequest, PerformanceFilter, SortOrder, Start,
};
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use crate::load::{Query, queries};
use crate::pool::{PLAN_SETTINGS, with_settings};
use crate::statement::Statement;
use crate::testing::{Cluster, TestDatabase};
use crate::{Postgres, PostgresOptions, connection_string};
use crate::{
    address, channel, compute_plan, compute_task, data_manager, data_sample, event, function, model,
    performance,
};

/// The number of rows that makes the database analyze a table by itself.
const FEW: u32 = 51;

/// A number of rows that nobody wants to walk through.
const MANY: u32 = 20_000;

/// Fills the tables with so many rows; a task's status may depend on its number `n`.
fn fill(rows: u32, status: &str) -> String {
    format!(
        "INSERT INTO orchestrator.channel
            SELECT n::text, 0, sha256(''), 0 FROM generate_series(1, {rows}) AS n;
        INSERT INTO orchestrator.storage_address
            SELECT 'channel', n::text FROM generate_series(1, {rows}) AS n;
        INSERT INTO orchestrator.data_manager
            SELECT gen_random_uuid(), 'channel', '', '', '{{}}', '{{}}', '{{}}', '{{}}', '{{}}', n
            FROM generate_series(1, {rows}) AS n;
        INSERT INTO orchestrator.data_sample
            SELECT gen_random_uuid(), 'channel', '', '', n FROM generate_series(1, {rows}) AS n;
        INSERT INTO orchestrator.data_sample_manager
            SELECT key, gen_random_uuid(), 0 FROM orchestrator.data_sample;
        INSERT INTO orchestrator.function
            SELECT gen_random_uuid(), 'channel', '', '', '{{}}', '{{}}', '{{}}', NULL, '{{}}', '{{}}', '{{}}', 1, n
            FROM generate_series(1, {rows}) AS n;
        INSERT INTO orchestrator.compute_plan
            SELECT gen_random_uuid(), 'channel', '', '', '', '{{}}', n FROM generate_series(1, {rows}) AS n;
        INSERT INTO orchestrator.compute_task OVERRIDING SYSTEM VALUE
            SELECT gen_random_uuid(), n, 'channel', gen_random_uuid(), gen_random_uuid(), 'worker ' || n % 4, n, ''
            FROM generate_series(1, {rows}) AS n;
        INSERT INTO orchestrator.compute_task_status
            SELECT key, (SELECT {status} FROM (VALUES (task.registration)) AS number (n)), channel, function_key,
                compute_plan_key, worker, creation_date
            FROM orchestrator.compute_task AS task;
        INSERT INTO orchestrator.compute_task_parent
            SELECT gen_random_uuid(), key FROM orchestrator.compute_task;
        INSERT INTO orchestrator.model_use
            SELECT gen_random_uuid(), key FROM orchestrator.compute_task;
        INSERT INTO orchestrator.output_asset
            SELECT key, 'identifier', 1, 'channel', 8, '' FROM orchestrator.compute_task;
        INSERT INTO orchestrator.model
            SELECT gen_random_uuid(), 'channel', key, '{{}}', '{{}}', '', 0 FROM orchestrator.compute_task;
        INSERT INTO orchestrator.performance
            SELECT key, 'identifier', 'channel', 0, creation_date FROM orchestrator.compute_task;
        INSERT INTO orchestrator.failure_report
            SELECT key, 'channel', 1, 1, '{{}}', '', 0 FROM orchestrator.compute_task;
        INSERT INTO orchestrator.event
            SELECT 'channel', n, gen_random_uuid(), n, 6, 1, n::text, '{{}}', '', sha256('')
            FROM generate_series(1, {rows}) AS n;
        ANALYZE"
    )
}

const EMPTY: &str = "TRUNCATE orchestrator.channel, orchestrator.storage_address, orchestrator.data_manager,
    orchestrator.data_sample, orchestrator.data_sample_manager, orchestrator.function, orchestrator.compute_plan,
    orchestrator.compute_task, orchestrator.compute_task_status, orchestrator.compute_task_parent, orchestrator.model_use,
    orchestrator.output_asset, orchestrator.model, orchestrator.performance, orchestrator.failure_report,
    orchestrator.event";

async fn migrated() -> TestDatabase {
    let database = Cluster::shared().await.fresh_database().await;
    let store = Postgres::connect(database.url(), PostgresOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    database
}

async fn connect(database: &TestDatabase) -> Client {
    let (config, tls) = connection_string::parse(database.url(), |_| None).unwrap();
    let config = with_settings(&config, PLAN_SETTINGS);
    let (client, connection) = config.connect(tls.connector().unwrap()).await.unwrap();
    tokio::spawn(connection);
    client
}

fn channel() -> ChannelName {
    ChannelName::new("channel")
}

fn nobody<K: Key>() -> K {
    K::from_uuid(Uuid::nil())
}

/// Every look-up that a batch or a question does.
fn needs_of_batches() -> Needs {
    Needs {
        organizations: true,
        data_managers: [nobody()].into(),
        data_samples: [nobody()].into(),
        functions: [nobody()].into(),
        compute_plans: [nobody()].into(),
        compute_tasks: [nobody()].into(),
        task_statuses: [nobody()].into(),
        children: [nobody()].into(),
        unbuilt_tasks: [nobody()].into(),
        output_assets: [nobody()].into(),
        models: [nobody()].into(),
        model_users: [nobody()].into(),
        failure_reports: [nobody()].into(),
        addresses: [String::new()].into(),
        samples_of_managers: [nobody()].into(),
        statuses_in_plans: [nobody()].into(),
    }
}

#[tokio::test]
async fn a_batch_finds_rows_by_key_whenever_its_plans_were_made() {
    let database = migrated().await;
    for content in [String::new(), fill(FEW, "7")] {
        let client = connect(&database).await;
        client.batch_execute(&content).await.unwrap();
        check_batches(&client).await;
    }
}

async fn check_batches(client: &Client) {
    let (channel, needs, head) = (channel(), needs_of_batches(), Head::default());
    let loads = queries(&channel, &needs).into_iter().map(|query| Query::split(query).0);
    let writes = [
        channel::lock(&channel),
        channel::advance(&channel, &head),
        data_manager::rename(&[]),
        function::update(&[]),
        compute_plan::update(&[]),
        compute_task::set_status(Status::Done.number(), Vec::new()),
        model::disable(&[]),
        address::release(&channel, &[]),
    ];
    for statement in loads.chain(writes) {
        check_keyed(&statement, &generic_plan(client, &statement).await);
    }
}

/// Each look into an index has a condition, and where a channel has more than a few rows, not only on the
/// channel.
fn check_keyed(statement: &Statement<'_>, plan: &str) {
    let sql = statement.sql();
    let is_small = sql.contains("FROM orchestrator.organization") || sql.contains("orchestrator.channel");
    let looks = plan.matches("Index Scan").count() + plan.matches("Index Only Scan").count();
    assert!(looks > 0 && looks == plan.matches("Index Cond").count(), "{sql}\n{plan}");
    assert!(!plan.contains("Seq Scan"), "{sql}\n{plan}");
    assert!(is_small || !plan.contains("Index Cond: (channel = $1)\n"), "{sql}\n{plan}");
}

#[tokio::test]
async fn a_page_is_found_by_the_index_that_fits_its_filter() {
    // core/DEF-58
    let database = migrated().await;
    let client = connect(&database).await;
    let nearly_all_done = "CASE n % 50 WHEN 0 THEN 7 WHEN 1 THEN 2 ELSE 4 END";
    // The first plan alone in its channel, as the database may remember it long after there are many.
    let of_one_plan = fill(FEW, "4")
        .replace(
            "gen_random_uuid(), gen_random_uuid(), 'worker",
            &format!("'{0}', '{0}', 'worker", Uuid::nil()),
        )
        .replace("6, 1, n::text", "6, 1, 'one asset'");
    for content in [String::new(), of_one_plan, fill(MANY, nearly_all_done)] {
        client.batch_execute(EMPTY).await.unwrap();
        client.batch_execute(&content).await.unwrap();
        check_pages(&client).await;
    }
}

async fn check_pages(client: &Client) {
    let channel = channel();
    let middle = Timestamp::from_micros(i64::from(MANY / 2));

    let worker = Some(OrganizationId::new("worker 2"));
    let all = ComputeTaskFilter::default();
    for (filter, index) in [
        (all.clone(), "compute_task_by_date"),
        (ComputeTaskFilter { worker: worker.clone(), ..all.clone() }, "compute_task_by_worker"),
        (ComputeTaskFilter { compute_plan_key: Some(nobody()), ..all.clone() }, "compute_task_by_plan"),
        (ComputeTaskFilter { function_key: Some(nobody()), ..all.clone() }, "compute_task_by_function"),
        (
            ComputeTaskFilter { worker, status: Some(Status::WaitingForExecutorSlot), ..all.clone() },
            "compute_task_at_work",
        ),
        (ComputeTaskFilter { status: Some(Status::Done), ..all }, "compute_task_by_date"),
    ] {
        for start in [Start::First, Start::After(ByDateAndKey(middle, Uuid::nil()))] {
            let statement = compute_task::list(&channel, &filter, &PageRequest { start, size: 100 });
            check_index(client, &statement, index).await;
        }
    }

    let all = EventFilter::default();
    for (filter, index) in [
        (all.clone(), "event_by_time"),
        (EventFilter { asset_key: Some("7".to_owned()), ..all.clone() }, "event_by_asset"),
        (EventFilter { start: Some(middle), end: Some(middle), ..all }, "event_by_time"),
    ] {
        for sort in [SortOrder::Ascending, SortOrder::Descending] {
            let start = Start::After(ByTimeAndPosition(middle, 7));
            let statement = event::list(&channel, &filter, sort, &PageRequest { start, size: 100 });
            check_index(client, &statement, index).await;
        }
    }
    check_index(client, &event::after(&channel, 7, EventLimit { events: 100, bytes: 1 << 17 }), "event_pkey")
        .await;

    let place = ByDateAndPerformance(middle, ComputeTaskKey::from_uuid(Uuid::nil()), String::new());
    let page = PageRequest { start: Start::After(place), size: 100 };
    let filter = PerformanceFilter::default();
    check_index(client, &performance::list(&channel, &filter, &page), "performance_by_date").await;

    // What is looked for on its own is sorted afterwards.
    let filter = PerformanceFilter { compute_task_key: Some(nobody()), ..filter };
    check_found_by(client, &performance::list(&channel, &filter, &page), "performance_pkey").await;
    let page = PageRequest { start: Start::First, size: 100 };
    let filter = DataSampleFilter { keys: vec![nobody()] };
    check_found_by(client, &data_sample::list(&channel, &filter, &page), "data_sample_pkey").await;
    let filter = FunctionFilter { compute_plan_key: Some(nobody()) };
    check_found_by(client, &function::list(&channel, &filter, &page), "compute_task_by_plan").await;
}

/// This index is looked into, and its order is that of the page.
async fn check_index(client: &Client, statement: &Statement<'_>, index: &str) {
    let plan = check_found_by(client, statement, index).await;
    assert!(!plan.contains("Sort"), "{index}\n{plan}");
}

/// This index is looked into.
async fn check_found_by(client: &Client, statement: &Statement<'_>, index: &str) -> String {
    let plan = generic_plan(client, statement).await;
    assert!(plan.contains(&format!("using {index} ")), "{index}\n{plan}");
    assert!(!plan.contains("Seq Scan") && !plan.contains("Gather"), "{index}\n{plan}");
    plan
}

/// The plan for the statement with any parameters.
async fn generic_plan(client: &Client, statement: &Statement<'_>) -> String {
    let parameters = vec!["NULL"; statement.parameters().len()].join(", ");
    client.batch_execute(&format!("PREPARE it AS {}", statement.sql())).await.unwrap();
    let rows = client.query(&format!("EXPLAIN (COSTS OFF) EXECUTE it ({parameters})"), &[]).await.unwrap();
    client.batch_execute("DEALLOCATE it").await.unwrap();
    text(&rows)
}

fn text(plan: &[Row]) -> String {
    plan.iter().map(|line| line.get::<_, String>(0) + "\n").collect()
}
