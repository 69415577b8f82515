//! The progress of the plan while it runs: bars on a terminal, a line for each round elsewhere; both on standard error.
//!
//! It is told what happens and knows nothing of events. Start at [`Progress::start`].

use std::io::{self, IsTerminal, Write, stderr};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::plan::{Plan, Step};
use super::report::percent;

/// The plan, and where its progress is shown. Dropping it removes the bars.
pub(super) struct Progress {
    plan: Plan,
    shown: Shown,
}

enum Shown {
    Bars(Bars),
    Lines(Box<dyn Write + Send>),
}

struct Bars {
    tasks: ProgressBar,
    organizations: Vec<ProgressBar>,
}

impl Progress {
    /// Begins to show the progress of a plan in the way that suits standard error.
    ///
    /// # Errors
    ///
    /// The layout of the bars is wrong.
    pub(super) fn start(plan: Plan) -> anyhow::Result<Self> {
        if !stderr().is_terminal() {
            return Ok(Self::lines(plan, stderr()));
        }
        let shown = Shown::Bars(Bars::new(plan)?);
        Ok(Self { plan, shown })
    }

    /// Shows the progress of a plan as lines.
    pub(super) fn lines(plan: Plan, out: impl Write + Send + 'static) -> Self {
        let shown = Shown::Lines(Box::new(out));
        Self { plan, shown }
    }

    /// The worker of a task starts it.
    pub(super) fn starts(&self, step: Step) {
        if let Shown::Bars(bars) = &self.shown {
            bars.organizations[step.worker()].set_message(step.to_string());
        }
    }

    /// A task is done.
    pub(super) fn is_done(&self, step: Step) {
        if let Shown::Bars(bars) = &self.shown {
            bars.tasks.inc(1);
            bars.organizations[step.worker()].set_message("");
        }
    }

    /// All organizations have tested the joint model of a round.
    ///
    /// # Errors
    ///
    /// The line cannot be written.
    pub(super) fn round_is_measured(&mut self, round: usize, performances: &[f32]) -> io::Result<()> {
        let performances: Vec<String> = performances.iter().copied().map(percent).collect();
        let line = format!("round {round} of {}: {}", self.plan.rounds, performances.join(", "));
        match &mut self.shown {
            Shown::Bars(bars) => {
                bars.tasks.set_message(line);
                Ok(())
            }
            Shown::Lines(out) => writeln!(out, "{line}"),
        }
    }
}

impl Bars {
    fn new(plan: Plan) -> anyhow::Result<Self> {
        let all = MultiProgress::new();
        let tasks = u64::try_from(plan.tasks().tasks.len())?;
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} tasks  {wide_msg}")?;
        let tasks = all.add(ProgressBar::new(tasks).with_style(style));
        let style = ProgressStyle::with_template("  {prefix}  {wide_msg}")?;
        let line = |id| all.add(ProgressBar::no_length().with_style(style.clone()).with_prefix(id));
        let organizations = plan.organization_ids().map(line).collect();
        Ok(Self { tasks, organizations })
    }
}
