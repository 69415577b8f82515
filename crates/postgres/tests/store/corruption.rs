//! Rows that this program has not written: the message leads to the value.

use asset::{Change, Needs};
use persistence::conformance::samples::{channel, compute_task, envelope, function, key};
use persistence::conformance::steps::{append, apply, first, read_in};
use persistence::{Error, Store};
use postgres::testing::Cluster;

use super::{client, migrated};

#[tokio::test]
async fn what_cannot_be_understood_is_named_by_table_column_and_key() {
    let database = Cluster::shared().await.fresh_database().await;
    let store = migrated(&database).await;
    let changes = vec![
        Change::FunctionRegistered(function(1).into()),
        Change::ComputeTaskRegistered(compute_task(2).into()),
    ];
    apply(&store, changes).await.unwrap();
    append(&store, vec![envelope(3)]).await.unwrap();
    client(&database)
        .await
        .batch_execute(
            "UPDATE orchestrator.function SET permissions = '[]';
            ALTER TABLE orchestrator.compute_task_status DROP CONSTRAINT compute_task_status_is_known;
            UPDATE orchestrator.compute_task_status SET status = 99;
            UPDATE orchestrator.event SET metadata = '1' WHERE position = 3;",
        )
        .await
        .unwrap();

    let function = Needs { functions: [key(1)].into(), ..Needs::default() };
    for (outcome, column, key) in [
        (
            read_in(&store, &channel(), &function).await.map(drop),
            "function.permissions",
            key::<asset::FunctionKey>(1).to_string(),
        ),
        (
            store.compute_tasks(&channel(), Default::default(), first(10)).await.map(drop),
            "compute_task.status",
            key::<asset::ComputeTaskKey>(2).to_string(),
        ),
        (store.events_after(&channel(), 2, 10).await.map(drop), "event.metadata", "3".to_owned()),
    ] {
        let Err(Error::Corrupt(message)) = outcome else { panic!("{outcome:?}") };
        assert!(message.starts_with(&format!("{column} of {key}: ")), "{message}");
    }
}
