//! Throttles: lines of the log that anybody can cause who reaches the port, a few at a time, so that nobody fills the log.
//!
//! Counts the lines that are not written, for the next one to say. It does not know what they are about. Start at [`Throttle::admits`].

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines in each interval.
const LINES_MAX: u32 = 5;
const INTERVAL: Duration = Duration::from_secs(10);

/// How many lines of one kind were written lately.
pub(crate) struct Throttle(Mutex<Lines>);

struct Lines {
    /// When the interval began.
    since: Option<Instant>,
    written: u32,
    untold: u64,
}

impl Throttle {
    /// Nothing was written yet.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Lines { since: None, written: 0, untold: 0 }))
    }

    /// Whether another line may be written now; and how many were not, since the last one that was.
    pub(crate) fn admits(&self, now: Instant) -> Option<u64> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.since.is_none_or(|since| now.duration_since(since) >= INTERVAL) {
            (lines.since, lines.written) = (Some(now), 0);
        }
        if lines.written == LINES_MAX {
            lines.untold += 1;
            return None;
        }
        lines.written += 1;
        Some(std::mem::take(&mut lines.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_few_lines_and_a_count() {
        let throttle = Throttle::new();
        let start = Instant::now();
        let lines: Vec<_> = (0..1000).filter_map(|_| throttle.admits(start)).collect();
        assert_eq!(lines, [0; 5]);
        let later = start + INTERVAL;
        assert_eq!([throttle.admits(later), throttle.admits(later)], [Some(995), Some(0)]);
    }
}
