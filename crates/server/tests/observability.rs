//! What operators are told about metrics, held against the metrics: the page, the dashboard and the alert rules.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::collections::BTreeSet;

use serde_json::Value;
use server::Metrics;

const PAGE: &str = include_str!("../../../docs/metrics.md");
const DASHBOARD: &str = include_str!("../../../deploy/observability/dashboard.json");
const ALERTS: &str = include_str!("../../../deploy/observability/alerts.yaml");

/// By what the names of our metrics begin.
const PREFIXES: [&str; 4] = ["orc_", "grpc_server_", "process_", "promhttp_"];

fn names() -> BTreeSet<String> {
    Metrics::new("test").unwrap().names().iter().cloned().collect()
}

/// The metrics that an expression mentions.
fn mentioned(expression: &str) -> BTreeSet<&str> {
    let words = expression.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    words.filter(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix))).collect()
}

/// Whether a name is that of a metric, or of a series of a histogram.
fn exists(name: &str, names: &BTreeSet<String>) -> bool {
    let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
    names.contains(name) || of_histogram.is_some_and(|histogram| names.contains(histogram))
}

#[test]
fn the_page_lists_every_metric_and_no_other() {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let listed: BTreeSet<String> =
        rows.map(|(name, _)| name.to_owned()).filter(|name| !name.starts_with('/')).collect();
    assert_eq!(listed, names());
}

/// All texts under this name, wherever they are.
fn texts<'a>(value: &'a Value, name: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get(name).and_then(Value::as_str));
            fields.values().for_each(|field| texts(field, name, found));
        }
        Value::Array(values) => values.iter().for_each(|value| texts(value, name, found)),
        _ => {}
    }
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let (mut expressions, names) = (Vec::new(), names());
    texts(&dashboard, "expr", &mut expressions);
    texts(&dashboard, "definition", &mut expressions);
    assert!(expressions.len() > 30, "{}", expressions.len());
    for expression in expressions {
        let mentioned = mentioned(expression);
        assert!(!mentioned.is_empty(), "asks for nothing of ours: {expression}");
        let unknown: Vec<_> = mentioned.iter().filter(|name| !exists(name, &names)).collect();
        assert!(unknown.is_empty(), "{unknown:?} in {expression}");
    }
}

#[test]
fn the_dashboard_shows_every_metric_of_the_orchestrator_itself() {
    let shown = mentioned(DASHBOARD);
    let is_shown = |name: &String| shown.iter().any(|shown| shown.starts_with(name.as_str()));
    let hidden: Vec<_> =
        names().into_iter().filter(|name| name.starts_with("orc_") && !is_shown(name)).collect();
    assert_eq!(hidden, Vec::<String>::new());
}

#[test]
fn alerts_ask_for_metrics_that_there_are() {
    let names = names();
    assert!(ALERTS.matches("- alert: ").count() >= 10);
    let unknown: Vec<_> = mentioned(ALERTS).into_iter().filter(|name| !exists(name, &names)).collect();
    assert_eq!(unknown, Vec::<&str>::new());
}
