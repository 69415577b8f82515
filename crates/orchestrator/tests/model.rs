//! The model check: random calls of several organizations in two channels, on both stores, against a reference that is too simple to be wrong.
//!
//! Calls one after the other must answer and tell exactly as the reference does. Calls at the same time must come out as some order of
//! them would. Calls that show a fault are shrunk to few. `MODEL_CHECK_TIMES=20` makes the check twenty times as long. Start at
//! [`Bench::disagreement_in_sequence`] and [`Bench::disagreement_at_once`].

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]

#[path = "model/describe.rs"]
mod describe;
#[path = "model/generator.rs"]
mod generator;
#[path = "model/mirror.rs"]
mod mirror;
#[path = "model/operation.rs"]
mod operation;
#[path = "model/reference/mod.rs"]
mod reference;
#[path = "model/shape.rs"]
mod shape;
#[path = "model/shrinking.rs"]
mod shrinking;
#[path = "model/universe.rs"]
mod universe;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use asset::Event;
use bytes::Bytes;
use persistence::{EventLimit, Store};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use service::{Options, Service};
use tokio::runtime::Runtime;

use crate::generator::{PLANS, Reached, Step, TASKS, prologue, steps};
use crate::operation::{Call, Channel, Kind, List, Operation};
use crate::reference::Reference;
use crate::shrinking::shrink;
use crate::universe::Universe;

type Outcome = Result<String, &'static str>;

const CHANNELS: [Channel; 2] = [0, 1];
const STEPS: usize = 150;
const STEPS_BEFORE: usize = 50;
const AT_ONCE: usize = 4;

/// A store, and what runs on it.
struct Bench {
    runtime: Runtime,
    store: Arc<dyn Store>,
    service: Service,
    checks: AtomicU32,
}

/// The outcome of a call by the reference.
fn expected(reference: &mut Reference, call: &Call) -> Outcome {
    reference.call(call).map_err(|refused| refused.code)
}

impl Bench {
    fn new(runtime: Runtime, store: Arc<dyn Store>, encode_event: fn(&Event) -> Bytes) -> Self {
        let options = Options::new(Arc::new(encode_event));
        let service = runtime.block_on(async { Service::new(Arc::clone(&store), options) });
        Self { runtime, store, service, checks: AtomicU32::new(1) }
    }

    /// Two fresh channels, and their reference.
    fn begin(&self) -> (Universe, Reference) {
        let number = self.checks.fetch_add(1, Ordering::Relaxed);
        (Universe::new(self.service.clone(), number), Reference::default())
    }

    async fn events(&self, universe: &Universe, channel: Channel) -> Vec<String> {
        let events = self
            .store
            .events_after(&universe.channel(channel), 0, EventLimit::events(100_000))
            .await
            .unwrap();
        events.iter().map(|event| String::from_utf8(event.encoded.to_vec()).unwrap()).collect()
    }

    /// What is not as in the reference when calls are made one after the other: an answer, an event, or what there is in the end.
    async fn disagreement_in_sequence(&self, calls: &[Call]) -> Option<String> {
        let (universe, mut reference) = self.begin();
        for call in calls.iter().chain(&inventory()) {
            let (outcome, expected) = (universe.call(call).await, expected(&mut reference, call));
            if outcome != expected {
                return Some(format!("{call:?}\n     came out as {outcome:?}\n    and not as {expected:?}"));
            }
        }
        for channel in CHANNELS {
            let (events, expected) = (self.events(&universe, channel).await, reference.events(channel));
            if events != expected {
                let place =
                    events.iter().zip(&expected).take_while(|(event, expected)| event == expected).count();
                let (event, expected) = (events.get(place), expected.get(place));
                return Some(format!(
                    "event {place} of channel {channel} is {event:?}\n  and not {expected:?}"
                ));
            }
        }
        None
    }

