//! What the demo says at the end: the performances, what it took to get them, and where everything lies.
//!
//! It only writes. Start at [`write`](fn@write).

use std::io::{self, Write};
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};

use super::plan::Plan;
use super::plan_owner::Seen;
use super::{CHANNELS, Finished, STORE};

/// A share as people read it.
pub(super) fn percent(share: f32) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Writes the performances, and what it took to get them.
///
/// # Errors
///
/// The output cannot be written to.
pub(super) fn write(out: &mut impl Write, plan: Plan, finished: &Finished) -> io::Result<()> {
    let Finished { seen, calls, duration } = finished;
    let (organizations, seconds) = (plan.organizations, duration.as_secs_f64());
    let (tasks, events) = (seen.tasks_done, seen.events);
    writeln!(out, "How often the joint model is right about data that nobody trained on:\n")?;
    writeln!(out, "{}\n", performances(plan, seen))?;
    writeln!(
        out,
        "{organizations} organizations, {tasks} tasks, {events} events, {calls} calls, {seconds:.1} seconds"
    )
}

/// Says where everything lies.
///
/// # Errors
///
/// The output cannot be written to.
pub(super) fn write_folder(out: &mut impl Write, folder: &Path) -> io::Result<()> {
    let folder = folder.display();
    writeln!(
        out,
        "Everything is in {folder}: a folder for each organization with its files, and the store."
    )?;
    writeln!(
        out,
        "Look into the store with: orchestrator dev --data {folder}/{STORE} --channels {folder}/{CHANNELS}"
    )?;
    out.flush()
}

fn performances(plan: Plan, seen: &Seen) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    let organizations = plan.organization_ids();
    table.set_header(["round".to_owned()].into_iter().chain(organizations).chain(["mean".to_owned()]));
    for round in 1..=plan.rounds {
        let performances = seen.round(round);
        let mean = performances.iter().sum::<f32>() / performances.len() as f32;
        let shares = performances.into_iter().chain([mean]).map(percent);
        table.add_row([round.to_string()].into_iter().chain(shares));
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
