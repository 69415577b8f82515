//! What a benchmark says: a table for people and a document for programs, both from the same rows.
//!
//! It computes rates and shares, and measures nothing. Start at [`Row::new`].

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::load::Measurement;
use super::measured::{Distribution, Failures, Measured};
use super::process::Usage;

/// Everything that was measured in one run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) address: String,
    /// As the server tells it.
    pub(super) server_version: String,
    /// Of this machine, which may be another one than the server's.
    pub(super) cores: usize,
    pub(super) rows: Vec<Row>,
}

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) workload: &'static str,
    pub(super) variant: String,
    pub(super) clients: usize,
    pub(super) seconds: f64,
    /// Calls that succeeded; the distribution is theirs.
    pub(super) calls: usize,
    pub(super) calls_per_second: f64,
    pub(super) failed: u64,
    pub(super) items: Option<Items>,
    #[serde(flatten)]
    pub(super) distribution: Option<Distribution>,
    /// By gRPC code.
    pub(super) failures: BTreeMap<String, Failures>,
    pub(super) server: Option<Usage>,
    pub(super) commits: Option<CommitLimit>,
    pub(super) check: Option<Check>,
}

/// What the calls got done.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Items {
    /// For example `tasks`.
    pub(super) name: &'static str,
    pub(super) count: u64,
    pub(super) per_second: f64,
}

/// How fast the database commits one row durably, with as many clients and next to the measurement.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CommitLimit {
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    /// Successful calls per such commit. More than 1 is possible where calls share a commit.
    pub(super) share: f64,
}

/// Whether what must hold afterwards does hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Check {
    Passed(String),
    Failed(String),
}

impl Row {
    pub(super) fn new(workload: &'static str, variant: impl Into<String>, measurement: &Measurement) -> Self {
        let (measured, seconds) = (&measurement.measured, measurement.elapsed.as_secs_f64());
        Self {
            workload,
            variant: variant.into(),
            clients: measurement.clients,
            seconds,
            calls: measured.succeeded(),
            calls_per_second: rate(measured.succeeded() as f64, seconds),
            failed: measured.failed(),
            items: None,
            distribution: measured.distribution(),
            failures: measured.failures().clone(),
            server: measurement.server,
            commits: None,
            check: None,
        }
    }

    /// Events that subscribers received, and how long each was on its way; they made no calls for them.
    pub(super) fn of_receipts(
        workload: &'static str,
        variant: String,
        subscribers: usize,
        elapsed: Duration,
        delays: &Measured,
    ) -> Self {
        let nothing_called = Measurement { clients: subscribers, elapsed, ..Measurement::default() };
        let row =
            Self { distribution: delays.distribution(), ..Self::new(workload, variant, &nothing_called) };
        row.with_items("events", delays.succeeded() as u64)
    }

    /// Says what the calls got done.
    pub(super) fn with_items(mut self, name: &'static str, count: u64) -> Self {
        let per_second = rate(count as f64, self.seconds);
        self.items = Some(Items { name, count, per_second });
        self
    }

    /// Sets the calls against the database's own limit.
    pub(super) fn with_commits(mut self, commits: Option<(f64, f64)>) -> Self {
        self.commits = commits.map(|(per_second, p50_ms)| CommitLimit {
            per_second,
            p50_ms,
            share: rate(self.calls_per_second, per_second),
        });
        self
    }

    pub(super) fn with_check(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }
}

impl Report {
    /// The checks that failed, in the order of the rows.
    pub(super) fn failed_checks(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().filter_map(|row| match row.check.as_ref()? {
            Check::Failed(difference) => Some(difference.as_str()),
            Check::Passed(_) => None,
        })
    }

    /// Writes the table, then what needs more room than a cell.
    ///
    /// # Errors
    /// The output cannot be written to.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { address, server_version, cores, rows } = self;
        writeln!(out, "{address}, version {server_version}; {cores} cores on this side\n")?;
        writeln!(out, "{}\n", table(rows))?;
        for row in rows {
            write_remarks(out, row)?;
        }
        out.flush()
    }
}

