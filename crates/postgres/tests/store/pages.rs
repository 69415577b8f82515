//! Pages of more rows than a statement may have parameters.

use asset::Change;
use bytes::Bytes;
use persistence::conformance::samples::{channel, compute_task};
use persistence::conformance::steps::apply;
use persistence::{ComputeTaskFilter, PageRequest, Start, Store, task_message};
use postgres::testing::Cluster;

use super::{client, migrated};

#[tokio::test]
async fn a_page_may_have_more_rows_than_a_statement_has_parameters() {
    // compute/DEF-53: inputs and outputs come with their tasks.
    const TASKS: usize = 65_540;
    let database = Cluster::shared().await.fresh_database().await;
    let store = migrated(&database).await;
    apply(&store, vec![Change::ComputeTaskRegistered(compute_task(1).into())]).await.unwrap();
    let copy = format!(
        "INSERT INTO orchestrator.compute_task OVERRIDING SYSTEM VALUE
            SELECT gen_random_uuid(), registration + n, channel, function_key, compute_plan_key, worker, creation_date + n,
                encoded
            FROM orchestrator.compute_task, generate_series(1, {}) AS n;
        INSERT INTO orchestrator.compute_task_status
            SELECT key, 4, channel, function_key, compute_plan_key, worker, creation_date
            FROM orchestrator.compute_task
            ON CONFLICT DO NOTHING",
        TASKS - 1
    );
    client(&database).await.batch_execute(&copy).await.unwrap();
    // Whatever size is asked for, pages end before they are too large (core/PAG-6).
    let (mut start, mut tasks, mut more) = (Start::First, 0, true);
    while more {
        let request = PageRequest { start, size: TASKS };
        let page = store.compute_tasks(&channel(), ComputeTaskFilter::default(), request).await.unwrap();
        let sent = |sent: &Bytes| task_message::decode_sent(sent).unwrap();
        assert!(page.items.iter().all(|(_, task)| sent(task).outputs == compute_task(1).outputs));
        (tasks, more) = (tasks + page.items.len(), page.more);
        start = page.items.into_iter().next_back().map_or(Start::First, |(place, _)| Start::After(place));
    }
    assert_eq!(tasks, TASKS);
}
