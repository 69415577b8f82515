//! Readiness: whether calls can succeed, and if not, why.
//!
//! It looks at what calls need: a server that is not about to stop, a store that answers, and a schema that this program works on. Health
//! (core/HLT-4) depends on none of the last two; a balancer may ask here instead.

use std::fmt;
use std::time::Duration;

use service::Service;
use tokio::time::timeout;

use crate::access::AccessControl;
use crate::stopping::Stopping;

/// A store that takes longer to answer does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What operators can be told of a running server. Made by [`crate::Server::state`].
#[derive(Clone)]
pub struct ServerState {
    pub(crate) service: Service,
    pub(crate) stopping: Stopping,
    pub(crate) access: AccessControl,
}

/// What was found out, displayed as one line for each thing that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    stopping: bool,
    storage: Storage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Storage {
    Ready,
    NotMigrated,
    Unreachable,
}

impl ServerState {
    /// Whether it is ready now.
    pub async fn readiness(&self) -> Readiness {
        let storage = match timeout(PATIENCE, self.service.schema_is_current()).await {
            Ok(Ok(true)) => Storage::Ready,
            Ok(Ok(false)) => Storage::NotMigrated,
            Ok(Err(_)) | Err(_) => Storage::Unreachable,
        };
        Readiness { stopping: self.stopping.is_now(), storage }
    }
}

impl Readiness {
    /// Whether nothing stands in the way.
    pub fn is_ready(&self) -> bool {
        !self.stopping && self.storage == Storage::Ready
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_ready() { "ready" } else { "not ready" };
        let server = if self.stopping { "is stopping" } else { "ok" };
        let (store, schema) = match self.storage {
            Storage::Ready => ("ok", "ok"),
            Storage::NotMigrated => ("ok", "is not the one of this version: run `orchestrator migrate`"),
            Storage::Unreachable => ("does not answer", "unknown"),
        };
        writeln!(f, "{verdict}\nserver: {server}\nstore: {store}\nschema: {schema}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_stands_in_the_way() {
        let table = [
            (false, Storage::Ready, true, "ready\nserver: ok\nstore: ok\nschema: ok\n"),
            (true, Storage::Ready, false, "not ready\nserver: is stopping\n"),
            (false, Storage::Unreachable, false, "not ready\nserver: ok\nstore: does not answer\n"),
            (false, Storage::NotMigrated, false, "not ready\nserver: ok\nstore: ok\nschema: is not"),
        ];
        for (stopping, storage, ready, text) in table {
            let report = Readiness { stopping, storage };
            assert_eq!(report.is_ready(), ready, "{report}");
            assert!(report.to_string().starts_with(text), "{report}");
        }
    }
}
