//! What tests may rely on when they ask for a real PostgreSQL.
//!
//! Databases are separate, committed data outlives a restart and a crash, and nothing outlives the test
//! process. The table here is made up: the store's own are not this file's concern. Start at
//! [`fresh_databases_are_separate`].

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use postgres::testing::Cluster;
use tokio_postgres::{Client, Error, NoTls};

/// How long a supervisor may take to clean up: many times what it needs.
const CLEAN_UP_TIME_MAX: Duration = Duration::from_secs(30);

#[tokio::test]
async fn fresh_databases_are_separate() {
    let cluster = Cluster::shared().await;
    let (one, other) = (cluster.fresh_database().await, cluster.fresh_database().await);
    add_number(&connect(one.url()).await.unwrap(), 1).await.unwrap();

    assert_eq!(numbers(&connect(one.url()).await.unwrap()).await.unwrap(), [1]);
    assert!(numbers(&connect(other.url()).await.unwrap()).await.is_err(), "the other has no such table");
}

#[tokio::test]
async fn a_copy_starts_with_what_its_template_has() {
    let cluster = Cluster::shared().await;
    let template = cluster.fresh_database().await;
    add_number(&connect(template.url()).await.unwrap(), 1).await.unwrap();

    let copies = [cluster.fresh_database_from(&template).await, cluster.fresh_database_from(&template).await];
    let clients = [connect(copies[0].url()).await.unwrap(), connect(copies[1].url()).await.unwrap()];
    add_number(&clients[0], 2).await.unwrap();

    assert_eq!(numbers(&clients[0]).await.unwrap(), [1, 2]);
    assert_eq!(numbers(&clients[1]).await.unwrap(), [1]);
}

#[tokio::test]
async fn a_database_is_dropped_with_its_value_even_while_clients_are_connected() {
    let database = Cluster::shared().await.fresh_database().await;
    let url = database.url().to_owned();
    let client = connect(&url).await.unwrap();
    drop(database);

    assert!(client.batch_execute("SELECT 1").await.is_err(), "the connection has been ended");
    assert!(connect(&url).await.is_err(), "the database is gone");
}

#[tokio::test]
async fn text_is_ordered_by_language_unless_a_statement_says_otherwise() {
    let cluster = Cluster::start().await;
    let database = cluster.fresh_database().await;
    let client = connect(database.url()).await.unwrap();
    let row = client
        .query_one(
            "SELECT current_setting('server_version_num')::integer >= 150000
                AND EXISTS (SELECT FROM pg_collation WHERE collprovider = 'i'),
                'a' < 'B', 'a' < 'B' COLLATE \"C\"",
            &[],
        )
        .await
        .unwrap();
    let (knows_languages, by_default, by_bytes): (bool, bool, bool) = (row.get(0), row.get(1), row.get(2));

    assert_eq!(by_default, knows_languages);
    assert!(!by_bytes);
}

#[tokio::test]
async fn a_restart_keeps_data_and_address() {
    let mut cluster = Cluster::start().await;
    let database = cluster.fresh_database().await;
    add_number(&connect(database.url()).await.unwrap(), 1).await.unwrap();

    cluster.stop().await;
    assert!(connect(database.url()).await.is_err(), "a stopped server accepts no connection");
    cluster.restart().await;
    assert_eq!(numbers(&connect(database.url()).await.unwrap()).await.unwrap(), [1]);
    cluster.restart().await;
    assert_eq!(numbers(&connect(database.url()).await.unwrap()).await.unwrap(), [1]);
}

#[tokio::test]
async fn a_crash_keeps_what_was_committed_and_nothing_else() {
    let mut cluster = Cluster::start().await;
    let database = cluster.fresh_database().await;
    let (committing, working) =
        (connect(database.url()).await.unwrap(), connect(database.url()).await.unwrap());
    add_number(&committing, 1).await.unwrap();
    working.batch_execute("BEGIN; INSERT INTO number VALUES (2)").await.unwrap();

    cluster.kill().await;
    assert!(working.batch_execute("COMMIT").await.is_err(), "the connection is lost");
    cluster.restart().await;
    assert_eq!(numbers(&connect(database.url()).await.unwrap()).await.unwrap(), [1]);
}

#[tokio::test]
async fn a_cluster_ends_with_its_value() {
    let cluster = Cluster::start().await;
    let folder = data_folder(&cluster).await.unwrap();
    assert!(folder.exists());
    drop(cluster);

    wait_until_removed(&folder).await;
}

#[tokio::test]
async fn a_crashed_cluster_ends_with_its_value_too() {
    let mut cluster = Cluster::start().await;
    let folder = data_folder(&cluster).await.unwrap();
    cluster.kill().await;
    drop(cluster);

    wait_until_removed(&folder).await;
}

#[tokio::test]
async fn a_cluster_ends_with_a_killed_test_process() {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hold_a_cluster_until_killed", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let folder = lines.map_while(Result::ok).find_map(|line| Some(PathBuf::from(line.split_once(HELD)?.1)));
    let folder = folder.expect("the process says where its cluster is");
    assert!(folder.exists());
    process.kill().unwrap();
    process.wait().unwrap();

    wait_until_removed(&folder).await;
}

/// What the process to be killed prints before the folder of its cluster.
const HELD: &str = "cluster held: ";

#[tokio::test]
#[ignore = "no test of its own: a_cluster_ends_with_a_killed_test_process runs and kills it"]
async fn hold_a_cluster_until_killed() {
    let cluster = Cluster::start().await;
    println!("{HELD}{}", data_folder(&cluster).await.unwrap().display());
    // Stdin ends if the test that runs this process ends before it has killed us.
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

async fn connect(url: &str) -> Result<Client, Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn add_number(client: &Client, number: i32) -> Result<(), Error> {
    client
        .batch_execute(&format!(
            "CREATE TABLE IF NOT EXISTS number (value integer); INSERT INTO number VALUES ({number})"
        ))
        .await
}

async fn numbers(client: &Client) -> Result<Vec<i32>, Error> {
    let rows = client.query("SELECT value FROM number ORDER BY value", &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

async fn data_folder(cluster: &Cluster) -> Result<PathBuf, Error> {
    let database = cluster.fresh_database().await;
    let client = connect(database.url()).await?;
    let row = client.query_one("SELECT current_setting('data_directory')", &[]).await?;
    Ok(PathBuf::from(row.get::<_, String>(0)))
}

async fn wait_until_removed(folder: &Path) {
    let removed = async {
        while folder.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let outcome = tokio::time::timeout(CLEAN_UP_TIME_MAX, removed).await;
    assert!(outcome.is_ok(), "{} is still there", folder.display());
}
