//! tmp
use std::sync::Arc;
use std::time::Instant;
use asset::*;
use persistence::conformance::{samples::*, steps::*};
use persistence::Store;
use postgres::testing::Cluster;
use postgres::{Postgres, PostgresOptions};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads() {
    let database = Cluster::shared().await.fresh_database().await;
    let store = Arc::new(Postgres::connect(database.url(), PostgresOptions::default()).await.unwrap());
    store.migrate().await.unwrap();
    apply(&*store, (1..1000).map(|n| Change::FunctionRegistered(Arc::new(function(n)))).collect()).await.unwrap();
    for clients in [1u32, 8, 16, 1, 8, 16] {
        let start = Instant::now();
        let n = 3000 / clients;
        let tasks: Vec<_> = (0..clients).map(|c| { let store = Arc::clone(&store); tokio::spawn(async move {
            for i in 0..n {
                let needs = Needs { functions: [key(1 + (i * 7 + c) % 990)].into(), ..Needs::default() };
                let facts = read_in(&*store, &channel(), &needs).await.unwrap();
                assert!(facts.functions.get(key(1 + (i * 7 + c) % 990)).is_some());
            }
        })}).collect();
        for t in tasks { t.await.unwrap(); }
        let e = start.elapsed();
        println!("{clients} clients: {:.0} reads/s", f64::from(n * clients) / e.as_secs_f64());
    }
}
