//! The predecessor's schema: whether there is one, whether it can be adopted, who else may be working on it.
//!
//! Its migrations were run by golang-migrate, whose bookkeeping and lock are honoured here. It knows the names of tables,
//! not what their rows mean. Start at [`standing`].

use std::time::Duration;

use asset::ChannelName;
use deadpool_postgres::Transaction;
use persistence::{Error, Head, Result};
use tokio_postgres::Row;

use super::{events, run};
use crate::error;
use crate::statement::{Statement, bigint};

/// The version of Substra orchestrator 1.0.0.
const VERSION: i64 = 64;

/// As long as golang-migrate waits for its own lock.
const LOCK_ATTEMPTS_MAX: usize = 150;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// What golang-migrate multiplies a checksum with to get the number of its lock.
const LOCK_SALT: u32 = 1_486_364_155;

/// What is kept of an adoption. Its presence says that there was one.
pub(super) const RECORD: &str = include_str!("record.sql");

/// The table of [`RECORD`].
pub(crate) const TABLE: &str = "adoption";

/// How the predecessor's schema stands to ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// There is none.
    Absent,
    /// It can be adopted.
    Waiting,
    /// It was adopted.
    Adopted,
}

/// How the predecessor's schema stands to ours.
///
/// # Errors
/// If there is one that cannot be adopted; the text says what to do.
pub(crate) async fn standing(transaction: &Transaction<'_>) -> Result<Standing> {
    let facts = "
        SELECT to_regclass('orchestrator.adoption') IS NOT NULL AS adopted,
            EXISTS (
                SELECT FROM information_schema.columns
                WHERE table_schema = 'public' AND table_name = 'schema_migrations' AND column_name = 'dirty'
            ) AS migrated,
            to_regclass('public.events') IS NOT NULL AS filled";
    let row = transaction.query_one(facts, &[]).await.map_err(error::of)?;
    let is = |fact| row.try_get::<_, bool>(fact).map_err(error::of);
    if is("adopted")? {
        return Ok(Standing::Adopted);
    }
    if !is("migrated")? {
        return Ok(Standing::Absent);
    }
    let version = "SELECT version, dirty FROM public.schema_migrations";
    match transaction.query_opt(version, &[]).await.map_err(error::of)? {
        None => Ok(Standing::Absent),
        Some(row) => judge(version_of(&row)?, is("filled")?),
    }
}

/// Version and dirtiness, as golang-migrate keeps them.
fn version_of(row: &Row) -> Result<(i64, bool)> {
    let version = row.try_get("version").map_err(error::of)?;
    Ok((version, row.try_get("dirty").map_err(error::of)?))
}

fn judge((version, is_dirty): (i64, bool), is_filled: bool) -> Result<Standing> {
    let advice = match (is_dirty, version) {
        (true, _) => format!(
            "a migration of Substra orchestrator to version {version} was interrupted (schema_migrations says dirty): \
             restore the database from before it, or repair it with golang-migrate, and bring it to version {VERSION}"
        ),
        (false, VERSION) => return Ok(if is_filled { Standing::Waiting } else { Standing::Absent }),
        (false, ..VERSION) => format!(
            "the database of Substra orchestrator is at version {version}: bring it to version {VERSION} with the image of \
             Substra orchestrator 1.0.0 (`migrate -source file:///migrations/ -database URL up`), then run this again"
        ),
        (false, _) => format!(
            "the database of Substra orchestrator is at version {version}, made by something newer than 1.0.0, whose \
             version is {VERSION}: this program does not know it"
        ),
    };
    Err(Error::Failed(advice))
}

/// Takes golang-migrate's lock until the end of the transaction, so that no migration of the predecessor can run beside.
///
/// # Errors
/// If another holds it for 15 seconds.
pub(crate) async fn exclude_golang_migrate(transaction: &Transaction<'_>) -> Result<()> {
    let database = "SELECT current_database()::text AS name";
    let database = transaction.query_one(database, &[]).await.map_err(error::of)?;
    let number = lock_number(database.try_get("name").map_err(error::of)?);
    let lock =
        transaction.prepare("SELECT pg_try_advisory_xact_lock($1) AS taken").await.map_err(error::of)?;
    for _ in 0..LOCK_ATTEMPTS_MAX {
        let row = transaction.query_one(&lock, &[&number]).await.map_err(error::of)?;
        if row.try_get("taken").map_err(error::of)? {
            return Ok(());
        }
        tokio::time::sleep(LOCK_PAUSE).await;
    }
    Err(Error::Unavailable(
        "a migration of Substra orchestrator is running: try again when it is over".to_owned(),
    ))
}

