//! Audits: every row of every table, from one snapshot, on a connection of their own.
//!
//! A snapshot keeps the database from removing what has been overwritten since it was taken, and nothing else: servers go on writing.

use std::sync::Arc;

use asset::{AssetKind, ChannelName, EventAsset};
use async_trait::async_trait;
use futures::{Stream, StreamExt, stream};
use persistence::audit::{Portion, Rows, first};
use persistence::{Audit, Head, Result, StoredEvent};
use tokio_postgres::{Client, Row};

use crate::pool::Connector;
use crate::row::Columns;
use crate::statement::Statement;
use crate::{
    adoption, channel, compute_plan, compute_task, data_manager, data_sample, error, event, failure_report,
    function, model, organization, output_asset, performance,
};

/// A table is one statement here, and may take as long as it likes to be looked through.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = '10min'";

/// Rows that are handed over together, and at how many bytes there are no more.
const PORTION_ROWS: usize = 256;
const PORTION_BYTES: usize = 1 << 20;

/// A PostgreSQL store at the moment of the first question.
pub(crate) struct PostgresAudit {
    client: Client,
}

impl PostgresAudit {
    /// Begins an audit.
    pub(crate) async fn begin(connector: &Connector) -> Result<Self> {
        let client = connector.client().await.map_err(error::of)?;
        client.batch_execute(BEGIN).await.map_err(error::of)?;
        Ok(Self { client })
    }

    /// The rows that a statement finds, as they come from the database.
    async fn rows<T: Send + 'static>(
        &self,
        table: &'static str,
        statement: Statement<'_>,
        read: fn(&Columns<'_>) -> Result<T>,
    ) -> Result<Rows<'static, T>> {
        let prepared = self.client.prepare(statement.sql()).await.map_err(error::of)?;
        let rows = self.client.query_raw(&prepared, statement.parameters()).await.map_err(error::of)?;
        let read = move |row: std::result::Result<Row, _>| match row {
            Ok(row) => read(&Columns::of(table, &row)),
            Err(error) => Err(error::of(error)),
        };
        let portions =
            stream::unfold(Box::pin(rows.fuse()), async |mut rows| Some((portion(&mut rows).await?, rows)));
        Ok(portions.map(move |rows| Portion::new(move || rows.into_iter().map(read).collect())).boxed())
    }

    /// All rows that a statement finds.
    async fn all<T: Send + 'static>(
        &self,
        table: &'static str,
        statement: Statement<'_>,
        read: fn(&Columns<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        let portions: Vec<_> = self.rows(table, statement, read).await?.collect().await;
        portions.into_iter().flat_map(Portion::read).collect()
    }
}

/// The next rows; `None` at the end.
async fn portion<R: Stream<Item = std::result::Result<Row, tokio_postgres::Error>> + Unpin>(
    rows: &mut R,
) -> Option<Vec<R::Item>> {
    let (mut portion, mut bytes) = (Vec::new(), 0);
    while portion.len() < PORTION_ROWS && bytes < PORTION_BYTES {
        let Some(row) = rows.next().await else { break };
        bytes += row.as_ref().map_or(0, Row::raw_size_bytes);
        portion.push(row);
    }
    (!portion.is_empty()).then_some(portion)
}

#[async_trait]
impl Audit for PostgresAudit {
    async fn channels(&mut self) -> Result<Vec<ChannelName>> {
        let statement = Statement::new(
            "-- audit::channels
            SELECT name FROM orchestrator.channel
            UNION
            SELECT channel FROM orchestrator.event
            ORDER BY name",
        );
        let name = |row: &Columns<'_>| Ok(ChannelName::new(row.get("name")?));
        self.all(channel::TABLE, statement, name).await
    }

    async fn head(&mut self, channel: &ChannelName) -> Result<Option<Head>> {
        first(self.rows(channel::TABLE, channel::head(channel), channel::read).await?).await
    }

