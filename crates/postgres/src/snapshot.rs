//! Reading facts from one snapshot (core/TX-8).
//!
//! Most questions come to a single statement, and a statement is a snapshot of its own. Only if there is more to ask, everything is read again
//! in a transaction that sees one moment throughout.

use asset::{ChannelName, Facts, Needs};
use persistence::{Result, Stages};

use crate::load::{Query, load, queries};
use crate::pool::Connections;
use crate::transaction::Transaction;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Loads facts in stages until nothing is missing.
pub(crate) async fn read(connections: &Connections, channel: &ChannelName, stages: &dyn Stages) -> Result<Facts> {
    let needs = stages.missing(&Facts::default());
    let mut queries = queries(channel, &needs);
    match (queries.pop(), queries.is_empty()) {
        (None, _) => Ok(Facts::default()),
        (Some(query), true) => read_one(connections, channel, stages, &needs, query).await,
        (Some(_), false) => read_in_transaction(connections, channel, stages).await,
    }
}

/// Asks the only query of the first stage, and begins anew if there is a second one.
async fn read_one(
    connections: &Connections,
    channel: &ChannelName,
    stages: &dyn Stages,
    needs: &Needs,
    query: Query<'_>,
) -> Result<Facts> {
    let (statement, found) = query.split();
    let mut facts = Facts::default();
    let rows = connections.read(&statement).await?;
    facts.put_absent(needs);
    found.put(&rows, &mut facts)?;
    if stages.missing(&facts).is_empty() { Ok(facts) } else { read_in_transaction(connections, channel, stages).await }
}

/// The transaction has written nothing: that it is rolled back in the end, while the answer is on its way, makes no difference.
async fn read_in_transaction(
    connections: &Connections,
    channel: &ChannelName,
    stages: &dyn Stages,
) -> Result<Facts> {
    let mut transaction = Transaction::new(connections.reader().await?, BEGIN);
    let mut facts = Facts::default();
    loop {
        let needs = stages.missing(&facts);
        if needs.is_empty() {
            return Ok(facts);
        }
        load(&mut transaction, channel, &needs, &mut facts).await?;
    }
}
