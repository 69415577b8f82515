//! A batch: one transaction that locks its channel's row first and commits everything in its last flight.
//!
//! It runs at READ COMMITTED: each statement sees what was committed when it began, and since the lock was
//! there before, that is everything any earlier batch of the channel wrote, in any process. Nothing can run
//! beside it, so nothing is ever in conflict. Start at [`PostgresBatch::begin`]; which rows a write comes to
//! stands in [`rows`].

use std::iter;

use asset::{ChannelName, Facts, Needs};
use async_trait::async_trait;
use deadpool_postgres::Client;
use persistence::{Batch, Error, Head, Result, StoredEvent, WriteSet};
use tokio_postgres::Row;

use crate::load::{Query, load, put_all, queries};
use crate::row::Columns;
use crate::statement::Statement;
use crate::transaction::Transaction;
use crate::{
    address, channel, compute_plan, compute_task, data_manager, data_sample, event, failure_report, function,
    model, organization, output_asset, performance,
};

const BEGIN: &str = "BEGIN";

/// The batch of a channel.
pub(crate) struct PostgresBatch {
    transaction: Transaction,
    channel: ChannelName,
    head: Head,
}

impl PostgresBatch {
    /// Takes the channel's lock, waits for it if need be, and loads what is needed in the same flight.
    pub(crate) async fn begin(
        client: Client,
        channel: &ChannelName,
        needs: &Needs,
        facts: &mut Facts,
    ) -> Result<Self> {
        let mut transaction = Transaction::new(client, BEGIN);
        let (queries, found): (Vec<_>, Vec<_>) =
            queries(channel, needs).into_iter().map(Query::split).unzip();
        let statements: Vec<_> = iter::once(channel::lock(channel)).chain(queries).collect();
        let mut answers = transaction.run(&statements).await?.into_iter();
        let head = match head_of(answers.next().as_deref())? {
            Some(head) => {
                put_all(&found, answers, needs, facts)?;
                head
            }
            None => {
                let head = create(&mut transaction, channel).await?;
                load(&mut transaction, channel, needs, facts).await?;
                head
            }
        };
        Ok(Self { transaction, channel: channel.clone(), head })
    }
}

#[async_trait]
impl Batch for PostgresBatch {
    fn head(&self) -> &Head {
        &self.head
    }

    async fn load(&mut self, needs: &Needs, facts: &mut Facts) -> Result<()> {
        load(&mut self.transaction, &self.channel, needs, facts).await
    }

    async fn apply(self: Box<Self>, writes: WriteSet, events: Vec<StoredEvent>, head: Head) -> Result<()> {
        let statements = statements(&self.channel, &writes, &events, &head);
        self.transaction.commit(&statements).await
    }
}

/// A whole batch in one flight, written only if the channel's log ends where it is expected to.
pub(crate) async fn apply_at(
    client: Client,
    channel: &ChannelName,
    expected: &Head,
    writes: &WriteSet,
    events: &[StoredEvent],
    head: &Head,
) -> Result<()> {
    let first = *expected == Head::default();
    let created = first.then(|| channel::create(channel));
    let opening = created.into_iter().chain([channel::advance_from(channel, expected, head)]);
    let statements: Vec<_> = opening.chain(rows(channel, writes, events)).collect();
    Transaction::new(client, BEGIN).commit(&statements).await
}

/// The first batch of a channel makes its row. Two may try at once: the second waits for the first, and then
/// finds the row.
async fn create(transaction: &mut Transaction, channel: &ChannelName) -> Result<Head> {
    let answers = transaction.run(&[channel::create(channel), channel::lock(channel)]).await?;
    head_of(answers.last().map(Vec::as_slice))?
        .ok_or_else(|| Error::Unavailable(format!("channel {channel} has vanished")))
}

/// The head that the answer to [`channel::lock`] holds, if there is the channel.
fn head_of(answer: Option<&[Row]>) -> Result<Option<Head>> {
    let row = answer.and_then(<[Row]>::first);
    row.map(|row| channel::read(&Columns::of(channel::TABLE, row))).transpose()
}

/// The rows of a batch, and where the log ends with it.
pub(crate) fn statements<'a>(
    channel: &'a ChannelName,
    writes: &'a WriteSet,
    events: &'a [StoredEvent],
    head: &'a Head,
) -> Vec<Statement<'a>> {
    let mut statements = rows(channel, writes, events);
    statements.push(channel::advance(channel, head));
    statements
}

