//! The demo as a whole, on a real server: what it learns, what it leaves behind, and how it fails.

use std::path::Path;

use client::{Client, ClientOptions};
use proto::QueryPerformancesParam;
use tokio::runtime::Runtime;

use super::plan::Plan;
use super::progress::Progress;
use super::storage::Storage;
use super::{CHANNEL, Finished, learn, make_folder, start_server};

const PLAN: Plan = Plan { organizations: 2, rounds: 2, seed: 1 };

/// Runs the demo from a server's start to its end. The runtime ends with it, and so does everything that held the store.
fn run(plan: Plan, folder: &Path) -> anyhow::Result<Finished> {
    Runtime::new().unwrap().block_on(async {
        let server = start_server(plan, folder).await.unwrap();
        let progress = Progress::lines(plan, std::io::sink());
        let finished = learn(plan, Storage::new(folder), server.address, progress).await;
        server.stop().await.unwrap();
        finished
    })
}

/// The performances by round, then organization.
fn performances(finished: &Finished) -> Vec<Vec<f32>> {
    (1..=PLAN.rounds).map(|round| finished.seen.round(round)).collect()
}

#[test]
fn the_same_seed_gives_the_same_numbers_and_another_seed_others() {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let folder = tempfile::tempdir().unwrap();
        runs.push(run(Plan { seed, ..PLAN }, folder.path()).unwrap());
    }
    let [first, second, other] = runs.as_slice() else { panic!("three runs") };
    assert_eq!(performances(first), performances(second));
    assert_ne!(performances(first), performances(other));
    assert_eq!((first.seen.events, first.calls), (second.seen.events, second.calls));
    assert_eq!(first.seen.tasks_done, 10);
    for (before, after) in first.seen.round(1).into_iter().zip(first.seen.round(2)) {
        assert!(after > before, "{before} to {after}");
    }
}

#[test]
fn the_store_can_be_served_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let finished = run(PLAN, folder.path()).unwrap();
    let mut measured = performances(&finished).concat();
    let mut stored = Runtime::new().unwrap().block_on(stored_performances(folder.path()));
    measured.sort_by(f32::total_cmp);
    stored.sort_by(f32::total_cmp);
    assert_eq!(stored, measured);
}

async fn stored_performances(folder: &Path) -> Vec<f32> {
    let server = start_server(PLAN, folder).await.unwrap();
    let options = ClientOptions::new(format!("http://{}", server.address), PLAN.owner(), CHANNEL);
    let client = Client::connect(options).await.unwrap();
    let stored = client.call(QueryPerformancesParam::default()).await.unwrap().performances;
    stored.into_iter().map(|performance| performance.performance_value).collect()
}

#[test]
fn a_task_that_cannot_be_executed_ends_the_demo_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("MyOrg2MSP")).unwrap();
    std::fs::write(folder.path().join("MyOrg2MSP/models"), "in the way").unwrap();
    let error = format!("{:#}", run(PLAN, folder.path()).err().unwrap());
    assert!(error.starts_with("MyOrg2MSP could not train in round 1: cannot make "), "{error}");
}

#[test]
fn a_folder_that_is_in_use_is_refused_and_a_missing_one_is_made() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("new/demo");
    assert_eq!(make_folder(Some(&folder)).unwrap(), folder);
    assert_eq!(make_folder(Some(&folder)).unwrap(), folder);
    std::fs::write(folder.join("file"), "").unwrap();
    let refused = make_folder(Some(&folder)).unwrap_err().to_string();
    assert!(refused.ends_with("is not empty: use another --data"), "{refused}");
}
