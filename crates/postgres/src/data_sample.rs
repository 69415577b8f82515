//! Data samples: their rows, how they are loaded as facts, written, and listed. The managers that offer a
//! sample are rows of their own.

use std::collections::BTreeSet;
use std::sync::Arc;

use asset::key::Key;
use asset::{ChannelName, DataManagerKey, DataSample, DataSampleKey};
use persistence::{ByDateAndKey, DataSampleFilter, PageRequest, Result, SampleLink};
use uuid::Uuid;

use crate::list::page_by_date_and_key;
use crate::load::Query;
use crate::row::{Columns, put_by_key};
use crate::statement::{Statement, bigint};

pub(crate) const TABLE: &str = "data_sample";

/// The columns of a sample, and its managers in the order of linking.
pub(crate) const COLUMNS: &str = "key, owner, checksum, creation_date,
        ARRAY(
            SELECT link.data_manager_key
            FROM orchestrator.data_sample_manager AS link
            WHERE link.data_sample_key = data_sample.key
            ORDER BY link.position
        ) AS data_manager_keys";

/// Data samples by key.
pub(crate) fn load<'a>(channel: &'a ChannelName, keys: &'a BTreeSet<DataSampleKey>) -> Query<'a> {
    let statement = Statement::new(format!(
        "-- data_sample::load
        SELECT {COLUMNS}, channel = $1 AS here
        FROM orchestrator.data_sample
        WHERE key = ANY ($2)"
    ))
    .with(channel.as_str())
    .with_keys(keys);
    Query::new(TABLE, statement, |row, facts| put_by_key(row, &mut facts.data_samples, read))
}

/// The keys of the samples that managers offer, by creation date and key (core/DST-2).
pub(crate) fn load_of_managers<'a>(
    channel: &'a ChannelName,
    managers: &'a BTreeSet<DataManagerKey>,
) -> Query<'a> {
    let statement = Statement::new(
        "-- data_sample::load_of_managers
        SELECT link.data_manager_key, sample.key, sample.channel = $1 AS here
        FROM unnest($2::uuid[]) AS manager (key)
        CROSS JOIN LATERAL (
            SELECT * FROM orchestrator.data_sample_manager WHERE data_manager_key = manager.key OFFSET 0
        ) AS link
        JOIN orchestrator.data_sample AS sample ON sample.key = link.data_sample_key
        ORDER BY sample.creation_date, sample.key",
    )
    .with(channel.as_str())
    .with_keys(managers);
    Query::new("data_sample_manager", statement, |row, facts| {
        if row.get("here")? {
            let samples = facts.samples_of_managers.entry(row.key("data_manager_key")?).or_default();
            samples.push(row.key("key")?);
        }
        Ok(())
    })
}

/// Data samples by creation date and key (core/DS-16).
pub(crate) fn list<'a>(
    channel: &'a ChannelName,
    filter: &'a DataSampleFilter,
    page: &PageRequest<ByDateAndKey>,
) -> Statement<'a> {
    let statement = Statement::new(format!(
        "-- data_sample::list
        SELECT {COLUMNS}
        FROM "
    ));
    let statement = if filter.keys.is_empty() {
        statement.text("orchestrator.data_sample")
    } else {
        let keys: Vec<_> = filter.keys.iter().map(|key| key.uuid()).collect();
        statement.text_with(
            "(SELECT * FROM orchestrator.data_sample WHERE key = ANY ({}) OFFSET 0) AS data_sample",
            keys,
        )
    };
    let statement = statement.text_with("\n        WHERE channel = {}", channel.as_str());
    page_by_date_and_key(statement, ["creation_date", "key"], page)
}

/// New data samples, without their links.
pub(crate) fn insert<'a>(channel: &'a ChannelName, samples: &'a [Arc<DataSample>]) -> Statement<'a> {
    Statement::new(
        "-- data_sample::insert
        INSERT INTO orchestrator.data_sample (channel, key, owner, checksum, creation_date)
        SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::text[], $5::bigint[])",
    )
    .with(channel.as_str())
    .with_column(samples, |sample| sample.key.uuid())
    .with_column(samples, |sample| sample.owner.as_str())
    .with_column(samples, |sample| sample.checksum.as_str())
    .with_column(samples, |sample| sample.creation_date.as_micros())
}

/// New links from samples to managers.
pub(crate) fn insert_links(links: &[SampleLink]) -> Statement<'_> {
    Statement::new(
        "-- data_sample::insert_links
        INSERT INTO orchestrator.data_sample_manager (data_sample_key, data_manager_key, position)
        SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[])",
    )
    .with_column(links, |link| link.data_sample_key.uuid())
    .with_column(links, |link| link.data_manager_key.uuid())
    .with_column(links, |link| bigint(link.position))
}

/// The data sample of a row.
pub(crate) fn read(row: &Columns<'_>) -> Result<DataSample> {
    let managers: Vec<Uuid> = row.get("data_manager_keys")?;
    Ok(DataSample {
        key: row.key("key")?,
        data_manager_keys: managers.into_iter().map(DataManagerKey::from_uuid).collect(),
        owner: row.organization("owner")?,
        checksum: row.get("checksum")?,
        creation_date: row.time("creation_date")?,
    })
}
