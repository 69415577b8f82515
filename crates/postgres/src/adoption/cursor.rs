//! Cursors: the rows of one SELECT, some at a time, so that memory is bounded however many there are.

use deadpool_postgres::Transaction;
use persistence::Result;
use tokio_postgres::Row;

use super::AdoptionProgress;
use crate::error;
use crate::row::Columns;

/// Rows that are held at a time. An event of a large task may have a megabyte.
const ROWS_MAX: usize = 500;

/// An open cursor on the rows of a table of the predecessor.
pub(super) struct Cursor<'a> {
    transaction: &'a Transaction<'a>,
    fetch: tokio_postgres::Statement,
    progress: AdoptionProgress,
}

impl<'a> Cursor<'a> {
    /// Opens a cursor on what `select` reads, mostly from `table`.
    pub(super) async fn open(
        transaction: &'a Transaction<'a>,
        table: &'static str,
        select: &str,
    ) -> Result<Self> {
        let count = format!("SELECT count(*) AS total FROM public.{table}");
        let total = transaction.query_one(&count, &[]).await.map_err(error::of)?;
        let total = Columns::of(table, &total).count("total")?;
        let declare = format!("DECLARE adoption_{table} NO SCROLL CURSOR FOR {select}");
        transaction.batch_execute(&declare).await.map_err(error::of)?;
        let fetch = format!("FETCH {ROWS_MAX} FROM adoption_{table}");
        let fetch = transaction.prepare(&fetch).await.map_err(error::of)?;
        Ok(Self { transaction, fetch, progress: AdoptionProgress { table, done: 0, total } })
    }

    /// The next rows; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Row>>> {
        let rows = self.transaction.query(&self.fetch, &[]).await.map_err(error::of)?;
        self.progress.done += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        Ok((!rows.is_empty()).then_some(rows))
    }

    /// How many rows were read.
    pub(super) fn progress(&self) -> AdoptionProgress {
        self.progress
    }
}
