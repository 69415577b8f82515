//! The predecessor's assets: which rows are read, in which order, and what they say in the words of the domain.
//!
//! Each source is one SELECT whose first column tells a row from others and whose column `channel` says where it belongs.
//! Reading is lenient where databases that have seen many versions differ (see docs/adoption.md). Start at [`SOURCES`].

use std::collections::BTreeMap;
use std::sync::Arc;

use asset::compute_task::{InputSource, TaskInput, TaskOutput};
use asset::function::{FunctionInput, FunctionOutput};
use asset::key::{FailedAssetKey, Key};
use asset::{
    Addressable, ComputePlan, ComputeTask, ComputeTaskKey, DataManager, DataSample, FailureReport, Function,
    FunctionStatus, Metadata, Model, Organization, OutputAsset, Performance, Permission, Permissions,
    Timestamp,
};
use persistence::{Result, SampleLink, WriteSet};
use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::instant::Instant;
use super::json::{self, PredecessorPermission, PredecessorPermissions};
use super::names;
use crate::row::Columns;

/// Where assets of one kind come from.
pub(super) struct Source {
    /// The table that is read, beside those that are joined.
    pub(super) table: &'static str,
    /// What is read of it.
    pub(super) select: &'static str,
    /// Adds a row to what is to be written.
    pub(super) read: fn(&Columns<'_>, &mut WriteSet) -> Result<()>,
}

/// All of them. Tasks are read in the order of their registration, which only their events tell when dates are equal.
pub(super) const SOURCES: [Source; 13] = [
    Source {
        table: "organizations",
        select: "SELECT id, channel, address, creation_date FROM public.organizations",
        read: organization,
    },
    Source {
        table: "datamanagers",
        select: "
            SELECT key, channel, name, owner, permissions, logs_permission,
                manager.description AS description_address, description.checksum AS description_checksum,
                manager.opener AS opener_address, opener.checksum AS opener_checksum, metadata, creation_date
            FROM public.datamanagers AS manager
            LEFT JOIN public.addressables AS description ON description.storage_address = manager.description
            LEFT JOIN public.addressables AS opener ON opener.storage_address = manager.opener",
        read: data_manager,
    },
    Source {
        table: "datasamples",
        select: "SELECT key, channel, owner, checksum, creation_date FROM public.datasamples",
        read: data_sample,
    },
    // In which order a sample was linked is not kept: by key, as core/DS-16 says.
    Source {
        table: "datasample_datamanagers",
        select: "
            SELECT datasample_key, channel, datamanager_key,
                row_number() OVER (PARTITION BY datasample_key ORDER BY datamanager_key) - 1 AS position
            FROM public.datasample_datamanagers
            JOIN public.datasamples ON key = datasample_key",
        read: sample_link,
    },
    Source {
        table: "functions",
        select: "
            SELECT key, channel, name, owner, permissions, function.description AS description_address,
                description.checksum AS description_checksum, archive_address, archive.checksum AS archive_checksum,
                image_address, image.checksum AS image_checksum, metadata, status, creation_date,
                (SELECT jsonb_object_agg(identifier,
                        jsonb_build_object('kind', kind, 'multiple', multiple, 'optional', optional))
                    FROM public.function_inputs WHERE function_key = key) AS inputs,
                (SELECT jsonb_object_agg(identifier, jsonb_build_object('kind', kind, 'multiple', multiple))
                    FROM public.function_outputs WHERE function_key = key) AS outputs
            FROM public.functions AS function
            LEFT JOIN public.addressables AS description ON description.storage_address = function.description
            LEFT JOIN public.addressables AS archive ON archive.storage_address = archive_address
            LEFT JOIN public.addressables AS image ON image.storage_address = image_address",
        read: function,
    },
    Source {
        table: "compute_plans",
        select: "
            SELECT key, channel, name, tag, owner, metadata, creation_date, cancelation_date, failure_date
            FROM public.compute_plans",
        read: compute_plan,
    },
    Source {
        table: "compute_tasks",
        select: "
            SELECT key, channel, function_key, compute_plan_key, owner, worker, rank, status, metadata,
                logs_permission, creation_date,
                (SELECT jsonb_agg(jsonb_build_object('identifier', identifier, 'asset_key', asset_key,
                        'parent_task_key', parent_task_key, 'output_identifier', parent_task_output_identifier)
                        ORDER BY position)
                    FROM public.compute_task_inputs WHERE compute_task_key = key) AS inputs,
                (SELECT jsonb_object_agg(identifier,
                        jsonb_build_object('permissions', permissions, 'transient', transient))
                    FROM public.compute_task_outputs WHERE compute_task_key = key) AS outputs
            FROM (
                SELECT task.*
                FROM public.compute_tasks AS task
                LEFT JOIN (
                    SELECT asset_key, min(position) AS position
                    FROM public.events
                    WHERE asset_kind = 'ASSET_COMPUTE_TASK' AND event_kind = 'EVENT_ASSET_CREATED'
                    GROUP BY asset_key
                ) AS registration ON registration.asset_key = task.key::text
                ORDER BY task.creation_date, registration.position, task.key
                OFFSET 0
            ) AS tasks",
        read: compute_task,
    },
    Source {
        table: "models",
        select: "
            SELECT key, channel, compute_task_key, address AS model_address, checksum AS model_checksum,
                permissions, owner, creation_date
            FROM public.models
            LEFT JOIN public.addressables ON storage_address = address",
        read: model,
    },
    Source {
        table: "compute_task_inputs",
        select: "
            SELECT DISTINCT asset_key, model.channel, input.compute_task_key
            FROM public.compute_task_inputs AS input
            JOIN public.models AS model ON model.key = input.asset_key",
        read: model_use,
    },
    Source {
        table: "performances",
        select: "
            SELECT compute_task_key, channel, compute_task_output_identifier AS identifier,
                performance_value::text AS value, creation_date
            FROM public.performances",
        read: performance,
    },
    // Models of tasks that are older than outputs belong to no output; they are the task's all the same.
    Source {
        table: "compute_task_output_assets",
        select: "
            SELECT compute_task_key, channel, compute_task_output_identifier AS identifier,
                row_number() OVER (PARTITION BY compute_task_key, compute_task_output_identifier ORDER BY position)
                    AS position,
                asset_kind, asset_key
            FROM public.compute_task_output_assets
            JOIN public.compute_tasks ON key = compute_task_key
            UNION ALL
            SELECT compute_task_key, channel, '',
                row_number() OVER (PARTITION BY compute_task_key ORDER BY creation_date, key),
                'ASSET_MODEL', key::text
            FROM public.models
            WHERE NOT EXISTS (
                SELECT FROM public.compute_task_output_assets AS output_asset WHERE output_asset.asset_key = key::text
            )",
        read: output_asset,
    },
    Source {
        table: "failure_reports",
        select: "
            SELECT asset_key, channel, asset_type, error_type, logs_address, checksum AS logs_checksum, owner,
                creation_date
            FROM public.failure_reports
            LEFT JOIN public.addressables ON storage_address = logs_address",
        read: failure_report,
    },
    // Addresses that nothing uses any more are free, and one that is used twice is one row.
    Source {
        table: "addressables",
        select: "
            SELECT DISTINCT address, channel
            FROM (
                SELECT channel, description AS address FROM public.datamanagers
                UNION ALL SELECT channel, opener FROM public.datamanagers
                UNION ALL SELECT channel, description FROM public.functions
                UNION ALL SELECT channel, archive_address FROM public.functions
                UNION ALL SELECT channel, image_address FROM public.functions
                UNION ALL SELECT channel, address FROM public.models
                UNION ALL SELECT channel, logs_address FROM public.failure_reports
            ) AS used
            WHERE address <> ''",
        read: address,
    },
];

fn organization(row: &Columns<'_>, writes: &mut WriteSet) -> Result<()> {
    writes.organizations.push(Arc::new(Organization {
        id: row.organization("id")?,
        address: row.get("address")?,
        creation_date: date(row, "creation_date")?,
    }));
    Ok(())
}

fn data_manager(row: &Columns<'_>, writes: &mut WriteSet) -> Result<()> {
    writes.data_managers.push(Arc::new(DataManager {
        key: row.key("key")?,
        name: row.get("name")?,
        owner: row.organization("owner")?,
        permissions: permissions(row)?,
        logs_permission: logs_permission(row)?,
        description: file(row, "description")?.unwrap_or_default(),
        opener: file(row, "opener")?.unwrap_or_default(),
        metadata: metadata(row)?,
        creation_date: date(row, "creation_date")?,
    }));
    Ok(())
}

fn data_sample(row: &Columns<'_>, writes: &mut WriteSet) -> Result<()> {
    writes.data_samples.push(Arc::new(DataSample {
        key: row.key("key")?,
        data_manager_keys: Vec::new(), // they are a source of their own
        owner: row.organization("owner")?,
        checksum: row.get("checksum")?,
        creation_date: date(row, "creation_date")?,
    }));
    Ok(())
}

fn sample_link(row: &Columns<'_>, writes: &mut WriteSet) -> Result<()> {
    writes.sample_links.push(SampleLink {
        data_sample_key: row.key("datasample_key")?,
        data_manager_key: row.key("datamanager_key")?,
        position: row.count("position")?,
    });
    Ok(())
}

fn function(row: &Columns<'_>, writes: &mut WriteSet) -> Result<()> {
    let inputs: Members<DeclaredInput> = row.optional_json("inputs")?;
    let outputs: Members<DeclaredOutput> = row.optional_json("outputs")?;
    let status: Option<String> = row.get("status")?;
    writes.functions.push(Arc::new(Function {
        key: row.key("key")?,
        name: row.get("name")?,
        owner: row.organization("owner")?,
        permissions: permissions(row)?,
        description: file(row, "description")?.unwrap_or_default(),
        archive: file(row, "archive")?.unwrap_or_default(),
        image: file(row, "image")?,
        inputs: converted(row, "inputs", inputs)?,
        outputs: converted(row, "outputs", outputs)?,
        metadata: metadata(row)?,
        status: match status {
            Some(name) => named(row, "status", &name, names::function_status)?,
            None => FunctionStatus::Unknown,
        },
        creation_date: date(row, "creation_date")?,
    }));
    Ok(())
}

fn compute_plan(row: &Columns<'_>, writes: &mut WriteSet) -> Result<()> {
    writes.compute_plans.push(Arc::new(ComputePlan {
        key: row.key("key")?,
        name: row.get("name")?,
        tag: row.get("tag")?,
        owner: row.organization("owner")?,
        metadata: metadata(row)?,
        creation_date: date(row, "creation_date")?,
        cancelation_date: optional_date(row, "cancelation_date")?,
        failure_date: optional_date(row, "failure_date")?,
    }));
    Ok(())
}

fn compute_task(row: &Columns<'_>, writes: &mut WriteSet) -> Result<()> {
    let inputs: Option<Vec<GivenInput>> = row.optional_json("inputs")?;
    let inputs = inputs.unwrap_or_default().into_iter().map(TaskInput::try_from);
    let outputs: Members<PromisedOutput> = row.optional_json("outputs")?;
    let status: String = row.get("status")?;
    writes.compute_tasks.push(Arc::new(ComputeTask {
        key: row.key("key")?,
        function_key: row.key("function_key")?,
        compute_plan_key: row.key("compute_plan_key")?,
        owner: row.organization("owner")?,
        worker: row.organization("worker")?,
        rank: row.get("rank")?,
        status: named(row, "status", &status, names::compute_task_status)?,
        metadata: metadata(row)?,
        inputs: inputs
            .collect::<std::result::Result<_, _>>()
            .map_err(|problem| row.corrupt("inputs", problem))?,
        outputs: converted(row, "outputs", outputs)?,
        logs_permission: logs_permission(row)?,
        creation_date: date(row, "creation_date")?,
    }));
    Ok(())
}

fn model(row: &Columns<'_>, writes: &mut WriteSet) -> Result<()> {
    writes.models.push(Arc::new(Model {
        key: row.key("key")?,
        compute_task_key: row.key("compute_task_key")?,
        address: file(row, "model")?,
        permissions: permissions(row)?,
        owner: row.organization("owner")?,
        creation_date: date(row, "creation_date")?,
    }));
    Ok(())
}

/// A task names a model as input by its key.
fn model_use(row: &Columns<'_>, writes: &mut WriteSet) -> Result<()> {
    writes.model_uses.push((row.key("asset_key")?, row.key("compute_task_key")?));
    Ok(())
}

/// A value beyond what 32 bits hold is infinite for the predecessor too.
fn performance(row: &Columns<'_>, writes: &mut WriteSet) -> Result<()> {
    let value: String = row.get("value")?;
    writes.performances.push(Arc::new(Performance {
        compute_task_key: row.key("compute_task_key")?,
        identifier: row.get("identifier")?,
        value: value.parse().map_err(|problem| row.corrupt("value", problem))?,
        creation_date: date(row, "creation_date")?,
    }));
    Ok(())
}

/// A kind that was never set can be told from the key.
fn output_asset(row: &Columns<'_>, writes: &mut WriteSet) -> Result<()> {
    let asset_key: String = row.get("asset_key")?;
    let kind: Option<String> = row.get("asset_kind")?;
    let kind = kind.unwrap_or_else(|| {
        if asset_key.contains('|') { "ASSET_PERFORMANCE" } else { "ASSET_MODEL" }.to_owned()
    });
    writes.output_assets.push(Arc::new(OutputAsset {
        compute_task_key: row.key("compute_task_key")?,
        identifier: row.get("identifier")?,
        position: row.count("position")?,
        kind: named(row, "asset_kind", &kind, names::asset_kind)?,
        asset_key,
    }));
    Ok(())
}

fn failure_report(row: &Columns<'_>, writes: &mut WriteSet) -> Result<()> {
    let error_type: String = row.get("error_type")?;
    let asset_type: Option<String> = row.get("asset_type")?;
    writes.failure_reports.push(Arc::new(FailureReport {
        asset_key: row.key::<FailedAssetKey>("asset_key")?,
        asset_type: match asset_type {
            Some(name) => named(row, "asset_type", &name, names::failed_asset_kind)?,
            None => None,
        },
        error_type: named(row, "error_type", &error_type, names::error_type)?,
        logs_address: file(row, "logs")?,
        owner: row.organization("owner")?,
        creation_date: date(row, "creation_date")?,
    }));
    Ok(())
}

fn address(row: &Columns<'_>, writes: &mut WriteSet) -> Result<()> {
    writes.claimed_addresses.push(row.get("address")?);
    Ok(())
}

/// An object that an aggregate made; no row makes no object.
type Members<T> = Option<BTreeMap<String, T>>;

#[derive(Deserialize)]
struct DeclaredInput {
    kind: String,
    multiple: bool,
    optional: bool,
}

#[derive(Deserialize)]
struct DeclaredOutput {
    kind: String,
    multiple: bool,
}

#[derive(Deserialize)]
struct GivenInput {
    identifier: String,
    asset_key: Option<Uuid>,
    parent_task_key: Option<Uuid>,
    output_identifier: Option<String>,
}

#[derive(Deserialize)]
struct PromisedOutput {
    permissions: Option<PredecessorPermissions>,
    transient: bool,
}

impl TryFrom<DeclaredInput> for FunctionInput {
    type Error = String;

