//! Adoption, as the operator sees it: what it needs beside the database, its progress, and its report (docs/adoption.md).
//!
//! The store reads the predecessor's tables and writes ours; it knows no messages, so the snapshots in events are read and encoded
//! here. Start at [`adoption`].

mod progress;
mod report;
mod snapshot;

use std::sync::Arc;

use postgres::Adoption;

pub(crate) use self::report::write;

/// What the store needs to adopt a database.
///
/// # Errors
/// The layout of the progress bar is wrong, or the messages lack a description.
pub(crate) fn adoption() -> anyhow::Result<Adoption> {
    let snapshots = snapshot::Snapshots::new()?;
    let progress = progress::Progress::start()?;
    Ok(Adoption {
        encode_event: Arc::new(move |event| snapshots.encode(event)),
        progress: Box::new(move |step| progress.show(step)),
    })
}
