//! Differences: what can be wrong with a store, in words.
//!
//! Assets are shown as their messages, field by field, since that is how their owners know them. Start at [`Difference`].

use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};
use proto::event::Asset;
use serde_json::{Map, Value};

/// What events consist of.
static EVENT: LazyLock<Option<MessageDescriptor>> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET).ok()?;
    pool.get_message_by_name("orchestrator.Event")
});

/// Something that is not as it should be.
#[derive(Debug, PartialEq)]
pub(super) enum Difference {
    /// There are no events at these positions.
    EventsMissing { first: u64, last: u64 },
    /// The hash of an event does not follow from its bytes and the hash before: one of the three was changed.
    Chain { position: u64 },
    /// The bytes of an event are no event.
    Message { position: u64 },
    /// A column says something else than the event.
    Column { position: u64, column: &'static str },
    /// Nothing says where the log ends.
    HeadMissing,
    /// The log does not end where, or with the hash that, the channel says.
    Head { says: u64, ends: u64 },
    /// A row cannot be understood.
    Unreadable(String),
    /// A field of an asset is not what the log tells.
    Field { position: u64, asset: Name, field: String, told: Value, found: Value },
    /// An asset is not what the log tells: its fields do not show how, or there are too many such assets to look at each.
    Changed { position: u64, asset: Name },
    /// The log tells of an asset that is in no table.
    Missing { position: u64, asset: Name },
    /// An asset is in a table, and the log does not tell of it.
    Additional(Name),
}

/// What an asset is called: its kind and the fields that tell it from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(String);

impl From<Asset> for Name {
    fn from(asset: Asset) -> Self {
        let (kind, fields) = fields(&asset);
        Self::of(&kind, &fields)
    }
}

impl Name {
    fn of(kind: &str, fields: &Map<String, Value>) -> Self {
        let keys = ["key", "id", "compute_task_key", "compute_task_output_identifier", "asset_key"];
        // A model has a key of its own, and names its task besides.
        let count = if fields.contains_key("key") || fields.contains_key("id") { 1 } else { keys.len() };
        let words = keys.iter().filter_map(|key| fields.get(*key)?.as_str()).take(count);
        Self([kind].into_iter().chain(words).collect::<Vec<_>>().join(" "))
    }
}

/// How an asset differs from what the log tells, field by field; nothing if the event cannot be read any more, or tells more than this program
/// knows and otherwise the same.
pub(super) fn between(position: u64, told: Option<&Asset>, found: &Asset) -> Vec<Difference> {
    let Some(told) = told.filter(|told| *told != found) else { return Vec::new() };
    let ((kind, mut told), (_, found)) = (fields(told), fields(found));
    let asset = Name::of(&kind, &found);
    // A field that is not set is in neither.
    let names: BTreeSet<String> = told.keys().chain(found.keys()).cloned().collect();
    let differences = names.into_iter().filter_map(|field| {
        let told = told.remove(&field).unwrap_or_default();
        let found = found.get(&field).cloned().unwrap_or_default();
        (told != found).then(|| Difference::Field { position, asset: asset.clone(), field, told, found })
    });
    let differences: Vec<_> = differences.collect();
    if differences.is_empty() { vec![Difference::Changed { position, asset }] } else { differences }
}

/// The kind of an asset and its fields, all of them, as JSON.
fn fields(asset: &Asset) -> (String, Map<String, Value>) {
    let event = proto::Event { asset: Some(asset.clone()), ..Default::default() };
    let kind_and_fields = || {
        let event = DynamicMessage::decode(EVENT.clone()?, event.encode_to_vec().as_slice()).ok()?;
        let (field, value) = event.fields().next()?;
        let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);
        let value =
            value.as_message()?.serialize_with_options(serde_json::value::Serializer, &options).ok()?;
        let Value::Object(fields) = value else { return None };
        Some((field.name().to_owned(), fields))
    };
    kind_and_fields().unwrap_or_default()
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EventsMissing { first, last } if first == last => write!(f, "event {first} is missing"),
            Self::EventsMissing { first, last } => write!(f, "events {first} to {last} are missing"),
            Self::Chain { position } => {
                write!(f, "event {position}: its hash does not follow from its bytes and the hash before")
            }
            Self::Message { position } => write!(f, "event {position}: its bytes are no event"),
            Self::Column { position, column } => {
                write!(f, "event {position}: the column {column} says something else than the event")
            }
            Self::HeadMissing => f.write_str("the channel is missing: nothing says where its log ends"),
            Self::Head { says, ends } if says == ends => {
                write!(f, "the channel has another hash than event {ends}, its last")
            }
            Self::Head { says, ends } => {
                write!(f, "the channel says that its log ends at {says}, it ends at {ends}")
            }
            Self::Unreadable(problem) => f.write_str(problem),
            Self::Field { position, asset, field, told, found } => {
                write!(f, "{asset}: {field} is {found}, event {position} tells {told}")
            }
            Self::Changed { position, asset } => write!(f, "{asset} is not what event {position} tells"),
            Self::Missing { position, asset } => {
                write!(f, "{asset} is missing, event {position} tells of it")
            }
            Self::Additional(asset) => write!(f, "{asset} is there, and no event tells of it"),
        }
    }
}
