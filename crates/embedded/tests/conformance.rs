//! The storage contract, on disk and in memory. What only this store promises is tested beside it.

#![expect(clippy::unwrap_used, reason = "a test whose store cannot be made has failed")]

use std::error::Error;
use std::sync::Arc;

use embedded::Embedded;
use persistence::Store;
use persistence::conformance::durability;

mod on_disk {
    use super::{Arc, Embedded, Store};

    async fn fresh() -> (Arc<dyn Store>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Arc::new(Embedded::open(folder.path()).unwrap()), folder)
    }

    persistence::conformance_tests!(fresh);
}

mod in_memory {
    use super::{Arc, Embedded, Store};

    async fn fresh() -> (Arc<dyn Store>, ()) {
        (Arc::new(Embedded::in_memory().unwrap()), ())
    }

    persistence::conformance_tests!(fresh);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_there_after_reopening() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let open = async || {
        let store: Arc<dyn Store> = Arc::new(Embedded::open(folder.path())?);
        Ok(store)
    };
    durability::everything_is_there_after_reopening(open).await?;
    Ok(())
}