/// One statement for each table and kind of write; none for what does not occur.
fn rows<'a>(channel: &'a ChannelName, writes: &'a WriteSet, events: &'a [StoredEvent]) -> Vec<Statement<'a>> {
    let mut statements = vec![
        some(&writes.organizations).map(|rows| organization::insert(channel, rows)),
        some(&writes.data_managers).map(|rows| data_manager::insert(channel, rows)),
        some(&writes.renamed_data_managers).map(data_manager::rename),
        some(&writes.data_samples).map(|rows| data_sample::insert(channel, rows)),
        some(&writes.sample_links).map(data_sample::insert_links),
        some(&writes.functions).map(|rows| function::insert(channel, rows)),
        some(&writes.updated_functions).map(function::update),
        some(&writes.compute_plans).map(|rows| compute_plan::insert(channel, rows)),
        some(&writes.updated_compute_plans).map(compute_plan::update),
        some(&writes.compute_tasks).map(|rows| compute_task::insert(channel, rows)),
        some(&writes.compute_tasks).map(|rows| compute_task::insert_statuses(channel, rows)),
        some(&writes.compute_tasks).map(compute_task::insert_parents),
        some(&writes.model_uses).map(compute_task::insert_model_uses),
        some(&writes.models).map(|rows| model::insert(channel, rows)),
        some(&writes.disabled_models).map(model::disable),
        some(&writes.performances).map(|rows| performance::insert(channel, rows)),
        some(&writes.output_assets).map(|rows| output_asset::insert(channel, rows)),
        some(&writes.failure_reports).map(|rows| failure_report::insert(channel, rows)),
        some(&writes.claimed_addresses).map(|rows| address::claim(channel, rows)),
        some(&writes.released_addresses).map(|rows| address::release(channel, rows)),
        some(events).map(|events| event::append(channel, events)),
    ];
    statements.extend(compute_task::update(&writes.updated_compute_tasks).into_iter().map(Some));
    statements.into_iter().flatten().collect()
}

/// The rows, unless there are none.
fn some<A>(rows: &[A]) -> Option<&[A]> {
    (!rows.is_empty()).then_some(rows)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use persistence::SampleLink;
    use persistence::conformance::samples;

    use super::*;

    /// So many rows of each kind.
    fn writes(count: u32) -> WriteSet {
        fn rows<A>(count: u32, sample: impl Fn(u32) -> A) -> Vec<Arc<A>> {
            (0..count).map(sample).map(Arc::new).collect()
        }
        let link = |number| SampleLink {
            data_sample_key: samples::key(number),
            data_manager_key: samples::key(1),
            position: 0,
        };
        WriteSet {
            organizations: rows(count, |number| samples::organization("id", number)),
            data_managers: rows(count, samples::data_manager),
            renamed_data_managers: rows(count, samples::data_manager),
            data_samples: rows(count, samples::data_sample),
            sample_links: (0..count).map(link).collect(),
            functions: rows(count, samples::function),
            updated_functions: rows(count, samples::function),
            compute_plans: rows(count, samples::compute_plan),
            updated_compute_plans: rows(count, samples::compute_plan),
            compute_tasks: rows(count, |number| samples::child_task(number, &[1, 2])),
            model_uses: (0..count).map(|number| (samples::key(number), samples::key(1))).collect(),
            updated_compute_tasks: rows(count, samples::compute_task),
            models: rows(count, |number| samples::model(number, 1)),
            disabled_models: rows(count, |number| samples::model(number, 1)),
            performances: rows(count, |number| samples::performance(1, "figure", number)),
            output_assets: rows(count, |number| samples::output_model(&samples::model(number, 1), 1)),
            failure_reports: rows(count, samples::failure_report),
            claimed_addresses: (0..count).map(|number| number.to_string()).collect(),
            released_addresses: (0..count).map(|number| number.to_string()).collect(),
        }
    }

    fn statements_for(count: u32) -> usize {
        let (channel, mut head) = (samples::channel(), Head::default());
        let events: Vec<_> = (0..count).map(|number| head.append(samples::envelope(number))).collect();
        statements(&channel, &writes(count), &events, &head).len()
    }

    #[test]
    fn the_number_of_statements_does_not_grow_with_the_batch() {
        // compute/DEF-50, core/DEF-37
        assert_eq!(statements_for(0), 1, "the channel's own row");
        assert_eq!(statements_for(1), 23);
        assert_eq!(statements_for(1000), 23);
    }
}
