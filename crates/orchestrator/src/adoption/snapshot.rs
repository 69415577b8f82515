//! The predecessor's snapshots: the JSON form of an asset's message becomes the event as it goes on the wire (core/EVT-10, EVT-11).
//!
//! Everything is read by the description of the messages, so a field exists in one place only. Databases that have seen many versions
//! hold old forms: members that messages no longer have, names as in the proto files, nulls, and times that a migration has cut. What
//! cannot be understood after that is said to be so; nothing is made up. Start at [`Snapshots::encode`].

use anyhow::Context;
use asset::{AssetKind, Timestamp};
use postgres::PredecessorEvent;
use prost::Message;
use prost::bytes::Bytes;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value,
};
use serde_json::Value as Json;

const MICROS_PER_SECOND: i64 = 1_000_000;
const NANOS_PER_MICRO: i32 = 1_000;

/// Reads snapshots.
pub(super) struct Snapshots {
    event: MessageDescriptor,
}

impl Snapshots {
    /// # Errors
    /// The program's description of the messages is broken.
    pub(super) fn new() -> anyhow::Result<Self> {
        let pool =
            DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET).context("the messages are not described")?;
        let event = pool.get_message_by_name("orchestrator.Event").context("events are not described")?;
        Ok(Self { event })
    }

    /// The event as it goes on the wire. The same event always gives the same bytes.
    ///
    /// # Errors
    /// Its snapshot cannot be understood.
    pub(super) fn encode(&self, event: &PredecessorEvent) -> Result<Bytes, String> {
        let PredecessorEvent {
            id,
            channel,
            timestamp,
            asset_kind,
            event_kind,
            asset_key,
            metadata,
            snapshot,
        } = event;
        let message = proto::Event {
            id: id.to_string(),
            asset_key: asset_key.clone(),
            asset_kind: i32::from(asset_kind.number()),
            event_kind: i32::from(event_kind.number()),
            channel: channel.to_string(),
            timestamp: Some(timestamp_message(*timestamp)),
            metadata: metadata.clone(),
            asset: self.asset(*asset_kind, snapshot)?,
        };
        Ok(message.encode_to_vec().into())
    }

    /// The member of the event that holds an asset of this kind.
    fn asset(&self, kind: AssetKind, snapshot: &Json) -> Result<Option<proto::event::Asset>, String> {
        let name = member(kind);
        let field =
            self.event.get_field_by_name(name).ok_or_else(|| format!("events have no member {name}"))?;
        let Kind::Message(descriptor) = field.kind() else { return Err(format!("{name} is no message")) };
        let options = DeserializeOptions::new().deny_unknown_fields(true); // unknown names of enumerations, above all
        let snapshot = DynamicMessage::deserialize_with_options(
            descriptor.clone(),
            current(snapshot, &descriptor),
            &options,
        );
        let mut event = DynamicMessage::new(self.event.clone());
        event.set_field(&field, Value::Message(snapshot.map_err(|problem| problem.to_string())?));
        let event: proto::Event = event.transcode_to().map_err(|problem| problem.to_string())?;
        Ok(event.asset)
    }
}

const fn member(kind: AssetKind) -> &'static str {
    match kind {
        AssetKind::Organization => "organization",
        AssetKind::DataSample => "data_sample",
        AssetKind::DataManager => "data_manager",
        AssetKind::Function => "function",
        AssetKind::ComputeTask => "compute_task",
        AssetKind::ComputePlan => "compute_plan",
        AssetKind::Model => "model",
        AssetKind::Performance => "performance",
        AssetKind::FailureReport => "failure_report",
        AssetKind::OutputAsset => "compute_task_output_asset",
        AssetKind::ProfilingStep => "profiling_step",
    }
}

/// The value of a message with what the message knows: members that it lacks, and nulls, are left out. Values of another shape stay,
/// for the reader to refuse.
fn current(value: &Json, message: &MessageDescriptor) -> Json {
    match value {
        Json::Object(members) => Json::Object(
            members
                .iter()
                .filter(|(_, value)| !value.is_null())
                .filter_map(|(name, value)| {
                    Some((name.clone(), current_field(value, &field(message, name)?)))
                })
                .collect(),
        ),
        Json::String(text) if message.full_name() == "google.protobuf.Timestamp" => {
            Json::String(whole_time(text))
        }
        other => other.clone(),
    }
}

/// A field by its name in JSON or in the proto files.
fn field(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message.get_field_by_json_name(name).or_else(|| message.get_field_by_name(name))
}

fn current_field(value: &Json, field: &FieldDescriptor) -> Json {
    let Kind::Message(message) = field.kind() else { return without_nulls(value) };
    match value {
        Json::Array(items) if field.is_list() => {
            let items = items.iter().filter(|item| !item.is_null());
            Json::Array(items.map(|item| current(item, &message)).collect())
        }
        Json::Object(entries) if field.is_map() => {
            let value_field = message.map_entry_value_field();
            let entries = entries.iter().filter(|(_, value)| !value.is_null());
            Json::Object(
                entries.map(|(key, value)| (key.clone(), current_field(value, &value_field))).collect(),
            )
        }
        other => current(other, &message),
    }
}

/// A list of values that are no messages.
fn without_nulls(value: &Json) -> Json {
    match value {
        Json::Array(items) => Json::Array(items.iter().filter(|item| !item.is_null()).cloned().collect()),
        other => other.clone(),
    }
}

/// A time with both digits of its seconds: a migration of the predecessor has cut zeros at the end, those of whole seconds too.
fn whole_time(text: &str) -> String {
    let seconds = text.match_indices(':').nth(1).map(|(colon, _)| colon + 1);
    let Some(seconds) = seconds else { return text.to_owned() };
    let (minutes, rest) = text.split_at(seconds);
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (kept, zone) = rest.split_at(digits);
    format!("{minutes}{kept:0<2}{zone}")
}

fn timestamp_message(instant: Timestamp) -> prost_types::Timestamp {
    let micros = instant.as_micros();
    let micros_of_second = i32::try_from(micros.rem_euclid(MICROS_PER_SECOND)).unwrap_or_default();
    prost_types::Timestamp {
        seconds: micros.div_euclid(MICROS_PER_SECOND),
        nanos: micros_of_second * NANOS_PER_MICRO,
    }
}
