//! The model check: random calls of several organizations, on both stores, against a reference that is too simple to be wrong.
//!
//! Calls one after the other must answer and tell exactly as the reference does. Calls at the same time must come out as some order of
//! them would. A failing sequence is shrunk to a small one. Start at [`agrees_in_sequence`] and [`agrees_with_some_order`].

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

#[path = "model/operation.rs"]
mod operation;
#[path = "model/reference.rs"]
mod reference;
#[path = "model/shape.rs"]
mod shape;
#[path = "model/universe.rs"]
mod universe;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use persistence::Store;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use service::{Options, Service};
use tokio::runtime::Runtime;

use crate::operation::{Operation, Organization, call, prologue};
use crate::reference::Reference;
use crate::universe::{Universe, describe};

type Call = (Organization, Operation);
type Outcome = Result<String, &'static str>;

/// Both stores, and what runs on them.
struct Bench {
    runtime: Runtime,
    store: Arc<dyn Store>,
    service: Service,
    checks: AtomicU32,
}

impl Bench {
    fn new(runtime: Runtime, store: Arc<dyn Store>) -> Self {
        let options = Options::new(Arc::new(|event| Bytes::from(describe(event))));
        let service = runtime.block_on(async { Service::new(Arc::clone(&store), options) });
        Self { runtime, store, service, checks: AtomicU32::new(1) }
    }

    /// A fresh channel after the prologue, and its reference.
    async fn begin(&self) -> (Universe, Reference) {
        let universe = Universe::new(self.service.clone(), self.checks.fetch_add(1, Ordering::Relaxed));
        let mut reference = Reference::default();
        for (caller, operation) in prologue() {
            let expected = reference.call(caller, &operation);
            assert!(expected.is_ok(), "{operation:?}: {expected:?}");
            assert_eq!(universe.call(caller, &operation).await, expected, "{operation:?}");
        }
        (universe, reference)
    }

    async fn events(&self, universe: &Universe) -> Vec<String> {
        let events = self.store.events_after(&universe.channel, 0, 100_000).await.unwrap();
        events.iter().map(|event| String::from_utf8(event.encoded.to_vec()).unwrap()).collect()
    }

    /// Every answer and every event is the reference's.
    async fn agrees_in_sequence(&self, calls: &[Call]) -> Result<(), TestCaseError> {
        let (universe, mut reference) = self.begin().await;
        for (caller, operation) in calls {
            let expected = reference.call(*caller, operation);
            prop_assert_eq!(universe.call(*caller, operation).await, expected, "{} {:?}", caller, operation);
        }
        prop_assert_eq!(self.events(&universe).await, reference.events);
        Ok(())
    }

    /// After some calls in sequence, the outcomes and events of calls at the same time are those of some order of them.
    async fn agrees_with_some_order(&self, before: &[Call], at_once: &[Call]) -> Result<(), TestCaseError> {
        let (universe, mut reference) = self.begin().await;
        for (caller, operation) in before {
            prop_assert_eq!(universe.call(*caller, operation).await, reference.call(*caller, operation));
        }
        let calls = at_once.iter().map(|(caller, operation)| universe.call(*caller, operation));
        let outcomes = futures::future::join_all(calls).await;
        let events = self.events(&universe).await;
        let orders = orders(at_once.len());
        let explained = orders.iter().any(|order| explains(&reference, at_once, order, &outcomes, &events));
        prop_assert!(
            explained,
            "no order of {at_once:#?} explains {outcomes:?} and {:#?}",
            &events[reference.events.len()..]
        );
        Ok(())
    }

    fn check<S: Strategy>(
        &self,
        cases: u32,
        strategy: &S,
        holds: impl AsyncFn(S::Value) -> Result<(), TestCaseError>,
    ) {
        let config =
            Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
        let outcome = TestRunner::new(config).run(strategy, |value| self.runtime.block_on(holds(value)));
        if let Err(failure) = outcome {
            panic!("{failure}");
        }
    }

    fn check_sequences(&self, cases: u32) {
        let calls = prop::collection::vec(call(), 40..240);
        self.check(cases, &calls, async |calls: Vec<Call>| self.agrees_in_sequence(&calls).await);
    }

