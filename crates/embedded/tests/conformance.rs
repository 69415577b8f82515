//! The storage contract, on disk and in memory. What only this store promises is tested beside it.

use std::error::Error;
use std::sync::Arc;

use embedded::Embedded;
use persistence::Store;
use persistence::conformance::durability;

type Fresh<Kept> = Result<(Arc<dyn Store>, Kept), Box<dyn Error>>;

mod on_disk {
    use super::{Arc, Embedded, Fresh};

    async fn fresh() -> Fresh<tempfile::TempDir> {
        let folder = tempfile::tempdir()?;
        Ok((Arc::new(Embedded::open(folder.path())?), folder))
    }

    persistence::conformance_tests!(fresh);
}

mod in_memory {
    use super::{Arc, Embedded, Fresh};

    async fn fresh() -> Fresh<()> {
        Ok((Arc::new(Embedded::in_memory()?), ()))
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
