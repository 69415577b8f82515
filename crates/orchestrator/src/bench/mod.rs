//! `orchestrator bench`: a load on any server of this API, given nothing but its address.
//!
//! [`settings`] says what is asked for, each file in [`workload`] is one kind of load, [`load`] drives it, [`audience`] listens and compares,
//! [`report`] tells. It registers fresh assets of its own and leaves them there, so never run it against a server that matters. Start at
//! [`run`].

mod assets;
mod audience;
mod load;
mod measured;
mod process;
mod report;
mod session;
mod settings;
mod target;
#[cfg(test)]
mod tests;
mod workload;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context, bail};

use self::report::Report;
use self::session::Session;
pub(crate) use self::settings::Bench;

/// Puts the server under load and says how it did.
///
/// # Errors
/// The server cannot be reached or refuses what has to be prepared; the files cannot be written; what must hold after a workload
/// does not. Calls that fail under load are part of the result.
pub(crate) async fn run(bench: Bench) -> anyhow::Result<()> {
    let json = bench.json.clone();
    let report = measure(bench).await?;
    report.write(&mut std::io::stdout().lock())?;
    if let Some(path) = json {
        write_json(&report, &path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let failed: Vec<&str> = report.failed_checks().collect();
    if !failed.is_empty() {
        bail!("the server is wrong: {}", failed.join("; "));
    }
    Ok(())
}

async fn measure(bench: Bench) -> anyhow::Result<Report> {
    let workloads = bench.workloads();
    let session = Session::open(bench).await?;
    let mut rows = Vec::new();
    for workload in workloads {
        rows.extend(workload.run(&session).await?);
    }
    Ok(session.report(rows))
}

fn write_json(report: &Report, path: &Path) -> anyhow::Result<()> {
    let file = BufWriter::new(File::create(path)?);
    Ok(serde_json::to_writer_pretty(file, report)?)
}
