//! What the database makes of a batch's statements: each finds its rows by key, whatever the tables held when its plan was made.
//!
//! A writer keeps one plan for each statement as long as it is connected (see `pool.rs`). These tests look at the plans that it would keep if
//! it began on an empty database, and on one whose tables are just large enough for the database to analyze them.

use asset::{ChannelName, ComputeTaskStatus, Needs};
use persistence::Head;
use tokio_postgres::Client;

use crate::load::{Query, queries};
use crate::pool::{WRITER_SETTINGS, with_settings};
use crate::statement::Statement;
use crate::testing::Cluster;
use crate::{Postgres, PostgresOptions};
use crate::{address, channel, compute_plan, compute_task, connection_string, data_manager, function, model};

/// Rows in each table that is looked into, with values that do not matter.
const FILL: &str = "
    INSERT INTO orchestrator.channel
        SELECT n::text, 0, sha256(''), 0 FROM generate_series(1, 51) AS n;
    INSERT INTO orchestrator.storage_address
        SELECT 'channel', n::text FROM generate_series(1, 51) AS n;
    INSERT INTO orchestrator.data_manager
        SELECT gen_random_uuid(), 'channel', '', '', '{}', '{}', '{}', '{}', '{}', n FROM generate_series(1, 51) AS n;
    INSERT INTO orchestrator.data_sample
        SELECT gen_random_uuid(), 'channel', '', '', n FROM generate_series(1, 51) AS n;
    INSERT INTO orchestrator.data_sample_manager
        SELECT key, gen_random_uuid(), 0 FROM orchestrator.data_sample;
    INSERT INTO orchestrator.function
        SELECT gen_random_uuid(), 'channel', '', '', '{}', '{}', '{}', NULL, '{}', '{}', '{}', 1, n
        FROM generate_series(1, 51) AS n;
    INSERT INTO orchestrator.compute_plan
        SELECT gen_random_uuid(), 'channel', '', '', '', '{}', n FROM generate_series(1, 51) AS n;
    INSERT INTO orchestrator.compute_task OVERRIDING SYSTEM VALUE
        SELECT gen_random_uuid(), n, 'channel', gen_random_uuid(), gen_random_uuid(), 'owner', 'worker', 0, 7, '{}', '{}',
            '{}', '{}', n
        FROM generate_series(1, 51) AS n;
    INSERT INTO orchestrator.compute_task_parent
        SELECT gen_random_uuid(), key FROM orchestrator.compute_task;
    INSERT INTO orchestrator.compute_task_input_asset
        SELECT gen_random_uuid(), key FROM orchestrator.compute_task;
    INSERT INTO orchestrator.output_asset
        SELECT key, 'identifier', 1, 'channel', 8, '' FROM orchestrator.compute_task;
    INSERT INTO orchestrator.model
        SELECT gen_random_uuid(), 'channel', key, '{}', '{}', '', 0 FROM orchestrator.compute_task;
    INSERT INTO orchestrator.failure_report
        SELECT key, 'channel', 1, 1, '{}', '', 0 FROM orchestrator.compute_task;
    ANALYZE";

/// Every look-up that a batch does. What only questions need is planned anew each time, and left out.
fn needs() -> Needs {
    let mut needs = Needs {
        organizations: true,
        ..Needs::default()
    };
    needs.data_managers.insert(nobody());
    needs.data_samples.insert(nobody());
    needs.functions.insert(nobody());
    needs.compute_plans.insert(nobody());
    needs.compute_tasks.insert(nobody());
    needs.task_statuses.insert(nobody());
    needs.children.insert(nobody());
    needs.unbuilt_tasks.insert(nobody());
    needs.output_assets.insert(nobody());
    needs.models.insert(nobody());
    needs.model_users.insert(nobody());
    needs.failure_reports.insert(nobody());
    needs.addresses.insert(String::new());
    needs
}

fn nobody<K: asset::key::Key>() -> K {
    K::from_uuid(uuid::Uuid::nil())
}

#[tokio::test]
async fn rows_are_found_by_key() {
    let database = Cluster::shared().await.fresh_database().await;
    Postgres::connect(database.url(), PostgresOptions::default())
        .await
        .unwrap()
        .migrate()
        .await
        .unwrap();
    let (config, tls) = connection_string::parse(database.url(), |_| None).unwrap();
    for content in ["", FILL] {
        let config = with_settings(&config, WRITER_SETTINGS);
        let (client, connection) = config.connect(tls.connector().unwrap()).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(content).await.unwrap();
        check_all(&client).await;
    }
}

async fn check_all(client: &Client) {
    let channel = ChannelName::new("channel");
    let (needs, head) = (needs(), Head::default());
    let loads = queries(&channel, &needs)
        .into_iter()
        .map(Query::split)
        .map(|(statement, _)| statement);
    let writes = [
        channel::lock(&channel),
        channel::advance(&channel, &head),
        data_manager::rename(&[]),
        function::update(&[]),
        compute_plan::update(&[]),
        compute_task::set_status(ComputeTaskStatus::Done.number(), Vec::new()),
        model::disable(&[]),
        address::release(&channel, &[]),
    ];
    for (number, statement) in loads.chain(writes).enumerate() {
        check(client, number, &statement).await;
    }
}

/// Each scan of an index has a condition, and unless there is but one row for each channel or organization, on more than the channel.
async fn check(client: &Client, number: usize, statement: &Statement<'_>) {
    let sql = statement.sql();
    let parameters = (1..=20)
        .filter(|number| sql.contains(&format!("${number}")))
        .count();
    client
        .batch_execute(&format!("PREPARE statement_{number} AS {sql}"))
        .await
        .unwrap();
    let explain = format!(
        "EXPLAIN EXECUTE statement_{number} ({})",
        vec!["NULL"; parameters].join(", ")
    );
    let rows = client.query(&explain, &[]).await.unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let text = plan.join("\n");
    let is_small = sql.contains("FROM orchestrator.organization") || sql.contains("orchestrator.channel");
    let scans = plan
        .iter()
        .filter(|line| line.contains("Index Scan") || line.contains("Index Only Scan"))
        .count();
    let conditions = plan.iter().filter(|line| line.contains("Index Cond")).count();
    assert!(
        scans > 0 && scans == conditions && !text.contains("Seq Scan"),
        "{sql}\n{text}"
    );
    assert!(
        is_small || !text.contains("Index Cond: (channel = $1)\n"),
        "{sql}\n{text}"
    );
}
