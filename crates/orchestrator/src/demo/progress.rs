//! The progress of the plan while it runs: bars on a terminal, a line for each round elsewhere; both on standard error.
//!
//! It is told what happens and knows nothing of events. Start at [`Progress::start`].

use std::io::{IsTerminal, Write, stderr};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::plan::{Plan, Step};
use super::report::percent;

/// The bars or lines, and the plan they show. Dropping it removes the bars.
pub(super) struct Progress {
    plan: Plan,
    bars: Option<Bars>,
}

struct Bars {
    tasks: ProgressBar,
    organizations: Vec<ProgressBar>,
}

impl Progress {
    /// Begins to show the progress of a plan.
    ///
    /// # Errors
    ///
    /// The layout of the bars is wrong.
    pub(super) fn start(plan: Plan) -> anyhow::Result<Self> {
        let bars = match stderr().is_terminal() {
            true => Some(Bars::new(plan)?),
            false => None,
        };
        Ok(Self { plan, bars })
    }

    /// The worker of a task starts it.
    pub(super) fn starts(&self, step: Step) {
        if let Some(bars) = &self.bars {
            bars.organizations[step.worker()].set_message(step.to_string());
        }
    }

    /// A task is done.
    pub(super) fn is_done(&self, step: Step) {
        if let Some(bars) = &self.bars {
            bars.tasks.inc(1);
            bars.organizations[step.worker()].set_message("");
        }
    }

    /// All organizations have tested the joint model of a round.
    ///
    /// # Errors
    ///
    /// Standard error cannot be written to.
    pub(super) fn round_is_measured(&self, round: usize, performances: &[f32]) -> std::io::Result<()> {
        let performances: Vec<String> = performances.iter().copied().map(percent).collect();
        let line = format!("round {round} of {}: {}", self.plan.rounds, performances.join(", "));
        match &self.bars {
            Some(bars) => {
                bars.tasks.set_message(line);
                Ok(())
            }
            None => writeln!(stderr(), "{line}"),
        }
    }

    /// Everything is done.
    pub(super) fn finish(&self) {
        if let Some(bars) = &self.bars {
            for bar in &bars.organizations {
                bar.finish_and_clear();
            }
            bars.tasks.finish();
        }
    }
}

impl Bars {
    fn new(plan: Plan) -> anyhow::Result<Self> {
        let all = MultiProgress::new();
        let bar = ProgressBar::new(u64::try_from(plan.tasks().tasks.len())?)
            .with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} tasks  {wide_msg}")?);
        let tasks = all.add(bar);
        let style = ProgressStyle::with_template("  {prefix}  {wide_msg}")?;
        let organizations = plan.organization_ids().map(|organization| {
            let line = ProgressBar::no_length().with_style(style.clone()).with_prefix(organization);
            all.add(line)
        });
        let organizations = organizations.collect();
        Ok(Self { tasks, organizations })
    }
}