/// Keeps the predecessor from writing until the transaction ends; readers go on.
///
/// # Errors
/// If something that writes does not end within a minute.
pub(super) async fn lock(transaction: &Transaction<'_>) -> Result<()> {
    run(transaction, "SET LOCAL lock_timeout = '60s'").await?;
    let tables = super::assets::SOURCES.map(|source| format!("public.{}", source.table)).join(", ");
    // Its transactions write events last: who locks them last too is never locked out half-way.
    let events = events::TABLE;
    run(transaction, &format!("LOCK TABLE {tables}, public.{events} IN SHARE ROW EXCLUSIVE MODE")).await?;
    run(transaction, "SET LOCAL lock_timeout = 0").await
}

/// Keeps the predecessor from writing for good: what it would write from now on, nobody would ever see.
pub(super) async fn fence(transaction: &Transaction<'_>) -> Result<()> {
    run(transaction, include_str!("fence.sql")).await
}

/// Remembers where the predecessor's events end.
pub(super) fn record<'a>(channel: &'a ChannelName, head: &Head) -> Statement<'a> {
    Statement::new(
        "-- adoption::record
        INSERT INTO orchestrator.adoption (channel, position)
        VALUES ($1, $2)",
    )
    .with(channel.as_str())
    .with(bigint(head.position))
}

/// Where the predecessor's events of a channel end; no row if it had none.
pub(crate) fn position(channel: &ChannelName) -> Statement<'_> {
    Statement::new(
        "-- adoption::position
        SELECT channel, position
        FROM orchestrator.adoption
        WHERE channel = $1",
    )
    .with(channel.as_str())
}

/// What an operator should know of this database.
pub(super) async fn notices(transaction: &Transaction<'_>) -> Result<Vec<String>> {
    let orphans = "
        SELECT count(*) AS count
        FROM public.compute_tasks
        WHERE status NOT IN ('STATUS_DONE', 'STATUS_FAILED', 'STATUS_CANCELED')
          AND EXISTS (
              SELECT FROM public.compute_task_parents AS parent
              WHERE child_task_key = key AND NOT EXISTS (
                  SELECT FROM public.compute_task_inputs AS input
                  WHERE input.compute_task_key = key AND input.parent_task_key = parent.parent_task_key
              )
          )";
    let row = transaction.query_one(orphans, &[]).await.map_err(error::of)?;
    let count: i64 = row.try_get("count").map_err(error::of)?;
    let notice = format!(
        "{count} unfinished tasks are older than inputs and have parents that their inputs do not name: they will not follow \
         these parents; cancel them"
    );
    Ok((count > 0).then_some(notice).into_iter().collect())
}

/// The number of golang-migrate's lock on the schema `public` of a database.
fn lock_number(database: &str) -> i64 {
    let name = format!("public\0schema_migrations\0/{database}");
    i64::from(crc32(name.as_bytes()).wrapping_mul(LOCK_SALT))
}

/// CRC-32 (IEEE), bit by bit: it is needed for one short text.
fn crc32(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xEDB8_8320;
    let shifted = |crc: u32| (crc >> 1) ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| shifted(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_the_one_of_golang_migrate() {
        assert_eq!(lock_number("orchestrator"), 2_025_259_903, "operations, section 15");
    }

    #[test]
    fn only_a_clean_version_64_is_adopted() {
        let judged = |version, is_dirty, is_filled| judge((version, is_dirty), is_filled).ok();
        assert_eq!(judged(64, false, true), Some(Standing::Waiting));
        assert_eq!(judged(64, false, false), Some(Standing::Absent), "bookkeeping without tables");
        for (version, is_dirty) in [(64, true), (63, false), (1, true), (65, false)] {
            assert_eq!(judged(version, is_dirty, true), None, "{version} {is_dirty}");
        }
    }
}
