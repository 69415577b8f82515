//! Lists: where a page starts and ends, in the words of a statement.
//!
//! A page continues by comparing places in the order of an index, so it costs the same at any depth; only the
//! offsets of old tokens are counted off. A statement holds the conditions that are asked for and no others: so
//! the plan that a connection makes of its text once is the right one for every page of that kind. What narrows a
//! list to few rows is looked for on its own, in a subquery that `OFFSET 0` keeps apart: the database might think
//! otherwise that walking through the whole channel in order is cheaper, because its statistics are old or few.

use persistence::{ByDateAndKey, Page, PageRequest, Result, Start};

use crate::pool::PageRows;
use crate::row::Columns;
use crate::statement::{Statement, bigint};

/// A page in the words of a statement.
pub(crate) struct Cursor<P> {
    /// The place after which it starts.
    pub(crate) after: Option<P>,
    /// How many rows it leaves out.
    pub(crate) offset: i64,
    /// How many rows it asks for: one more than the page holds, to see whether there are more.
    pub(crate) limit: i64,
}

impl<P: Clone> Cursor<P> {
    /// The page that was asked for.
    pub(crate) fn of(page: &PageRequest<P>) -> Self {
        let (after, offset) = match &page.start {
            Start::First => (None, 0),
            Start::After(place) => (Some(place.clone()), 0),
            Start::Offset(count) => (None, bigint(*count)),
        };
        Self { after, offset, limit: bigint(page.size).saturating_add(1) }
    }
}

/// Ends a statement, of which conditions came last, with a page in the order of creation date and key, which stand in these columns.
pub(crate) fn page_by_date_and_key<'a>(
    statement: Statement<'a>,
    [date, key]: [&str; 2],
    page: &PageRequest<ByDateAndKey>,
) -> Statement<'a> {
    let Cursor { after, offset, limit } = Cursor::of(page);
    let statement = match after {
        Some(ByDateAndKey(after_date, after_key)) => statement
            .text_with(&format!("\n          AND ({date}, {key}) > ({{}}"), after_date.as_micros())
            .text_with(", {})", after_key),
        None => statement,
    };
    cut(statement.text(&format!("\n        ORDER BY {date}, {key}")), offset, limit)
}

/// Ends a statement, of which the order came last, with what a page leaves out and asks for.
pub(crate) fn cut(statement: Statement<'_>, offset: i64, limit: i64) -> Statement<'_> {
    let statement = match offset {
        0 => statement,
        _ => statement.text_with("\n        OFFSET {}", offset),
    };
    statement.text_with("\n        LIMIT {}", limit)
}

/// The page of what was found.
pub(crate) fn page<A, P>(
    table: &'static str,
    found: &PageRows,
    size: usize,
    read: impl Fn(&Columns<'_>) -> Result<(P, A)>,
) -> Result<Page<A, P>> {
    let items = found.rows.iter().map(|row| read(&Columns::of(table, row))).collect::<Result<Vec<_>>>()?;
    Ok(Page::cut(items, size, found.ended_early))
}

/// The place of an asset in the order of creation date and key.
pub(crate) fn place(row: &Columns<'_>) -> Result<ByDateAndKey> {
    Ok(ByDateAndKey(row.time("creation_date")?, row.get("key")?))
}
