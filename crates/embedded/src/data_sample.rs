//! Data samples and the managers that offer them (core/DS-1 … DS-18, core/DST-1 … DST-3).

use std::collections::BTreeSet;
use std::sync::Arc;

use asset::key::Key;
use asset::{ChannelName, DataManagerKey, DataSample, DataSampleKey, Facts};
use persistence::{ByDateAndKey, DataSampleFilter, Page, PageRequest, SampleLink};
use rusqlite::{Connection, params};

use crate::by_key;
use crate::error::Result;
use crate::list::{BY_DATE_AND_KEY, List};
use crate::record::{Record, array, for_each, to_integer};

pub(crate) const TABLE: &str = "data_sample";
/// The keys of the managers come as a JSON array of hexadecimal digits, which is one of the forms that a UUID is read from.
pub(crate) const COLUMNS: &str = "key, channel, owner, checksum, creation_date, (
    SELECT json_group_array(hex(data_manager_key) ORDER BY position)
    FROM data_sample_link
    WHERE data_sample_key = data_sample.key
) AS data_manager_keys";

/// The data sample of a record.
pub(crate) fn read(record: &Record<'_>) -> Result<DataSample> {
    Ok(DataSample {
        key: record.key("key")?,
        data_manager_keys: record.json("data_manager_keys")?,
        owner: record.organization("owner")?,
        checksum: record.get("checksum")?,
        creation_date: record.time("creation_date")?,
    })
}

/// Puts those with these keys.
pub(crate) fn load(
    connection: &Connection,
    channel: &ChannelName,
    keys: &BTreeSet<DataSampleKey>,
    facts: &mut Facts,
) -> Result<()> {
    by_key::load(connection, TABLE, COLUMNS, channel, keys, &mut facts.data_samples, read)
}

/// Puts the keys of the samples that these managers offer, by creation date and key (core/DST-2).
pub(crate) fn load_of_managers(
    connection: &Connection,
    channel: &ChannelName,
    managers: &BTreeSet<DataManagerKey>,
    facts: &mut Facts,
) -> Result<()> {
    if managers.is_empty() {
        return Ok(());
    }
    let sql = "-- data_sample::load_of_managers
        SELECT data_manager_key, data_sample.key
        FROM data_sample_link
        JOIN data_sample ON data_sample.key = data_sample_link.data_sample_key
        WHERE data_manager_key IN (SELECT value FROM rarray(?1))
            AND channel = ?2
        ORDER BY creation_date, data_sample.key";
    for_each(connection, "data_sample_link", sql, params![array(managers), channel.as_str()], |record| {
        let samples = facts.samples_of_managers.entry(record.key("data_manager_key")?).or_default();
        samples.push(record.key("key")?);
        Ok(())
    })
}

/// A page of them (core/DS-16).
pub(crate) fn list(
    connection: &Connection,
    channel: &ChannelName,
    filter: DataSampleFilter,
    page: PageRequest<ByDateAndKey>,
) -> Result<Page<DataSample, ByDateAndKey>> {
    let keys: BTreeSet<_> = filter.keys.into_iter().collect();
    List::of(TABLE, COLUMNS, channel)
        .only_if("key IN (SELECT value FROM rarray(?))", (!keys.is_empty()).then(|| array(&keys)))
        .page(connection, &BY_DATE_AND_KEY, page, |record| {
            let sample = read(record)?;
            Ok((ByDateAndKey(sample.creation_date, sample.key.uuid()), sample))
        })
}

/// Adds new ones; their links are written by [`link`].
pub(crate) fn insert(
    connection: &Connection,
    channel: &ChannelName,
    samples: &[Arc<DataSample>],
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- data_sample::insert
        INSERT INTO data_sample (key, channel, owner, checksum, creation_date)
        VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for sample in samples {
        statement.execute(params![
            sample.key.uuid(),
            channel.as_str(),
            sample.owner.as_str(),
            sample.checksum,
            sample.creation_date.as_micros(),
        ])?;
    }
    Ok(())
}

/// Offers samples through managers.
pub(crate) fn link(connection: &Connection, links: &[SampleLink]) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "-- data_sample::link
        INSERT INTO data_sample_link (data_sample_key, data_manager_key, position)
        VALUES (?1, ?2, ?3)",
    )?;
    for link in links {
        let (sample, manager) = (link.data_sample_key.uuid(), link.data_manager_key.uuid());
        statement.execute(params![sample, manager, to_integer(link.position)])?;
    }
    Ok(())
}
