//! Rows that this program has not written: the message leads to the value.

use asset::{Change, Facts, Needs};
use persistence::conformance::samples::{channel, compute_task, envelope, function, key};
use persistence::conformance::steps::{append, apply, first, read_in};
use persistence::{Error, EventLimit, Store};
use postgres::testing::Cluster;

use super::{client, migrated};

#[tokio::test]
async fn an_error_among_the_rows_is_not_taken_for_their_end() {
    // compute/DEF-32: the tasks that wait for a function, of which one cannot be read, and the statuses in a plan, of
    // which none can: one row of each is all that is looked at.
    let task = compute_task(1);
    for (table, key, unreadable, needs) in [
        (
            "compute_task",
            "key",
            "%12c",
            Needs { unbuilt_tasks: [task.function_key].into(), ..Needs::default() },
        ),
        (
            "compute_task_status",
            "compute_task_key",
            "%",
            Needs { statuses_in_plans: [task.compute_plan_key].into(), ..Needs::default() },
        ),
    ] {
        let database = Cluster::shared().await.fresh_database().await;
        let tasks = (1..=300).map(|number| Change::ComputeTaskRegistered(compute_task(number).into()));
        apply(&migrated(&database).await, tasks.collect()).await.unwrap();
        let trap = format!(
            "CREATE FUNCTION orchestrator.readable(key uuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
                IF key::text LIKE '{unreadable}' THEN RAISE EXCEPTION 'a bad page'; END IF;
                RETURN true;
            END $$;
            ALTER TABLE orchestrator.{table} RENAME TO rows_of_{table};
            CREATE VIEW orchestrator.{table} AS
                SELECT * FROM orchestrator.rows_of_{table} WHERE orchestrator.readable({key})"
        );
        client(&database).await.batch_execute(&trap).await.unwrap();
        let store = super::connect(&database).await;
        let read = read_in(&store, &channel(), &needs).await;
        assert!(read.is_err(), "{needs:?}");
        let batch = store.begin(&channel(), &needs, &mut Facts::default()).await;
        assert!(batch.is_err(), "{needs:?}");
    }
}

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
        (
            store.events_after(&channel(), 2, EventLimit::events(10)).await.map(drop),
            "event.metadata",
            "3".to_owned(),
        ),
    ] {
        let Err(Error::Corrupt(message)) = outcome else { panic!("{outcome:?}") };
        assert!(message.starts_with(&format!("{column} of {key}: ")), "{message}");
    }
}