    /// What no order explains, when the last calls are made at the same time: their outcomes and events, and what there is in the end.
    async fn disagreement_at_once(&self, calls: &[Call], at_once: usize) -> Option<String> {
        let (before, at_once) = calls.split_at(calls.len() - at_once);
        let (universe, mut reference) = self.begin();
        for call in before {
            let (outcome, expected) = (universe.call(call).await, expected(&mut reference, call));
            if outcome != expected {
                return Some(format!("{call:?} came out as {outcome:?} and not as {expected:?}"));
            }
        }
        let outcomes = futures::future::join_all(at_once.iter().map(|call| universe.call(call))).await;
        let mut found = Vec::new();
        for channel in CHANNELS {
            found.push(self.events(&universe, channel).await);
        }
        let mut end = Vec::new();
        for call in inventory() {
            end.push(universe.call(&call).await);
        }
        let explains = |order: &Vec<usize>| {
            let mut reference = reference.clone();
            // What an inquiry sees may be older than the writes that ran beside it, but it has an order too.
            order.iter().all(|place| expected(&mut reference, &at_once[*place]) == outcomes[*place])
                && CHANNELS.iter().zip(&found).all(|(channel, found)| reference.events(*channel) == *found)
                && inventory().iter().zip(&end).all(|(call, found)| expected(&mut reference, call) == *found)
        };
        let orders = orders(at_once.len());
        (!orders.iter().any(explains))
            .then(|| format!("no order of them explains {outcomes:#?} and {found:#?}"))
    }

    fn check_sequences(&self, cases: u32) {
        for calls in sequences(cases, STEPS) {
            let disagreement = |calls: &[Call]| self.runtime.block_on(self.disagreement_in_sequence(calls));
            if disagreement(&calls).is_some() {
                let calls = shrink(calls, |calls| disagreement(calls).is_some());
                panic!("after {calls:#?}\n{}", disagreement(&calls).unwrap_or_default());
            }
        }
    }

    fn check_concurrency(&self, cases: u32) {
        for mut calls in sequences(cases, STEPS_BEFORE) {
            // A list of several pages is read in several calls.
            let lists = |call: &Call| matches!(call.operation, Operation::List { .. });
            calls.retain(|call| !lists(call));
            let disagreement = |calls: &[Call]| {
                self.runtime.block_on(self.disagreement_at_once(calls, AT_ONCE.min(calls.len())))
            };
            if disagreement(&calls).is_some() {
                let fails = |calls: &[Call]| (0..5).any(|_| disagreement(calls).is_some());
                let calls = shrink(calls, fails);
                panic!("after {calls:#?}, the last {AT_ONCE} at once\n{:?}", disagreement(&calls));
            }
        }
    }
}

/// So many sequences of calls, each with the prologue first and chosen by what the reference says of them.
fn sequences(cases: u32, length: usize) -> impl Iterator<Item = Vec<Call>> {
    let times = std::env::var("MODEL_CHECK_TIMES").map_or(1, |times| times.parse().expect("a number"));
    let (mut runner, steps, mut reached) = (TestRunner::default(), steps(length), Reached::new());
    (0..cases * times).map(move |_| choose(&steps.new_tree(&mut runner).unwrap().current(), &mut reached))
}

fn choose(steps: &[Step], reached: &mut Reached) -> Vec<Call> {
    let mut calls = prologue();
    let mut reference = Reference::default();
    for call in &calls {
        reference.call(call).unwrap_or_else(|refused| panic!("{call:?}: {refused:?}"));
    }
    for step in steps {
        let call = step.choose(&reference, reached);
        let _accepted_or_not = reference.call(&call);
        calls.push(call);
    }
    calls
}

