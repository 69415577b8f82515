//! A transaction on a connection of its own: opened with its first flight, committed with its last, and
//! rolled back if it is dropped.
//!
//! It knows nothing of channels. The connection goes back to the pool with nothing left open on it, whatever
//! happens.

use deadpool_postgres::{Client, Object};
use futures::future::{OptionFuture, join, join3};
use persistence::{Error, Result};
use tokio::runtime::Handle;
use tokio_postgres::Row;

use crate::error;
use crate::statement::{Prepared, Statement, prepare, rows, send};

/// A transaction.
pub(crate) struct Transaction {
    /// `None` once it has ended.
    client: Option<Client>,
    /// What opens it, until that was sent.
    opening: Option<&'static str>,
}

impl Transaction {
    /// A transaction that `opening` will open.
    pub(crate) fn new(client: Client, opening: &'static str) -> Self {
        Self { client: Some(client), opening: Some(opening) }
    }

    /// Runs statements in one flight; the answers are in their order.
    pub(crate) async fn run(&mut self, statements: &[Statement<'_>]) -> Result<Vec<Vec<Row>>> {
        let prepared = prepare(self.client()?, statements).await?;
        match self.opening.take() {
            Some(opening) => open(self.client()?, opening, prepared).await,
            None => rows(send(self.client()?, prepared).await).map_err(error::of),
        }
    }

    /// Runs the last statements and commits, all in one flight.
    ///
    /// A commit behind a failed statement is answered like a successful one and rolls back: it has succeeded
    /// only if every statement has.
    pub(crate) async fn commit(mut self, statements: &[Statement<'_>]) -> Result<()> {
        let opening = self.opening.take();
        let client = self.client()?;
        let prepared = prepare(client, statements).await?;
        if client.is_closed() {
            return Err(Error::Unavailable("the connection was closed".to_owned()));
        }
        let opened = OptionFuture::from(opening.map(|opening| client.batch_execute(opening)));
        let (opened, answers, committed) =
            join3(opened, send(client, prepared), client.batch_execute("COMMIT")).await;
        self.client = None;
        opened.transpose().map_err(error::before_commit)?;
        rows(answers).map_err(error::before_commit)?;
        committed.map_err(error::of_commit)
    }

    fn client(&self) -> Result<&Client> {
        self.client.as_ref().ok_or_else(|| Error::Failed("the transaction has ended".to_owned()))
    }
}

async fn open(client: &Client, opening: &str, prepared: Prepared<'_, '_>) -> Result<Vec<Vec<Row>>> {
    let (opened, answers) = join(client.batch_execute(opening), send(client, prepared)).await;
    opened.map_err(error::of)?;
    rows(answers).map_err(error::of)
}

impl Drop for Transaction {
    /// Rolls back in the background: whoever drops it need not wait.
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        match Handle::try_current() {
            _ if self.opening.is_some() => {} // never opened
            Ok(runtime) => drop(runtime.spawn(roll_back(client))),
            Err(_) => drop(Object::take(client)), // closes the connection, which rolls back too
        }
    }
}

/// A connection on which this fails is closed, and the pool throws it away.
async fn roll_back(client: Client) {
    if let Err(error) = client.batch_execute("ROLLBACK").await {
        tracing::debug!(%error, "a transaction ended with its connection");
    }
}
