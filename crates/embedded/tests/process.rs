//! Two processes: the second is kept out, and the death of one loses nothing that it has acknowledged.
//!
//! The other process is this test program once more, told by [`FOLDER`] and [`PART`] to play a part instead of testing.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

use asset::Change;
use embedded::Embedded;
use persistence::conformance::samples::{channel, compute_plan, id};
use persistence::conformance::steps::{apply, assert_intact, first, log};
use persistence::{ComputePlanFilter, Store};

/// The folder of the store.
const FOLDER: &str = "EMBEDDED_TEST_FOLDER";
/// What the other process does: [`HOLD`] or [`WRITE`].
const PART: &str = "EMBEDDED_TEST_PART";
/// Opens the store, says so, and keeps it until its input ends.
const HOLD: &str = "hold";
/// Writes batch after batch and says the position of each once it is acknowledged.
const WRITE: &str = "write";
/// How a line begins that is meant for the test; the test harness writes lines too.
const SAID: &str = "said: ";

type Outcome = Result<(), Box<dyn Error>>;

/// The other process. Run as a test of its own it does nothing.
#[tokio::test]
async fn other_process() -> Outcome {
    let (Ok(folder), Ok(part)) = (std::env::var(FOLDER), std::env::var(PART)) else {
        return Ok(());
    };
    let store = Embedded::open(Path::new(&folder))?;
    match part.as_str() {
        HOLD => {
            say("open")?;
            std::io::stdin().read_to_end(&mut Vec::new())?;
        }
        WRITE => loop {
            let number = u32::try_from(store.head(&channel()).await?.position)? + 1;
            let events =
                apply(&store, vec![Change::ComputePlanRegistered(Arc::new(compute_plan(number)))]).await?;
            say(&events[0].position.to_string())?;
        },
        other => return Err(format!("unknown part {other}").into()),
    }
    Ok(())
}

fn say(text: &str) -> std::io::Result<()> {
    // Not println: the harness would keep it back.
    let mut output = std::io::stdout().lock();
    writeln!(output, "\n{SAID}{text}")?;
    output.flush()
}

/// Starts the other process.
fn start(folder: &Path, part: &str) -> Result<(Child, BufReader<ChildStdout>), Box<dyn Error>> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--exact", "other_process", "--nocapture"])
        .envs([(FOLDER, folder.as_os_str()), (PART, part.as_ref())])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().ok_or("no output")?;
    Ok((child, BufReader::new(output)))
}

/// What the other process says next; `None` once it has ended.
fn hear(output: &mut impl BufRead) -> std::io::Result<Option<String>> {
    for line in output.lines() {
        if let Some(said) = line?.strip_prefix(SAID) {
            return Ok(Some(said.to_owned()));
        }
    }
    Ok(None)
}

#[tokio::test]
async fn a_second_process_is_kept_out() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (mut child, mut output) = start(folder.path(), HOLD)?;
    assert_eq!(hear(&mut output)?.as_deref(), Some("open"));

    let refused = Embedded::open(folder.path()).map(|_| ()).unwrap_err().to_string();
    // The message names the folder and what is wrong.
    assert!(refused.contains("another orchestrator uses the folder"), "{refused}");
    assert!(refused.contains(&folder.path().display().to_string()), "{refused}");

    drop(child.stdin.take());
    assert!(child.wait()?.success());
    // Once the other has ended, the folder is free.
    let store = Embedded::open(folder.path())?;
    // The same holds within one process.
    assert!(Embedded::open(folder.path()).is_err());
    drop(store);
    Embedded::open(folder.path())?;
    Ok(())
}

#[tokio::test]
async fn the_death_of_a_process_loses_nothing_acknowledged() -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut acknowledged = 0;
    // Again and again on the same folder: each time the log goes on.
    for round in 1..=5 {
        let (mut child, mut output) = start(folder.path(), WRITE)?;
        for _ in 0..20 {
            acknowledged = hear(&mut output)?.ok_or("the writer has ended")?.parse()?;
        }
        // In the middle of its work, since it never stops.
        child.kill()?;
        child.wait()?;
        while let Some(position) = hear(&mut output)? {
            acknowledged = position.parse()?;
        }

        let store = Embedded::open(folder.path())?;
        let head = store.head(&channel()).await?;
        assert!(head.position >= acknowledged, "round {round}: {} of {acknowledged} are left", head.position);
        // What was not acknowledged is there whole or not at all.
        assert_intact(&log(&store, &channel()).await?, &head);
        let plans = store
            .compute_plans(&channel(), ComputePlanFilter { owner: Some(id("owner")) }, first(100_000))
            .await?;
        assert_eq!(u64::try_from(plans.items.len())?, head.position, "round {round}");
    }
    assert!(acknowledged >= 100);
    Ok(())
}