    fn try_from(input: DeclaredInput) -> std::result::Result<Self, String> {
        let DeclaredInput { kind, multiple, optional } = input;
        Ok(Self { kind: names::asset_kind(&kind).ok_or(kind)?, multiple, optional })
    }
}

impl TryFrom<DeclaredOutput> for FunctionOutput {
    type Error = String;

    fn try_from(output: DeclaredOutput) -> std::result::Result<Self, String> {
        let DeclaredOutput { kind, multiple } = output;
        Ok(Self { kind: names::asset_kind(&kind).ok_or(kind)?, multiple })
    }
}

impl TryFrom<GivenInput> for TaskInput {
    type Error = String;

    fn try_from(input: GivenInput) -> std::result::Result<Self, String> {
        let source = match input {
            GivenInput { asset_key: Some(key), parent_task_key: None, .. } => InputSource::Asset(key),
            GivenInput {
                parent_task_key: Some(parent), output_identifier: Some(output_identifier), ..
            } => InputSource::ParentOutput {
                parent_task_key: ComputeTaskKey::from_uuid(parent),
                output_identifier,
            },
            GivenInput { identifier, .. } => {
                return Err(format!("{identifier} has neither asset nor parent"));
            }
        };
        Ok(Self { identifier: input.identifier, source })
    }
}

impl From<PromisedOutput> for TaskOutput {
    fn from(output: PromisedOutput) -> Self {
        let PromisedOutput { permissions, transient } = output;
        Self { permissions: permissions.unwrap_or_default().into(), transient }
    }
}

/// The members of an object as what the domain makes of them.
fn converted<T, U>(row: &Columns<'_>, column: &str, members: Members<T>) -> Result<BTreeMap<String, U>>
where
    U: TryFrom<T, Error: std::fmt::Display>,
{
    let members = members.unwrap_or_default().into_iter();
    let members = members.map(|(identifier, member)| Ok((identifier, U::try_from(member)?)));
    members.collect::<std::result::Result<_, U::Error>>().map_err(|problem| row.corrupt(column, problem))
}

/// What a name stands for.
fn named<T>(row: &Columns<'_>, column: &str, name: &str, of_name: fn(&str) -> Option<T>) -> Result<T> {
    of_name(name).ok_or_else(|| row.corrupt(column, format!("{name} has no meaning")))
}

fn date(row: &Columns<'_>, column: &str) -> Result<Timestamp> {
    row.get(column).map(|Instant(instant)| instant)
}

fn optional_date(row: &Columns<'_>, column: &str) -> Result<Option<Timestamp>> {
    let date: Option<Instant> = row.get(column)?;
    Ok(date.map(|Instant(instant)| instant))
}

/// The file in the columns `name_address` and `name_checksum`; nothing if there is no address. A checksum may be missing.
fn file(row: &Columns<'_>, name: &str) -> Result<Option<Addressable>> {
    let address: Option<String> = row.get(&format!("{name}_address"))?;
    let checksum: Option<String> = row.get(&format!("{name}_checksum"))?;
    let address = address.filter(|address| !address.is_empty());
    Ok(address.map(|storage_address| Addressable { checksum: checksum.unwrap_or_default(), storage_address }))
}

fn permissions(row: &Columns<'_>) -> Result<Permissions> {
    let permissions: Option<PredecessorPermissions> = row.json("permissions")?;
    Ok(permissions.unwrap_or_default().into())
}

fn logs_permission(row: &Columns<'_>) -> Result<Permission> {
    let permission: Option<PredecessorPermission> = row.json("logs_permission")?;
    Ok(permission.unwrap_or_default().into())
}

fn metadata(row: &Columns<'_>) -> Result<Metadata> {
    let value: Option<Json<Value>> = row.get("metadata")?;
    json::metadata(value.map(|Json(value)| value)).map_err(|problem| row.corrupt("metadata", problem))
}
