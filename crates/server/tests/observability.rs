//! What operators are told about metrics, held against the metrics: the page, the dashboard and the alert rules.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::collections::BTreeSet;

use server::Metrics;

const PAGE: &str = include_str!("../../../docs/metrics.md");

fn names() -> BTreeSet<String> {
    Metrics::new("test").unwrap().names().iter().cloned().collect()
}

#[test]
fn the_page_lists_every_metric_and_no_other() {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let listed: BTreeSet<String> =
        rows.map(|(name, _)| name.to_owned()).filter(|name| !name.starts_with('/')).collect();
    assert_eq!(listed, names());
}
