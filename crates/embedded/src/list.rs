//! Lists: a statement that grows by the filters that are set, and goes on where the page before ended.
//!
//! Owns the orders of lists and how a page continues in them; which rows belong to a list is said in the asset's own file. Start at
//! [`List::of`].

use asset::ChannelName;
use asset::key::Key;
use persistence::{
    ByDateAndKey, ByDateAndPerformance, ByTimeAndPosition, PAGE_BYTES_MAX, Page, PageRequest, Room, Start,
};
use rusqlite::{Connection, ToSql, params_from_iter};

use crate::error::Result;
use crate::record::{Record, collect_within, to_integer};

/// An order, and what is true of the rows after a [`Place`] in it.
pub(crate) struct Order {
    by: &'static str,
    after: &'static str,
}

/// Creation date, key.
pub(crate) const BY_DATE_AND_KEY: Order =
    Order { by: "creation_date, key", after: "(creation_date, key) > (?, ?)" };

/// Creation date, task key descending, identifier. The first condition follows from the others, but it is the one that an index can use.
pub(crate) const BY_DATE_AND_PERFORMANCE: Order = Order {
    by: "creation_date, compute_task_key DESC, identifier",
    after: "creation_date >= ?
        AND (creation_date > ? OR compute_task_key < ? OR (compute_task_key = ? AND identifier > ?))",
};

/// Timestamp, position.
pub(crate) const OLDEST_FIRST: Order =
    Order { by: "timestamp, position", after: "(timestamp, position) > (?, ?)" };

/// The same from the other end.
pub(crate) const NEWEST_FIRST: Order =
    Order { by: "timestamp DESC, position DESC", after: "(timestamp, position) < (?, ?)" };

/// The value of a `?`.
pub(crate) type Parameter = Box<dyn ToSql>;

/// A place in an order.
pub(crate) trait Place {
    /// The values for [`Order::after`].
    fn parameters(self) -> Vec<Parameter>;
}

impl Place for ByDateAndKey {
    fn parameters(self) -> Vec<Parameter> {
        vec![Box::new(self.0.as_micros()), Box::new(self.1)]
    }
}

impl Place for ByDateAndPerformance {
    fn parameters(self) -> Vec<Parameter> {
        let (date, task) = (self.0.as_micros(), self.1.uuid());
        vec![Box::new(date), Box::new(date), Box::new(task), Box::new(task), Box::new(self.2)]
    }
}

impl Place for ByTimeAndPosition {
    fn parameters(self) -> Vec<Parameter> {
        vec![Box::new(self.0.as_micros()), Box::new(to_integer(self.1))]
    }
}

/// A list of rows of one table and channel.
pub(crate) struct List {
    table: &'static str,
    sql: String,
    parameters: Vec<Parameter>,
}

impl List {
    /// All rows of the channel, which conditions may call `?1`; `columns` begin with one that tells the rows apart.
    pub(crate) fn of(table: &'static str, columns: &str, channel: &ChannelName) -> Self {
        let sql = format!("-- {table}::list\nSELECT {columns}\nFROM {table}\nWHERE channel = ?1");
        Self { table, sql, parameters: vec![Box::new(channel.to_string())] }
    }

    /// Only rows for which `condition` holds with this value.
    pub(crate) fn only(mut self, condition: &str, value: impl ToSql + 'static) -> Self {
        self.and(condition);
        self.parameters.push(Box::new(value));
        self
    }

    /// Only rows for which `condition` holds, if there is a value.
    pub(crate) fn only_if(self, condition: &str, value: Option<impl ToSql + 'static>) -> Self {
        match value {
            Some(value) => self.only(condition, value),
            None => self,
        }
    }

    /// The rows of one page. One more than asked for is looked up, to know whether there are more.
    pub(crate) fn page<T, P: Place>(
        mut self,
        connection: &Connection,
        order: &Order,
        request: PageRequest<P>,
        read: impl FnMut(&Record<'_>) -> Result<(P, T)>,
    ) -> Result<Page<T, P>> {
        let offset = match request.start {
            Start::First => 0,
            Start::Offset(offset) => to_integer(offset),
            Start::After(place) => {
                self.and(order.after);
                self.parameters.extend(place.parameters());
                0
            }
        };
        self.sql += &format!("\nORDER BY {}\nLIMIT ? OFFSET ?", order.by);
        self.parameters.push(Box::new(to_integer(request.size).saturating_add(1)));
        self.parameters.push(Box::new(offset));
        let parameters = params_from_iter(self.parameters);
        let room = Room::new(PAGE_BYTES_MAX);
        let (items, ended_early) = collect_within(room, connection, self.table, &self.sql, parameters, read)?;
        Ok(Page::cut(items, request.size, ended_early))
    }

    fn and(&mut self, condition: &str) {
        self.sql += &format!("\n    AND {condition}");
    }
}
