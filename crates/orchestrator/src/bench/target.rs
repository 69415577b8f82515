//! The server under load: where it is, as whom it is called, and the connections to it.
//!
//! Every simulated client has an HTTP/2 connection of its own, as the clients of a real network do. It knows nothing of workloads. Start at
//! [`Target::connect`].

use anyhow::Context;
use client::{Client, ClientOptions};
use futures::future::try_join_all;

/// Most connections that are opened; with more clients than that they share. Keeps both sides below the usual 1,024 open files.
const CONNECTIONS_MAX: usize = 250;

/// Whom to call, as whom.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// As `http://host:port`.
    pub(super) address: String,
    pub(super) channel: String,
    pub(super) organization: String,
}

impl Target {
    /// A connection of its own.
    ///
    /// # Errors
    /// Nobody answers at the address.
    pub(super) async fn connect(&self) -> anyhow::Result<Client> {
        let options = ClientOptions::new(&self.address, &self.organization, &self.channel);
        Client::connect(options).await.context("cannot reach the server under load")
    }

    /// So many clients, each with a connection of its own as long as there are not too many.
    ///
    /// # Errors
    /// Nobody answers at the address.
    pub(super) async fn connect_clients(&self, count: usize) -> anyhow::Result<Vec<Client>> {
        let connections = (0..count.min(CONNECTIONS_MAX)).map(|_| self.connect());
        let connections = try_join_all(connections).await?;
        Ok(connections.iter().cycle().take(count).cloned().collect())
    }
}