/// Reads of everything that there is in both channels.
fn inventory() -> Vec<Call> {
    let lists = [
        List::Managers,
        List::Samples { among: Vec::new() },
        List::Functions { plan: None },
        List::Plans { owner: None },
        List::Tasks { worker: None, done: false, plan: None, function: None },
        List::Performances { task: None, output: None },
    ];
    let lists = lists.into_iter().map(|list| Operation::List { list, page_size: 0 });
    let models = (0..20).map(|number| Operation::Get { kind: Kind::Model, number });
    let plans = (0..PLANS).map(|plan| Operation::IsPlanRunning { plan });
    let datasets = (0..4).map(|manager| Operation::Dataset { manager });
    let of_tasks =
        (0..TASKS).flat_map(|task| [Operation::TaskInputs { task }, Operation::TaskModels { task }]);
    let operations: Vec<Operation> =
        lists.chain(models).chain(plans).chain(datasets).chain(of_tasks).collect();
    let call = |channel, operation| Call { channel, caller: 0, operation };
    CHANNELS
        .iter()
        .flat_map(|channel| operations.iter().map(|operation| call(*channel, operation.clone())))
        .collect()
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

/// Events are stored as the texts of the reference.
fn described(event: &Event) -> Bytes {
    Bytes::from(describe::event(event))
}

fn embedded(encode_event: fn(&Event) -> Bytes) -> Bench {
    Bench::new(Runtime::new().unwrap(), Arc::new(embedded::Embedded::in_memory().unwrap()), encode_event)
}

/// The database lives as long as the guard.
fn postgresql(encode_event: fn(&Event) -> Bytes) -> (Bench, postgres::testing::TestDatabase) {
    let runtime = Runtime::new().unwrap();
    let (store, database) = runtime.block_on(async {
        let database = postgres::testing::Cluster::shared().await.fresh_database().await;
        let store =
            postgres::Postgres::connect(database.url(), postgres::PostgresOptions::default()).await.unwrap();
        store.migrate().await.unwrap();
        (store, database)
    });
    (Bench::new(runtime, Arc::new(store), encode_event), database)
}

/// What random calls must lead to, or the check would be blind: an operation and how it comes out, in `model/reached.txt`. The file is written
/// with `UPDATE_TABLES=1`; a rule that is missing from it afterwards is one that the check no longer knows.
#[test]
fn random_calls_reach_the_rules() {
    const RARE: u32 = 4;
    let mut reached = Reached::new();
    let (mut runner, steps) = (TestRunner::deterministic(), steps(STEPS));
    for _ in 0..60 {
        choose(&steps.new_tree(&mut runner).unwrap().current(), &mut reached);
    }
    if std::env::var("UPDATE_TABLES").is_ok_and(|value| value == "1") {
        let often = reached.iter().filter(|(_, count)| **count >= RARE);
        let lines: String = often.map(|((operation, way), _)| format!("{operation}: {way}\n")).collect();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/model/reached.txt");
        std::fs::write(path, lines).unwrap();
        return;
    }
    let reached: Vec<String> = reached.keys().map(|(operation, way)| format!("{operation}: {way}")).collect();
    let listed = include_str!("model/reached.txt").lines();
    let blind: Vec<&str> = listed.filter(|line| !reached.iter().any(|reached| reached == line)).collect();
    assert!(blind.is_empty(), "not reached any more: {blind:#?}");
}

#[test]
fn the_embedded_store_agrees_in_sequence() {
    embedded(described).check_sequences(40);
}

#[test]
fn postgresql_agrees_in_sequence() {
    postgresql(described).0.check_sequences(8);
}

#[test]
fn the_embedded_store_agrees_with_some_order_of_concurrent_calls() {
    embedded(described).check_concurrency(30);
}

#[test]
fn postgresql_agrees_with_some_order_of_concurrent_calls() {
    postgresql(described).0.check_concurrency(8);
}

#[test]
fn mirrors_know_what_the_embedded_store_has() {
    embedded(server::encode_event).check_mirrors(2, 400);
}

#[test]
fn mirrors_know_what_postgresql_has() {
    postgresql(server::encode_event).0.check_mirrors(1, 400);
}
