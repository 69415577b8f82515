//! Loading facts: one query for each kind of need, all in one flight.
//!
//! The queries themselves stand with their assets; [`queries`] is the list of all of them. Start at [`load`].

use std::collections::BTreeSet;

use asset::{ChannelName, Facts, Needs};
use persistence::Result;
use tokio_postgres::Row;

use crate::row::Columns;
use crate::statement::Statement;
use crate::transaction::Transaction;
use crate::{
    address, compute_plan, compute_task, data_manager, data_sample, failure_report, function, model,
    organization, output_asset,
};

/// Puts a row that was found into the facts.
type Put<'a> = Box<dyn Fn(&Columns<'_>, &mut Facts) -> Result<()> + Send + Sync + 'a>;

/// What to do with the rows that a query finds.
pub(crate) struct Found<'a> {
    table: &'static str,
    put: Put<'a>,
}

impl Found<'_> {
    /// Puts all rows into the facts, which know about what was needed already.
    pub(crate) fn put(&self, rows: &[Row], facts: &mut Facts) -> Result<()> {
        rows.iter().try_for_each(|row| (self.put)(&Columns::of(self.table, row), facts))
    }
}

/// A query for facts.
pub(crate) struct Query<'a> {
    statement: Statement<'a>,
    found: Found<'a>,
}

impl<'a> Query<'a> {
    /// A query whose rows `put` understands; `table` is for messages about rows that it does not.
    pub(crate) fn new(
        table: &'static str,
        statement: Statement<'a>,
        put: impl Fn(&Columns<'_>, &mut Facts) -> Result<()> + Send + Sync + 'a,
    ) -> Self {
        Self { statement, found: Found { table, put: Box::new(put) } }
    }

    /// What is sent, and what is done with the answer.
    pub(crate) fn split(self) -> (Statement<'a>, Found<'a>) {
        (self.statement, self.found)
    }
}

/// The queries for what is needed; none for what is not.
pub(crate) fn queries<'a>(channel: &'a ChannelName, needs: &'a Needs) -> Vec<Query<'a>> {
    let queries = [
        needs.organizations.then(|| organization::load(channel)),
        some(&needs.data_managers).map(|keys| data_manager::load(channel, keys)),
        some(&needs.data_samples).map(|keys| data_sample::load(channel, keys)),
        some(&needs.samples_of_managers).map(|keys| data_sample::load_of_managers(channel, keys)),
        some(&needs.functions).map(|keys| function::load(channel, keys)),
        some(&needs.compute_plans).map(|keys| compute_plan::load(channel, keys)),
        some(&needs.compute_tasks).map(|keys| compute_task::load(channel, keys)),
        some(&needs.task_statuses).map(|keys| compute_task::load_statuses(channel, keys)),
        some(&needs.children).map(|keys| compute_task::load_children(channel, keys)),
        some(&needs.unbuilt_tasks).map(|keys| compute_task::load_unbuilt(channel, keys)),
        some(&needs.model_users).map(|keys| compute_task::load_model_users(channel, keys)),
        some(&needs.statuses_in_plans).map(|keys| compute_task::load_statuses_in_plans(channel, keys)),
        some(&needs.output_assets).map(|keys| output_asset::load(channel, keys)),
        some(&needs.output_assets).map(|keys| model::load_of_tasks(channel, keys)),
        some(&needs.models).map(|keys| model::load(channel, keys)),
        some(&needs.failure_reports).map(|keys| failure_report::load(channel, keys)),
        some(&needs.addresses).map(|addresses| address::load(channel, addresses)),
    ];
    queries.into_iter().flatten().collect()
}

/// The keys, unless there are none.
fn some<K>(keys: &BTreeSet<K>) -> Option<&BTreeSet<K>> {
    (!keys.is_empty()).then_some(keys)
}

/// Loads what is needed in one flight: first everything as absent, then what there is.
pub(crate) async fn load(
    transaction: &mut Transaction,
    channel: &ChannelName,
    needs: &Needs,
    facts: &mut Facts,
) -> Result<()> {
    let (statements, found): (Vec<_>, Vec<_>) = queries(channel, needs).into_iter().map(Query::split).unzip();
    let answers = transaction.run(&statements).await?;
    put_all(&found, answers, needs, facts)
}

/// Puts everything that was needed as absent, and then what was found.
pub(crate) fn put_all(
    found: &[Found<'_>],
    answers: impl IntoIterator<Item = Vec<Row>>,
    needs: &Needs,
    facts: &mut Facts,
) -> Result<()> {
    facts.put_absent(needs);
    found.iter().zip(answers).try_for_each(|(found, rows)| found.put(&rows, facts))
}

#[cfg(test)]
mod tests {
    use asset::key::Key;
    use persistence::conformance::samples;

    use super::*;

    /// So much of each kind.
    fn needs(count: u32) -> Needs {
        fn keys<K: Key>(count: u32) -> BTreeSet<K> {
            (0..count).map(samples::key).collect()
        }
        Needs {
            organizations: count > 0,
            data_managers: keys(count),
            data_samples: keys(count),
            functions: keys(count),
            compute_plans: keys(count),
            compute_tasks: keys(count),
            task_statuses: keys(count),
            children: keys(count),
            unbuilt_tasks: keys(count),
            output_assets: keys(count),
            models: keys(count),
            model_users: keys(count),
            failure_reports: keys(count),
            addresses: (0..count).map(|number| number.to_string()).collect(),
            samples_of_managers: keys(count),
            statuses_in_plans: keys(count),
        }
    }

    #[test]
    fn the_number_of_queries_does_not_grow_with_the_needs() {
        // compute/DEF-50, DEF-52, core/DEF-37
        for (count, expected) in [(0, 0), (1, 17), (1000, 17)] {
            assert_eq!(
                queries(&samples::channel(), &needs(count)).len(),
                expected,
                "for {count} of each kind"
            );
        }
    }
}