    fn check_concurrency(&self, cases: u32) {
        let calls = (prop::collection::vec(call(), 20..80), prop::collection::vec(call(), 2..5));
        self.check(cases, &calls, async |(before, at_once): (Vec<Call>, Vec<Call>)| {
            self.agrees_with_some_order(&before, &at_once).await
        });
    }
}

/// Whether the reference, asked in this order, gives these outcomes and events.
fn explains(
    before: &Reference,
    calls: &[Call],
    order: &[usize],
    outcomes: &[Outcome],
    events: &[String],
) -> bool {
    let mut reference = before.clone();
    let same = order.iter().all(|index| {
        let (caller, operation) = &calls[*index];
        // What an inquiry sees may be older than the writes that ran beside it, but it has an order too.
        reference.call(*caller, operation) == outcomes[*index]
    });
    same && reference.events == events
}

/// All orders of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(count - 1);
    let insert = |order: &Vec<usize>, place: usize| {
        let mut order = order.clone();
        order.insert(place, count - 1);
        order
    };
    shorter.iter().flat_map(|order| (0..count).map(move |place| insert(order, place))).collect()
}

fn embedded() -> Bench {
    Bench::new(Runtime::new().unwrap(), Arc::new(embedded::Embedded::in_memory().unwrap()))
}

/// The database lives as long as the guard.
fn postgresql() -> (Bench, postgres::testing::TestDatabase) {
    let runtime = Runtime::new().unwrap();
    let (store, database) = runtime.block_on(async {
        let database = postgres::testing::Cluster::shared().await.fresh_database().await;
        let store =
            postgres::Postgres::connect(database.url(), postgres::PostgresOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        (store, database)
    });
    (Bench::new(runtime, Arc::new(store)), database)
}

/// What random calls must have led to, or the check would be blind: parts of an event, or an operation and its outcome.
const REACHED: [&str; 15] = [
    "{Last parent task",
    "{Function f",
    "{failure report registered}",
    "DISABLED model",
    "CREATED performance",
    "CREATED output",
    "UPDATED task 2 Done",
    " Canceled rank ",
    "CREATED report f",
    "UPDATED sample",
    "UPDATED plan 0 canceled",
    "DisableOutput OE0108",
    "RegisterTasks OE0102",
    "RegisterModels OE0106",
    "GetTaskInputs ok",
];

#[test]
fn random_calls_reach_the_rules() {
    let mut runner = TestRunner::deterministic();
    let calls = prop::collection::vec(call(), 40..240);
    let mut counts = std::collections::BTreeMap::new();
    for _ in 0..400 {
        let calls = calls.new_tree(&mut runner).unwrap().current();
        let mut reference = Reference::default();
        for (caller, operation) in prologue().into_iter().chain(calls) {
            let outcome = reference.call(caller, &operation);
            let name = format!("{operation:?}");
            let name = name.split([' ', '{']).next().unwrap_or_default();
            let outcome = outcome.as_ref().map_or_else(|code| *code, |_| "ok");
            *counts.entry(format!("{name} {outcome}")).or_insert(0) += 1;
        }
        for event in &reference.events {
            for reached in REACHED.iter().filter(|reached| event.contains(**reached)) {
                *counts.entry((*reached).to_owned()).or_insert(0) += 1;
            }
        }
    }
    let blind: Vec<_> = REACHED.iter().filter(|reached| !counts.contains_key(**reached)).collect();
    assert!(blind.is_empty(), "{blind:?} in {counts:#?}");
}

#[test]
fn the_embedded_store_agrees_in_sequence() {
    embedded().check_sequences(100);
}

#[test]
fn postgresql_agrees_in_sequence() {
    postgresql().0.check_sequences(15);
}

#[test]
fn the_embedded_store_agrees_with_some_order_of_concurrent_calls() {
    embedded().check_concurrency(100);
}

#[test]
fn postgresql_agrees_with_some_order_of_concurrent_calls() {
    postgresql().0.check_concurrency(15);
}
