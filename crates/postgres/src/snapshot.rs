//! Reading facts from one snapshot (core/TX-8).
//!
//! Most questions come to a single statement, and a statement is a snapshot of its own. Only if there is more
//! to ask, everything is read again in a transaction that sees one moment throughout.

use asset::{ChannelName, Facts, Needs};
use persistence::{Result, Stages};

use crate::load::{Query, load, queries};
use crate::pool::Connections;
use crate::transaction::Transaction;

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Loads facts in stages until nothing is missing.
pub(crate) async fn read(
    connections: &Connections,
    channel: &ChannelName,
    stages: &dyn Stages,
) -> Result<Facts> {
    let needs = stages.missing(&Facts::default());
    let mut queries = queries(channel, &needs);
    match (queries.pop(), queries.is_empty()) {
        (Some(query), true) => read_one(connections, channel, stages, &needs, query).await,
        _ => read_all(connections, channel, stages, &needs).await,
    }
}

/// Asks the only query of the first stage, and begins anew if there is a second stage.
async fn read_one(
    connections: &Connections,
    channel: &ChannelName,
    stages: &dyn Stages,
    needs: &Needs,
    query: Query<'_>,
) -> Result<Facts> {
    let (statement, found) = query.split();
    let rows = connections.read(&statement).await?;
    let mut facts = Facts::default();
    facts.put_absent(needs);
    found.put(&rows, &mut facts)?;
    if stages.missing(&facts).is_empty() {
        Ok(facts)
    } else {
        read_all(connections, channel, stages, needs).await
    }
}

/// Reads all stages, of which `needs` is the first, in one transaction.
///
/// It has written nothing: that it is rolled back in the end, while the answer is on its way already, makes
/// no difference.
async fn read_all(
    connections: &Connections,
    channel: &ChannelName,
    stages: &dyn Stages,
    needs: &Needs,
) -> Result<Facts> {
    let mut facts = Facts::default();
    let mut needs = needs.clone();
    if needs.is_empty() {
        return Ok(facts);
    }
    let mut transaction = Transaction::new(connections.reader().await?, BEGIN);
    while !needs.is_empty() {
        load(&mut transaction, channel, &needs, &mut facts).await?;
        needs = stages.missing(&facts);
    }
    Ok(facts)
}
