//! Indexes of our own tables: made once the tables are full, which takes a fraction of the time of keeping them up row by row.
//!
//! Which there are is asked of the database, so that a migration may add some without a word here. Those of keys stay: they are also what
//! refuses a key that is there twice. Start at [`Indexes::put_off`].

use deadpool_postgres::Transaction;
use persistence::Result;

use super::{AdoptionProgress, run};
use crate::error;
use crate::row::Columns;

/// Indexes that are not there yet.
pub(super) struct Indexes {
    definitions: Vec<String>,
}

impl Indexes {
    /// Drops all indexes of empty tables that nothing but speed depends on.
    pub(super) async fn put_off(transaction: &Transaction<'_>) -> Result<Self> {
        let indexes = "
            SELECT format('DROP INDEX %s', indexrelid::regclass) AS removal, pg_get_indexdef(indexrelid) AS definition
            FROM pg_index
            JOIN pg_class ON pg_class.oid = indexrelid
            WHERE relnamespace = 'orchestrator'::regnamespace
              AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
            ORDER BY relname";
        let rows = transaction.query(indexes, &[]).await.map_err(error::of)?;
        let mut definitions = Vec::new();
        for row in &rows {
            let columns = Columns::of("pg_index", row);
            run(transaction, &columns.get::<String>("removal")?).await?;
            definitions.push(columns.get("definition")?);
        }
        Ok(Self { definitions })
    }

    /// Makes the indexes.
    pub(super) async fn make(
        self,
        transaction: &Transaction<'_>,
        progress: &(dyn Fn(AdoptionProgress) + Send + Sync),
    ) -> Result<()> {
        let total = u64::try_from(self.definitions.len()).unwrap_or(u64::MAX);
        for (done, definition) in (1..).zip(&self.definitions) {
            run(transaction, definition).await?;
            progress(AdoptionProgress { table: "indexes", done, total });
        }
        Ok(())
    }
}
