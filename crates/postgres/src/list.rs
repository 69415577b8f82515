//! Lists: where a page starts and ends, in the words of a statement.
//!
//! A page continues by comparing places in the order of an index, so it costs the same at any depth; only the
//! offsets of old tokens are counted off. Lists run on connections that plan each statement for its
//! parameters: that is why a filter may be written as `$6 IS NULL OR …`, which is gone before the plan is
//! made, and why a status finds the index that holds only some of them.

use asset::ChannelName;
use persistence::{ByDateAndKey, Page, PageRequest, Result, Start};
use tokio_postgres::Row;

use crate::row::Columns;
use crate::statement::{Statement, bigint};

/// The end of a statement that lists in the order of these columns, a date and a key.
macro_rules! page_by {
    ($columns:literal) => {
        concat!(
            "
      AND ($2::bigint IS NULL OR (",
            $columns,
            ") > ($2, $3::uuid))
    ORDER BY ",
            $columns,
            "
    OFFSET $4::bigint LIMIT $5::bigint"
        )
    };
}
pub(crate) use page_by;

/// The end of a statement that lists by creation date and key; `$1` is the channel, filters begin at `$6`.
pub(crate) const PAGE_BY_DATE_AND_KEY: &str = page_by!("creation_date, key");

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

/// A statement that ends with [`PAGE_BY_DATE_AND_KEY`], with its first five parameters.
pub(crate) fn by_date_and_key<'a>(
    sql: String,
    channel: &'a ChannelName,
    page: &PageRequest<ByDateAndKey>,
) -> Statement<'a> {
    let cursor = Cursor::of(page);
    Statement::new(sql)
        .with(channel.as_str())
        .with(cursor.after.as_ref().map(|place| place.0.as_micros()))
        .with(cursor.after.as_ref().map(|place| place.1))
        .with(cursor.offset)
        .with(cursor.limit)
}

/// The page of what was found.
pub(crate) fn page<A, P>(
    table: &'static str,
    rows: &[Row],
    size: usize,
    read: impl Fn(&Columns<'_>) -> Result<(P, A)>,
) -> Result<Page<A, P>> {
    let items = rows.iter().map(|row| read(&Columns::of(table, row))).collect::<Result<Vec<_>>>()?;
    Ok(Page::cut(items, size))
}

/// The place of an asset in the order of creation date and key.
pub(crate) fn place(row: &Columns<'_>) -> Result<ByDateAndKey> {
    Ok(ByDateAndKey(row.time("creation_date")?, row.get("key")?))
}