const HEADER: [&str; 14] = [
    "workload",
    "variant",
    "clients",
    "calls/s",
    "items/s",
    "p50 ms",
    "p99 ms",
    "max ms",
    "failed",
    "cores",
    "MiB",
    "peak",
    "commits/s",
    "share",
];

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(HEADER);
    for row in rows {
        table.add_row(cells(row));
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn cells(row: &Row) -> [String; 14] {
    let distribution = |field: fn(&Distribution) -> f64| cell(row.distribution.as_ref().map(field));
    let usage = |field: fn(&Usage) -> f64| cell(row.server.as_ref().map(field));
    let commits = |field: fn(&CommitLimit) -> f64| cell(row.commits.as_ref().map(field));
    let items = row.items.as_ref();
    [
        row.workload.to_owned(),
        row.variant.clone(),
        row.clients.to_string(),
        cell((row.calls > 0).then_some(row.calls_per_second)),
        items.map_or_else(String::new, |items| format!("{} {}", number(items.per_second), items.name)),
        distribution(|distribution| distribution.p50_ms),
        distribution(|distribution| distribution.p99_ms),
        distribution(|distribution| distribution.max_ms),
        row.failed.to_string(),
        usage(|usage| usage.cpu_cores),
        usage(|usage| usage.memory_mib),
        usage(|usage| usage.memory_peak_mib),
        commits(|commits| commits.per_second),
        commits(|commits| commits.share),
    ]
}

fn write_remarks(out: &mut impl Write, row: &Row) -> io::Result<()> {
    let Row { workload, variant, .. } = row;
    for (code, Failures { count, example }) in &row.failures {
        writeln!(out, "{workload}, {variant}: {count} × {code}, for example {example:?}")?;
    }
    match &row.check {
        Some(Check::Passed(what)) => writeln!(out, "{workload}, {variant}: {what}"),
        Some(Check::Failed(what)) => writeln!(out, "{workload}, {variant}: FAILED: {what}"),
        None => Ok(()),
    }
}

fn cell(value: Option<f64>) -> String {
    value.map_or_else(String::new, number)
}

/// Three significant digits at least, and no fraction of large numbers.
fn number(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// Nothing per nothing is nothing.
fn rate(count: f64, per: f64) -> f64 {
    if per > 0.0 { count / per } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::{Check, Measurement, Report, Row, number};
    use super::{Duration, Measured};
    use tonic::Status;

    fn row() -> Row {
        let mut measured: Measured = (1..=100).map(Duration::from_millis).collect();
        measured.record::<()>(Duration::ZERO, &Err(Status::unknown("40001")));
        let measurement =
            Measurement { clients: 8, measured, elapsed: Duration::from_secs(2), ..Measurement::default() };
        Row::new("register", "batch 1", &measurement)
            .with_items("tasks", 500)
            .with_commits(Some((200.0, 1.5)))
    }

    #[test]
    fn a_row_holds_rates_and_shares() {
        let row = serde_json::to_value(row()).unwrap();
        let cases = [
            ("/calls_per_second", 50.0),
            ("/items/per_second", 250.0),
            ("/p50_ms", 50.0),
            ("/p99_ms", 99.0),
            ("/max_ms", 100.0),
            ("/commits/share", 0.25),
        ];
        for (pointer, value) in cases {
            assert_eq!(row.pointer(pointer).unwrap().as_f64(), Some(value), "{pointer}");
        }
        assert_eq!(row.pointer("/failures/Unknown/count").unwrap(), 1);
        assert_eq!(row.pointer("/failed").unwrap(), 1);
    }

    #[test]
    fn failures_and_checks_are_told_below_the_table() {
        let report = |check| Report {
            address: "http://a".to_owned(),
            server_version: "1".to_owned(),
            cores: 2,
            rows: vec![row().with_check(check)],
        };
        let told = |report: &Report| {
            let mut out = Vec::new();
            report.write(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let failed = report(Check::Failed("event came twice".to_owned()));
        assert!(told(&failed).contains("1 × Unknown, for example \"40001\""));
        assert!(told(&failed).contains("FAILED: event came twice"));
        assert_eq!(failed.failed_checks().collect::<Vec<_>>(), ["event came twice"]);
        let passed = report(Check::Passed("all the same".to_owned()));
        assert!(told(&passed).contains("register, batch 1: all the same"));
        assert_eq!(passed.failed_checks().count(), 0);
    }

    #[test]
    fn numbers_have_three_digits_that_count() {
        let cases = [(0.0, "0.00"), (1.234, "1.23"), (12.34, "12.3"), (1_234.5, "1234")];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }
}
