//! The schema, and the steps that lead to it: forward only, each in a transaction of its own.
//!
//! The file itself says at which step it is (`PRAGMA user_version`). A new schema is a new file in `schema/` and a line in [`STEPS`].

use rusqlite::{Connection, TransactionBehavior};

use crate::error::{Error, Result};

/// Step *n* leads from version *n* to version *n* + 1.
const STEPS: [&str; 1] = [include_str!("schema/1.sql")];

/// Brings the file to the version of this program.
///
/// # Errors
/// A file of a newer program is left alone.
pub(crate) fn migrate(connection: &mut Connection) -> Result<()> {
    let found = version(connection)?;
    let steps = STEPS.get(found..).ok_or_else(|| {
        Error::Failed(format!(
            "the stored data have schema version {found}, this program knows {} at most: use a newer orchestrator",
            STEPS.len()
        ))
    })?;
    for (step, sql) in (found..).zip(steps) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.execute_batch(&format!("PRAGMA user_version = {}", step + 1))?;
        transaction.commit().map_err(Error::Commit)?;
    }
    Ok(())
}

fn version(connection: &Connection) -> Result<usize> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    usize::try_from(version).map_err(|_| Error::Corrupt(format!("the schema version is {version}")))
}
