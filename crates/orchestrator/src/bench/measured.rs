//! What calls took, and how they failed.
//!
//! Durations are kept one by one, in microseconds, so quantiles are exact; failures are counted by gRPC code and never mixed into the
//! durations, since failing fast is not being fast. It knows nothing of what was called. Start at [`Measured::record`].

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tonic::Status;

/// The outcomes of calls that were made, in any order.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    /// Of the successful calls, in microseconds; saturates after more than an hour.
    durations: Vec<u32>,
    failures: BTreeMap<String, Failures>,
}

/// The calls that failed with one code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Failures {
    pub(super) count: u64,
    /// The message of one of them.
    pub(super) example: String,
}

/// The distribution of durations, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Distribution {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) max_ms: f64,
}

impl Measured {
    /// Counts the outcome of one call.
    pub(super) fn record<T>(&mut self, took: Duration, outcome: &Result<T, Status>) {
        match outcome {
            Ok(_) => self.succeed(took),
            Err(status) => self.fail(status),
        }
    }

    pub(super) fn succeed(&mut self, took: Duration) {
        self.durations.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    fn fail(&mut self, status: &Status) {
        let failures = self.failures.entry(format!("{:?}", status.code()));
        let example = || status.message().to_owned();
        failures.or_insert_with(|| Failures { count: 0, example: example() }).count += 1;
    }

    /// Adds what another one measured.
    pub(super) fn add(&mut self, other: Self) {
        self.durations.extend(other.durations);
        for (code, Failures { count, example }) in other.failures {
            let mine = self.failures.entry(code);
            mine.or_insert(Failures { count: 0, example }).count += count;
        }
    }

    pub(super) fn succeeded(&self) -> usize {
        self.durations.len()
    }

    pub(super) fn failed(&self) -> u64 {
        self.failures.values().map(|failures| failures.count).sum()
    }

    pub(super) fn failures(&self) -> &BTreeMap<String, Failures> {
        &self.failures
    }

    /// None if no call succeeded.
    pub(super) fn distribution(&self) -> Option<Distribution> {
        let mut sorted = self.durations.clone();
        sorted.sort_unstable();
        Some(Distribution {
            p50_ms: percentile(&sorted, 50)?,
            p99_ms: percentile(&sorted, 99)?,
            max_ms: percentile(&sorted, 100)?,
        })
    }
}

impl FromIterator<Duration> for Measured {
    fn from_iter<I: IntoIterator<Item = Duration>>(durations: I) -> Self {
        let mut measured = Self::default();
        durations.into_iter().for_each(|took| measured.succeed(took));
        measured
    }
}

/// The smallest value that so many percent of all values do not exceed, in milliseconds.
fn percentile(sorted: &[u32], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    let micros = sorted.get(rank.checked_sub(1)?)?;
    Some(f64::from(*micros) / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::{Distribution, Measured};
    use std::time::Duration;
    use tonic::Status;

    fn millis(range: std::ops::RangeInclusive<u64>) -> Measured {
        range.map(Duration::from_millis).collect()
    }

    #[test]
    fn quantiles_are_exact() {
        let distribution = |p50_ms, p99_ms, max_ms| Some(Distribution { p50_ms, p99_ms, max_ms });
        assert_eq!(millis(1..=1_000).distribution(), distribution(500.0, 990.0, 1_000.0));
        assert_eq!(millis(1..=2).distribution(), distribution(1.0, 2.0, 2.0));
        assert_eq!(millis(7..=7).distribution(), distribution(7.0, 7.0, 7.0));
        assert_eq!(Measured::default().distribution(), None);
    }

    #[test]
    fn failures_are_counted_by_code_and_apart_from_durations() {
        let mut measured = millis(1..=3);
        let mut other = Measured::default();
        for status in [Status::unknown("40001"), Status::unknown("25P02"), Status::internal("x")] {
            let took = Duration::from_secs(9);
            measured.record::<()>(took, &Err(status.clone()));
            other.record::<()>(took, &Err(status));
        }
        measured.add(other);
        assert_eq!((measured.succeeded(), measured.failed()), (3, 6));
        let codes: Vec<_> = measured
            .failures()
            .iter()
            .map(|(code, failures)| (code.as_str(), failures.count, failures.example.as_str()))
            .collect();
        assert_eq!(codes, [("Internal", 2, "x"), ("Unknown", 4, "40001")]);
        assert_eq!(measured.distribution().unwrap().max_ms, 3.0);
    }
}
