//! Files that are not as they should be, and callers that panic.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use asset::{Change, Facts, Needs};
use embedded::Embedded;
use persistence::conformance::samples::{channel, compute_plan, key};
use persistence::conformance::steps::{apply, first, known, load};
use persistence::{ComputePlanFilter, EventLimit, Stages, Store};
use rusqlite::Connection;

type Outcome = Result<(), Box<dyn Error>>;

/// A folder with a store that holds plan 1, and then `tampering` done to its file.
async fn tampered(tampering: &str) -> Result<tempfile::TempDir, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let store = Embedded::open(folder.path())?;
    apply(&store, vec![Change::ComputePlanRegistered(Arc::new(compute_plan(1)))]).await?;
    drop(store);
    Connection::open(file(folder.path()))?.execute_batch(tampering)?;
    Ok(folder)
}

fn file(folder: &Path) -> std::path::PathBuf {
    folder.join("orchestrator.db")
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_left_alone() -> Outcome {
    let folder = tampered("PRAGMA user_version = 1000").await?;
    let error = Embedded::open(folder.path()).map(|_| ()).unwrap_err();
    assert!(matches!(error, persistence::Error::Failed(_)), "{error:?}");
    // The message tells both versions.
    assert!(error.to_string().contains("schema version 1000, this program knows 1 at most"), "{error}");

    let version: i64 =
        Connection::open(file(folder.path()))?.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    assert_eq!(version, 1000);
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_no_database_is_corrupt() -> Outcome {
    let folder = tempfile::tempdir()?;
    std::fs::write(file(folder.path()), "no database ".repeat(1000))?;
    let error = Embedded::open(folder.path()).map(|_| ()).unwrap_err();
    assert!(matches!(error, persistence::Error::Corrupt(_)), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named() -> Outcome {
    let cases = [
        (
            "UPDATE compute_plan SET metadata = '{'",
            "compute_plan.metadata of 00000000000000000000000000000001: ",
        ),
        (
            "UPDATE compute_plan SET metadata = '[1]'",
            "compute_plan.metadata of 00000000000000000000000000000001: ",
        ),
        ("UPDATE compute_plan SET key = x'0102'", "compute_plan.key of 0102: "),
        ("UPDATE channel SET hash = x'00'", "channel.hash of first: "),
        ("UPDATE channel SET position = -1", "channel.position of first: "),
        ("UPDATE event SET encoded = x'', metadata = 'reason'", "event.metadata of "),
    ];
    for (tampering, place) in cases {
        let folder = tampered(tampering).await?;
        let store = Embedded::open(folder.path())?;
        let plans =
            store.compute_plans(&channel(), ComputePlanFilter::default(), first(10)).await.map(|_| ());
        let head = store.head(&channel()).await.map(|_| ());
        let events = store.events_after(&channel(), 0, EventLimit::events(10)).await.map(|_| ());
        let errors: Vec<_> = [plans, head, events].into_iter().filter_map(Result::err).collect();
        // Exactly the reader of the row stumbles, and tells table, column and key.
        assert!(
            matches!(&errors[..], [persistence::Error::Corrupt(text)] if text.starts_with(place)),
            "{tampering}: {errors:?}"
        );
    }
    Ok(())
}

/// A change of a row that is not there.
#[tokio::test]
async fn a_change_of_nothing_fails() -> Outcome {
    let store = Embedded::in_memory()?;
    let refused = apply(&store, vec![Change::ComputePlanRenamed(Arc::new(compute_plan(1)))]).await;
    assert!(matches!(refused, Err(persistence::Error::Failed(_))), "{refused:?}");
    assert_eq!(store.head(&channel()).await?.position, 0);
    Ok(())
}

/// A reader that panics takes neither its connection nor its turn with it.
#[tokio::test]
async fn a_panic_while_reading_harms_nobody_else() -> Outcome {
    struct Panicking;

    impl Stages for Panicking {
        fn missing(&self, _facts: &Facts) -> Needs {
            panic!("on purpose");
        }
    }

    let store = Embedded::in_memory()?;
    apply(&store, vec![Change::ComputePlanRegistered(Arc::new(compute_plan(1)))]).await?;
    for _ in 0..10 {
        let error = store.read(&channel(), Arc::new(Panicking)).await.map(|_| ()).unwrap_err();
        assert!(matches!(error, persistence::Error::Failed(_)), "{error:?}");
    }
    for facts in load(&store, &Needs { compute_plans: [key(1)].into(), ..Needs::default() }).await? {
        assert_eq!(known(&facts.compute_plans, key(1)), Some(&compute_plan(1)));
    }
    Ok(())
}