    async fn adopted(&mut self, channel: &ChannelName) -> Result<u64> {
        let exists =
            Statement::new("-- audit::adoption\n SELECT to_regclass('orchestrator.adoption')::text AS name");
        let name = |row: &Columns<'_>| row.get::<Option<String>>("name");
        if self.all(adoption::TABLE, exists, name).await? == [None] {
            return Ok(0);
        }
        let position = |row: &Columns<'_>| row.count("position");
        let position = self.rows(adoption::TABLE, adoption::position(channel), position).await?;
        Ok(first(position).await?.unwrap_or_default())
    }

    async fn events(
        &mut self,
        channel: &ChannelName,
        after: u64,
        limit: usize,
    ) -> Result<Rows<'_, StoredEvent>> {
        self.rows(event::TABLE, event::log(channel, after, limit), event::read).await
    }

    async fn assets(&mut self, channel: &ChannelName, kind: AssetKind) -> Result<Rows<'_, EventAsset>> {
        let Some((table, statement, read)) = all_of(kind, channel) else {
            return Ok(stream::empty().boxed());
        };
        self.rows(table, statement, read).await
    }
}

type ReadAsset = fn(&Columns<'_>) -> Result<EventAsset>;

/// All assets of a kind and a channel: their table, how to ask for them, and how to read a row.
fn all_of(kind: AssetKind, channel: &ChannelName) -> Option<(&'static str, Statement<'_>, ReadAsset)> {
    let all = |table, columns| all_rows(table, columns, channel);
    let all: (_, _, ReadAsset) = match kind {
        AssetKind::Organization => {
            (organization::TABLE, all(organization::TABLE, organization::COLUMNS), |row| {
                Ok(EventAsset::Organization(Arc::new(organization::read(row)?)))
            })
        }
        AssetKind::DataSample => (data_sample::TABLE, all(data_sample::TABLE, data_sample::COLUMNS), |row| {
            Ok(EventAsset::DataSample(Arc::new(data_sample::read(row)?)))
        }),
        AssetKind::DataManager => {
            (data_manager::TABLE, all(data_manager::TABLE, data_manager::COLUMNS), |row| {
                Ok(EventAsset::DataManager(Arc::new(data_manager::read(row)?)))
            })
        }
        AssetKind::Function => (function::TABLE, all(function::TABLE, function::COLUMNS), |row| {
            Ok(EventAsset::Function(Arc::new(function::read(row)?)))
        }),
        AssetKind::ComputeTask => (compute_task::TABLE, compute_task::all(channel), |row| {
            Ok(EventAsset::ComputeTask(Arc::new(compute_task::read(row)?)))
        }),
        AssetKind::ComputePlan => {
            (compute_plan::TABLE, all(compute_plan::TABLE, compute_plan::COLUMNS), |row| {
                Ok(EventAsset::ComputePlan(Arc::new(compute_plan::read(row)?)))
            })
        }
        AssetKind::Model => (model::TABLE, all(model::TABLE, model::COLUMNS), |row| {
            Ok(EventAsset::Model(Arc::new(model::read(row)?)))
        }),
        AssetKind::Performance => {
            (performance::TABLE, all(performance::TABLE, performance::COLUMNS), |row| {
                Ok(EventAsset::Performance(Arc::new(performance::read(row)?.1)))
            })
        }
        AssetKind::FailureReport => {
            (failure_report::TABLE, all(failure_report::TABLE, failure_report::COLUMNS), |row| {
                Ok(EventAsset::FailureReport(Arc::new(failure_report::read(row)?)))
            })
        }
        AssetKind::OutputAsset => {
            (output_asset::TABLE, all(output_asset::TABLE, output_asset::COLUMNS), |row| {
                Ok(EventAsset::OutputAsset(Arc::new(output_asset::read(row)?)))
            })
        }
        AssetKind::ProfilingStep => return None, // leaves nothing but its event
    };
    Some(all)
}

/// All rows of a channel in a table that holds the assets whole.
fn all_rows<'a>(table: &str, columns: &str, channel: &'a ChannelName) -> Statement<'a> {
    Statement::new(format!(
        "-- audit::all_rows
        SELECT {columns}
        FROM orchestrator.{table}
        WHERE channel = $1"
    ))
    .with(channel.as_str())
}
