//! Whether the server stops: told to everything that would otherwise wait for ever.

use std::time::Duration;

use tokio::sync::watch;

/// Tells that the server stops, once.
pub(crate) struct Stop(watch::Sender<bool>);

/// Hears that the server stops.
#[derive(Clone)]
pub(crate) struct Stopping(watch::Receiver<bool>);

/// The two ends.
pub(crate) fn stop() -> (Stop, Stopping) {
    let (sender, receiver) = watch::channel(false);
    (Stop(sender), Stopping(receiver))
}

impl Stop {
    /// From now on the server stops.
    pub(crate) fn now(self) {
        self.0.send_replace(true);
    }
}

impl Stopping {
    /// Whether the server stops.
    pub(crate) fn is_now(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it does; a server that is gone has stopped.
    pub(crate) async fn wait(mut self) {
        let _stopped_or_gone = self.0.wait_for(|stopping| *stopping).await;
    }

    /// Waits until it has been stopping for so long.
    pub(crate) async fn overdue(self, limit: Duration) {
        self.wait().await;
        tokio::time::sleep(limit).await;
    }
}
