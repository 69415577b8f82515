//! `orchestrator verify` on what real servers have written: clean stores are clean, and each kind of tampering is named.

use std::path::{Path, PathBuf};
use std::process::Output;

use postgres::testing::{Cluster, TestDatabase};

use crate::process::{Process, orchestrator};
use crate::{channel_file, environment};

/// The channel of the demo.
const CHANNEL: &str = "mychannel";

fn verify(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        orchestrator(&[&["verify"], arguments].concat(), &[]).output().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

/// The embedded store that a demo leaves: nearly every kind of asset, in about fifty events for each round.
fn store_of_a_demo(folder: &Path) -> PathBuf {
    let data = folder.join("demo");
    let demo =
        orchestrator(&["demo", "--rounds", "1", "--data", data.to_str().unwrap()], &[]).output().unwrap();
    assert!(demo.status.success(), "{demo:?}");
    data.join("orchestrator")
}

/// Changes an embedded store behind its back.
fn tamper(store: &Path, sql: &str) {
    let database = rusqlite::Connection::open(store.join("orchestrator.db")).unwrap();
    database.execute_batch(&format!("PRAGMA foreign_keys = OFF; {sql}")).unwrap();
}

#[test]
fn each_kind_of_tampering_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let pristine = store_of_a_demo(folder.path());
    let (status, report) = verify(&["--data", pristine.to_str().unwrap()]);
    assert_eq!(status, Some(0), "{report}");
    assert!(report.contains(": 0 differences"), "{report}");
    let count = report.split(&format!("{CHANNEL}: ")).nth(1).unwrap().split(' ').next().unwrap();
    let last: u64 = count.parse().unwrap();

    let cases = [
        (
            "UPDATE event SET encoded = CAST(substr(encoded, 1, length(encoded) - 1)
             || CASE substr(encoded, -1) WHEN x'00' THEN x'01' ELSE x'00' END AS BLOB) WHERE position = 7",
            vec!["event 7: its hash does not follow from its bytes and the hash before".to_owned()],
        ),
        ("DELETE FROM event WHERE position = 7", vec!["event 7 is missing".to_owned()]),
        (
            "DELETE FROM event WHERE position > 20 AND position < 24",
            vec!["events 21 to 23 are missing".to_owned()],
        ),
        (
            "DELETE FROM event WHERE position = (SELECT max(position) FROM event)",
            vec![format!("event {last} is missing")],
        ),
        (
            "UPDATE event SET position = -position WHERE position IN (7, 8);
             UPDATE event SET position = 15 + position WHERE position < 0",
            vec![
                "event 7: its hash does not follow".to_owned(),
                "event 8: its hash does not follow".to_owned(),
            ],
        ),
        (
            "UPDATE event SET asset_key = 'other' WHERE position = 9",
            vec!["event 9: the column asset_key says something else than the event".to_owned()],
        ),
        (
            "UPDATE channel SET hash = zeroblob(32)",
            vec!["the channel has another hash than event".to_owned()],
        ),
        (
            "UPDATE channel SET position = position - 1",
            vec!["the channel says that its log ends at".to_owned()],
        ),
        ("DELETE FROM channel", vec!["the channel is missing".to_owned()]),
        (
            "UPDATE function SET name = 'another' WHERE rowid = (SELECT min(rowid) FROM function)",
            vec!["name is \"another\", event".to_owned()],
        ),
        (
            "UPDATE compute_task SET status = 6 WHERE serial = 1",
            vec!["status is \"STATUS_FAILED\", event".to_owned()],
        ),
        (
            "UPDATE compute_task SET worker = 'another' WHERE serial = 1",
            vec!["compute_task.encoded of".to_owned(), "contradict".to_owned()],
        ),
        (
            "UPDATE compute_plan SET cancelation_date = 5",
            vec!["compute_plan".to_owned(), "cancelation_date is".to_owned()],
        ),
        (
            "UPDATE function SET inputs = 'none' WHERE rowid = (SELECT min(rowid) FROM function)",
            vec!["function.inputs of".to_owned()],
        ),
        (
            "DELETE FROM model WHERE rowid = (SELECT min(rowid) FROM model)",
            vec!["model ".to_owned(), "is missing, event".to_owned()],
        ),
        (
            "DELETE FROM organization WHERE id = 'MyOrg2MSP'",
            vec!["organization MyOrg2MSP is missing, event".to_owned()],
        ),
        (
            "INSERT INTO organization SELECT channel, 'Intruder', address, creation_date FROM organization LIMIT 1",
            vec!["organization Intruder is there, and no event tells of it".to_owned()],
        ),
        (
            "DELETE FROM output_asset WHERE identifier = 'model'",
            vec!["compute_task_output_asset".to_owned(), "is missing, event".to_owned()],
        ),
    ];
    for (number, (sql, expected)) in cases.iter().enumerate() {
        let copy = folder.path().join(format!("copy {number}"));
        std::fs::create_dir(&copy).unwrap();
        std::fs::copy(pristine.join("orchestrator.db"), copy.join("orchestrator.db")).unwrap();
        tamper(&copy, sql);
        let (status, report) = verify(&["--data", copy.to_str().unwrap()]);
        assert_eq!(status, Some(3), "{sql}: {report}");
        for text in expected {
            assert!(report.contains(text), "{sql}: {text:?} is not in {report}");
        }
    }
}

#[test]
fn what_is_no_store_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (status, report) = verify(&["--data", folder.path().to_str().unwrap()]);
    assert_eq!(status, Some(1), "{report}");
    assert!(report.contains("cannot read the store"), "{report}");
    assert!(!folder.path().join("orchestrator.db").exists(), "nothing is made");
    assert_eq!(verify(&[]).0, Some(2));
}

/// Puts a server under load for some seconds.
fn load(server: &Process) -> std::process::Child {
    let address = format!("http://{}", server.address);
    let arguments = ["bench", "mixed", "--address", &address, "--duration", "4s", "--clients", "4"];
    orchestrator(&arguments, &[]).stdout(std::process::Stdio::null()).spawn().unwrap()
}

async fn execute(database: &TestDatabase, sql: &str) {
    let (client, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn live_stores_are_clean_whatever_moment_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let file = channel_file(&folder);
    let database = Cluster::shared().await.fresh_database().await;
    let data = folder.path().join("data");
    let on_postgres = ["--database-url", database.url()];
    let on_embedded = ["--data", data.to_str().unwrap()];
    for (server, store) in
        [(Process::serve(&environment(&database, &file)), on_postgres), (Process::dev(&data), on_embedded)]
    {
        let mut load = load(&server);
        while load.try_wait().unwrap().is_none() {
            let (status, report) = verify(&store);
            assert_eq!(status, Some(0), "{report}");
        }
        assert!(load.wait().unwrap().success());
        let (status, report) = verify(&store);
        assert_eq!(status, Some(0), "{report}");
        assert!(!report.contains(" 0 events"), "{report}");
    }

    execute(&database, "UPDATE orchestrator.event SET encoded = '\\x00' WHERE position = 3").await;
    execute(&database, "UPDATE orchestrator.compute_plan SET tag = 'another'").await;
    let (status, report) = verify(&on_postgres);
    assert_eq!(status, Some(3), "{report}");
    for text in ["event 3: its hash does not follow", "event 3: its bytes are no event", "tag is \"another\""]
    {
        assert!(report.contains(text), "{text:?} is not in {report}");
    }
}
