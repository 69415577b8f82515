//! Statements as values, and the flights in which they travel.
//!
//! Assets describe what to do as [`Statement`]s; sending them is left to [`send`], which puts all of them on
//! the connection before it waits for the first answer. It knows nothing of transactions.

use std::borrow::Cow;
use std::collections::BTreeSet;

use asset::key::Key;
use deadpool_postgres::Client;
use futures::future::{join_all, try_join_all};
use persistence::Result;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, RowStream};
use uuid::Uuid;

use crate::error;

/// What the database answered to one statement.
pub(crate) type Answer = std::result::Result<Vec<Row>, tokio_postgres::Error>;

/// A statement with its parameters.
pub(crate) struct Statement<'a> {
    sql: Cow<'static, str>,
    parameters: Vec<Box<dyn ToSql + Send + Sync + 'a>>,
}

impl<'a> Statement<'a> {
    /// A statement without parameters yet. Its text begins with a comment that names the function it comes
    /// from, so that the database's logs and statistics lead there.
    pub(crate) fn new(sql: impl Into<Cow<'static, str>>) -> Self {
        Self { sql: sql.into(), parameters: Vec::new() }
    }

    /// Adds the next parameter.
    pub(crate) fn with(mut self, value: impl ToSql + Send + Sync + 'a) -> Self {
        self.parameters.push(Box::new(value));
        self
    }

    /// Adds text.
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.sql.to_mut().push_str(text);
        self
    }

    /// Adds text in which `{}` stands for the next parameter.
    pub(crate) fn text_with(self, text: &str, value: impl ToSql + Send + Sync + 'a) -> Self {
        let place = format!("${}", self.parameters.len() + 1);
        self.text(&text.replace("{}", &place)).with(value)
    }

    /// Adds a condition in which `{}` stands for the value, if there is one.
    pub(crate) fn and(self, condition: &str, value: Option<impl ToSql + Send + Sync + 'a>) -> Self {
        match value {
            Some(value) => self.text("\n          AND ").text_with(condition, value),
            None => self,
        }
    }

    /// Adds an array of keys as the next parameter.
    pub(crate) fn with_keys<K: Key>(self, keys: &BTreeSet<K>) -> Self {
        self.with(keys.iter().map(|key| key.uuid()).collect::<Vec<Uuid>>())
    }

    /// Adds an array with one value of each asset as the next parameter: a column of the rows to write.
    pub(crate) fn with_column<A, T>(self, assets: &'a [A], value: impl Fn(&'a A) -> T) -> Self
    where
        T: ToSql + Send + Sync + 'a,
    {
        self.with(assets.iter().map(value).collect::<Vec<T>>())
    }

    /// The text of the statement.
    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }

    /// The parameters in their order.
    pub(crate) fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.parameters.iter().map(|parameter| parameter.as_ref() as &(dyn ToSql + Sync)).collect()
    }
}

/// Statements that the connection knows how to run.
pub(crate) struct Prepared<'s, 'a>(Vec<(tokio_postgres::Statement, &'s Statement<'a>)>);

/// Prepares those statements that the connection has not seen before.
pub(crate) async fn prepare<'s, 'a>(
    client: &Client,
    statements: &'s [Statement<'a>],
) -> Result<Prepared<'s, 'a>> {
    let prepare = statements.iter().map(|statement| client.prepare_cached(&statement.sql));
    let prepared = try_join_all(prepare).await.map_err(error::of)?;
    Ok(Prepared(prepared.into_iter().zip(statements).collect()))
}

/// Sends all statements in their order without waiting between them, and waits for all answers.
pub(crate) async fn send(client: &Client, prepared: Prepared<'_, '_>) -> Vec<Answer> {
    join_all(prepared.0.into_iter().map(|(prepared, statement)| run(client, prepared, statement))).await
}

async fn run(client: &Client, prepared: tokio_postgres::Statement, statement: &Statement<'_>) -> Answer {
    tracing::info!(target: "sql", sql = %statement.sql, "SQL");
    client.query(&prepared, &statement.parameters()).await
}

/// Sends one statement, whose rows then are taken as they come.
pub(crate) async fn stream(client: &Client, statement: &Statement<'_>) -> Result<RowStream> {
    let prepared = client.prepare_cached(&statement.sql).await.map_err(error::of)?;
    tracing::info!(target: "sql", sql = %statement.sql, "SQL");
    client.query_raw(&prepared, statement.parameters()).await.map_err(error::of)
}

/// The rows of each statement; or the error of the one that failed, and not of those that failed because it
/// had.
pub(crate) fn rows(answers: Vec<Answer>) -> std::result::Result<Vec<Vec<Row>>, tokio_postgres::Error> {
    let (answers, errors): (Vec<_>, Vec<_>) = answers.into_iter().partition(Answer::is_ok);
    let errors = errors.into_iter().filter_map(Answer::err);
    match errors.min_by_key(error::is_consequence) {
        Some(error) => Err(error),
        None => Ok(answers.into_iter().flatten().collect()),
    }
}

/// A count as a bigint. Nothing is counted that far: more than fits is as good as the most that fits.
pub(crate) fn bigint(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
