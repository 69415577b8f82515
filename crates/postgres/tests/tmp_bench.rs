//! tmp
#![expect(clippy::unwrap_used, reason="tmp")]
use std::sync::Arc;
use std::time::{Duration, Instant};
use asset::*;
use asset::key::Key;
use uuid::Uuid;
use persistence::conformance::{samples::*, steps::*};
use persistence::{Store, WriteSet};
use postgres::testing::Cluster;
use postgres::{Postgres, PostgresOptions};

fn task() -> ComputeTask { let mut t = child_task(1, &[5,6]); t.key = ComputeTaskKey::from_uuid(Uuid::new_v4()); t.inputs.push(asset_input(7)); t.inputs.push(asset_input(8)); t }

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes() {
    let database = Cluster::shared().await.fresh_database().await;
    let store = Arc::new(Postgres::connect(database.url(), PostgresOptions::default()).await.unwrap());
    store.migrate().await.unwrap();
    apply(&*store, (1..100).map(|n| Change::FunctionRegistered(Arc::new(function(n)))).collect()).await.unwrap();
    for round in 0..2 {
    for size in [1u32, 4, 16, 64, 128] {
        let start = Instant::now();
        let mut n = 0u32;
        let mut lat = vec![];
        while start.elapsed() < Duration::from_secs(2) {
            let t0 = Instant::now();
            let mut batch = store.begin(&channel()).await.unwrap();
            let tasks: Vec<_> = (0..size).map(|_| Change::ComputeTaskRegistered(Arc::new(task()))).collect();
            let mut facts = Facts::default();
            let needs = Needs { organizations: true, functions: [key(1)].into(), compute_plans: [key(1)].into(), data_managers: [key(1)].into(), compute_tasks: tasks.iter().filter_map(|c| if let Change::ComputeTaskRegistered(t) = c { Some(t.key) } else { None }).collect(), ..Needs::default() };
            batch.load(&needs, &mut facts).await.unwrap();
            let mut head = batch.head().clone();
            let events = events_of(&tasks, &mut head);
            batch.apply(WriteSet::of(&tasks), events, head).await.unwrap();
            n += size;
            lat.push(t0.elapsed());
        }
        lat.sort();
        println!("round {round} batch of {size}: {:.0} tasks/s, batch p50 {:?} p99 {:?}", f64::from(n) / start.elapsed().as_secs_f64(), lat[lat.len()/2], lat[lat.len()*99/100]);
    }}
    for _ in 0..3 {
    let tasks: Vec<_> = (0..5000).map(|_| Change::ComputeTaskRegistered(Arc::new(task()))).collect();
    let batch = store.begin(&channel()).await.unwrap();
    let mut head = batch.head().clone();
    let events = events_of(&tasks, &mut head);
    let set = WriteSet::of(&tasks);
    let t0 = Instant::now();
    batch.apply(set, events, head).await.unwrap();
    println!("5000 tasks: {:?}", t0.elapsed());
    }
}
