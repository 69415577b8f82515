//! Replays the recorded corpus over gRPC against both stores: calls and answers of a Substra orchestrator 1.0.0, with the better answer where
//! the contract marks a defect of it.
//!
//! 42 scenarios, 8,753 steps, each scenario in a channel of its own (`tests/corpus/`). What counts: status, OE code, the whole
//! answer (times and event ids as labels), and the events of a subscription in order. Start at [`replay`]; `corpus/normal.rs` owns the labels,
//! `corpus/expectation.rs` the comparison.

#![expect(clippy::print_stdout, reason = "the share of steps is the result of this test")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[path = "corpus/answer.rs"]
mod answer;
#[path = "corpus/expectation.rs"]
mod expectation;
#[path = "corpus/normal.rs"]
mod normal;
mod wire;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use futures::StreamExt;
use persistence::Store;
use serde_json::{Value, json};
use server::{Membership, Server, ServerOptions};
use service::Service;
use tokio::net::TcpListener;

use crate::answer::Answer;
use crate::normal::Normaliser;
use crate::wire::Wire;

/// How many groups of scenarios run at once.
const GROUPS_AT_ONCE: usize = 6;

struct Scenario {
    name: String,
    channel: String,
    steps: Vec<Value>,
}

fn scenarios() -> Vec<Scenario> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".jsonl.gz"))
        .collect();
    files.sort();
    files.iter().map(read_scenario).collect()
}

fn read_scenario(path: &PathBuf) -> Scenario {
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let head = lines.next().unwrap();
    let text_of = |field: &str| head[field].as_str().unwrap().to_owned();
    Scenario { name: text_of("name"), channel: text_of("channel"), steps: lines.collect() }
}

/// Starts a server on this store whose channels are the scenarios'.
async fn start_server(store: Arc<dyn Store>, scenarios: &[Scenario]) -> String {
    let members: BTreeSet<String> = (1..=3).map(|number| format!("MyOrg{number}MSP")).collect();
    let channels: BTreeMap<_, _> =
        scenarios.iter().map(|scenario| (scenario.channel.clone(), members.clone())).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = Service::new(store, service::Options::new(Arc::new(server::encode_event)));
    let server = Server::new(service, ServerOptions::new(Membership::new(channels)));
    tokio::spawn(server.serve(listener, std::future::pending()));
    address.to_string()
}

/// What is asked of a step instead of what was recorded.
#[derive(Clone, Debug)]
enum Deviation {
    Skip,
    Refuse(String),
    Follows,
}

/// The list in `corpus/deviations.txt`, by scenario and step.
fn deviations() -> HashMap<(String, usize), Deviation> {
    let lines = include_str!("corpus/deviations.txt").lines().filter(|line| !line.starts_with('#'));
    let read = |line: &str| {
        let [scenario, step, what, _why] = line.split(" | ").collect::<Vec<_>>().try_into().unwrap();
        let deviation = match what.split_once(' ') {
            Some(("refuse", code)) => Deviation::Refuse(code.to_owned()),
            None if what == "skip" => Deviation::Skip,
            None if what == "follows" => Deviation::Follows,
            _ => panic!("{line}"),
        };
        ((scenario.to_owned(), step.parse().unwrap()), deviation)
    };
    lines.map(read).collect()
}

/// A step that did not go as the contract asks.
struct Mismatch {
    kind: String,
    detail: String,
    unknown: bool,
}

/// One scenario under way.
struct Run<'a> {
    wire: &'a Wire,
    scenario: &'a Scenario,
    normaliser: Normaliser,
    /// What the steps so far have answered.
    raw: Vec<Value>,
}

impl Run<'_> {
    /// Carries a step out; returns what was called, the answer, and its normal form.
    async fn step(&mut self, step: &Value) -> (String, Answer, Value) {
        let headers = wire::by(step["org"].as_str().unwrap(), &self.scenario.channel);
        let Some(rpc) = step["rpc"].as_str() else {
            let start = resolve(&step["subscribe"], &self.raw);
            let expected = step["expect"]["events"].as_array().map_or(0, Vec::len);
            let answer = match self.wire.subscribe(&start, &headers).await.unwrap() {
                Ok(subscription) => Answer::of_subscription(subscription, expected).await,
                Err(refused) => Answer::Refused(refused),
            };
            let got = self.normaliser.subscription(&answer);
            return ("SubscribeToEvents".to_owned(), answer, got);
        };
        let request = resolve(&step["request"], &self.raw);
        let answer = self.wire.call(rpc, &request, &headers).await.unwrap().into();
        let got = self.normaliser.answer(rpc, &answer);
        (rpc.to_owned(), answer, got)
    }
}

