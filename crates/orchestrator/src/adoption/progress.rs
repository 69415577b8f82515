//! The progress of an adoption: a bar on a terminal, now and then a line elsewhere; both on standard error.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressStyle};
use postgres::AdoptionProgress;

/// Without a terminal there is a line for so many rows, and one for the end of each table.
const ROWS_PER_LINE: u64 = 100_000;

/// Where the progress is shown. Dropping it removes the bar.
pub(super) enum Progress {
    Bar(ProgressBar),
    Lines,
}

impl Progress {
    /// Begins to show progress in the way that suits standard error.
    ///
    /// # Errors
    /// The layout of the bar is wrong.
    pub(super) fn start() -> anyhow::Result<Self> {
        if !stderr().is_terminal() {
            return Ok(Self::Lines);
        }
        let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} {msg}  {elapsed}")?;
        Ok(Self::Bar(ProgressBar::no_length().with_style(style)))
    }

    /// Shows how far it has come.
    pub(super) fn show(&self, progress: AdoptionProgress) {
        let AdoptionProgress { table, done, total } = progress;
        match self {
            Self::Bar(bar) => {
                bar.set_message(table);
                bar.set_length(total.max(done));
                bar.set_position(done);
            }
            Self::Lines if done >= total || done % ROWS_PER_LINE == 0 => {
                tracing::info!(table, done, total, "adopting");
            }
            Self::Lines => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
