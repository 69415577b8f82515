//! The report of an adoption, on standard output: what was counted, and everything that the operator should look at.

use std::io::{self, Write};

use postgres::{AdoptionReport, Findings};

/// Writes the report.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write(report: &AdoptionReport, out: &mut dyn Write) -> io::Result<()> {
    let AdoptionReport { rows, channels, left_out, refused, notices } = report;
    for (table, count) in rows {
        writeln!(out, "{count:>12}  {table}")?;
    }
    for (channel, count) in channels {
        writeln!(out, "{count:>12}  events of channel {channel}")?;
    }
    write_findings(out, "events left out, because nobody can read them", left_out)?;
    write_findings(out, "rows that cannot be adopted", refused)?;
    notices.iter().try_for_each(|notice| writeln!(out, "note: {notice}"))
}

fn write_findings(out: &mut dyn Write, what: &str, findings: &Findings) -> io::Result<()> {
    let Findings { count, first } = findings;
    if *count == 0 {
        return Ok(());
    }
    writeln!(out, "{count:>12}  {what}:")?;
    first.iter().try_for_each(|finding| writeln!(out, "{:14}{finding}", ""))?;
    let more = *count > u64::try_from(first.len()).unwrap_or(u64::MAX);
    if more { writeln!(out, "{:14}and others", "") } else { Ok(()) }
}