async fn run_scenario(
    wire: &Wire,
    scenario: &Scenario,
    deviations: &HashMap<(String, usize), Deviation>,
) -> Vec<Mismatch> {
    let mut run = Run { wire, scenario, normaliser: Normaliser::default(), raw: Vec::new() };
    let mut mismatches = Vec::new();
    for (number, step) in scenario.steps.iter().enumerate() {
        let deviation = deviations.get(&(scenario.name.clone(), number));
        if matches!(deviation, Some(Deviation::Skip)) {
            run.raw.push(Value::Null);
            continue;
        }
        let (rpc, answer, got) = run.step(step).await;
        let expect = match deviation {
            Some(Deviation::Refuse(oe)) => json!({ "code": "FAILED_PRECONDITION", "oe": oe }),
            Some(Deviation::Follows) => json!({ "ok_any": true }),
            _ => step["expect"].clone(),
        };
        if !expectation::holds(&expect, &got) || answer.is_unknown() {
            mismatches.push(Mismatch {
                kind: format!(
                    "{rpc}: wanted {}, got {}",
                    expectation::brief(&expect),
                    expectation::brief(&got)
                ),
                detail: format!("{} step {number}: {step}\n   got: {got}", scenario.name),
                unknown: answer.is_unknown(),
            });
        }
        run.raw.push(answer.body());
    }
    mismatches
}

/// Replaces `{"$ref": [step, field…]}` by what that step answered.
fn resolve(value: &Value, raw: &[Value]) -> Value {
    match value {
        Value::Object(members) => match members.get("$ref").and_then(Value::as_array) {
            Some(path) => {
                let step = usize::try_from(path[0].as_u64().unwrap()).unwrap();
                let found = path[1..]
                    .iter()
                    .fold(raw[step].clone(), |found, field| found[field.as_str().unwrap()].clone());
                if found.is_null() { Value::String(String::new()) } else { found }
            }
            None => members.iter().map(|(name, member)| (name.clone(), resolve(member, raw))).collect(),
        },
        Value::Array(items) => items.iter().map(|item| resolve(item, raw)).collect(),
        other => other.clone(),
    }
}

/// Groups of scenarios that do not meet. Keys are unique across channels, and the scenarios of mutated requests use the same ones, so they
/// run one after the other, as they were recorded.
fn independent(scenarios: &[Scenario]) -> Vec<&[Scenario]> {
    let (first, _) =
        scenarios.iter().enumerate().find(|(_, scenario)| !scenario.name.starts_with("mut")).unwrap();
    let (mutated, walks) = scenarios.split_at(first);
    std::iter::once(mutated).chain(walks.chunks(1)).collect()
}

async fn run_scenarios(
    wire: &Wire,
    scenarios: &[Scenario],
    deviations: &HashMap<(String, usize), Deviation>,
) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    for scenario in scenarios {
        mismatches.extend(run_scenario(wire, scenario, deviations).await);
    }
    mismatches
}

/// Runs all scenarios against a server on this store; every step must go as the contract asks.
async fn replay(store: Arc<dyn Store>) {
    let scenarios = scenarios();
    let steps: usize = scenarios.iter().map(|scenario| scenario.steps.len()).sum();
    assert_eq!((scenarios.len(), steps), (42, 8_753), "the corpus is complete");
    let address = start_server(store, &scenarios).await;
    let mut wire = Wire::to(&address);
    wire.without_defaults = true;
    let wire = &wire;
    let deviations = deviations();
    let mismatches: Vec<Mismatch> = futures::stream::iter(independent(&scenarios))
        .map(|scenarios| run_scenarios(wire, scenarios, &deviations))
        .buffer_unordered(GROUPS_AT_ONCE)
        .concat()
        .await;
    let mut kinds: BTreeMap<&str, Vec<&Mismatch>> = BTreeMap::new();
    for mismatch in &mismatches {
        kinds.entry(&mismatch.kind).or_default().push(mismatch);
    }
    for (kind, found) in &kinds {
        println!("{} × {kind}\n   {}", found.len(), found[0].detail.chars().take(3_000).collect::<String>());
    }
    let unknown = mismatches.iter().filter(|mismatch| mismatch.unknown).count();
    println!("{} of {steps} steps as the contract asks", steps - mismatches.len());
    assert_eq!(unknown, 0, "nothing may answer UNKNOWN");
    assert!(mismatches.is_empty(), "{} steps differ; they are listed above", mismatches.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_corpus_on_the_embedded_store() {
    replay(Arc::new(embedded::Embedded::in_memory().unwrap())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_corpus_on_postgresql() {
    let cluster = postgres::testing::Cluster::shared().await;
    let database = cluster.fresh_database().await;
    let store =
        postgres::Postgres::connect(database.url(), postgres::PostgresOptions::default()).await.unwrap();
    store.migrate().await.unwrap();
    replay(Arc::new(store)).await;
}
