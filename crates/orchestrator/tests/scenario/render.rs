//! Answers and events as scripts write them: names instead of keys, kinds and statuses without their prefixes.
//!
//! Start at [`value`] for a member of an answer, at [`item`] for an entry of a list, at [`event`] for an event.

use serde_json::Value;

use crate::names::Names;

/// Prefixes of the names of the protocol's enumerations.
const PREFIXES: [&str; 4] = ["FUNCTION_STATUS_", "STATUS_", "EVENT_ASSET_", "ASSET_"];

/// A member as text; what is absent or empty is `none`.
pub(crate) fn value(value: &Value, names: &Names) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if text.is_empty() => "none".to_owned(),
        Value::String(text) => names.readable(without_prefix(text)),
        Value::Array(items) => format!("[{}]", list(items, names).join(", ")),
        Value::Object(members) => object(members, names),
        // The protocol's floats have 32 bits.
        Value::Number(number) if number.is_f64() => {
            let text = number.to_string();
            text.parse::<f32>().map_or(text, |value| format!("{value:?}"))
        }
        other => other.to_string(),
    }
}

fn object(members: &serde_json::Map<String, Value>, names: &Names) -> String {
    if let (Some(public), Some(ids)) = (members.get("public"), members.get("authorized_ids")) {
        let word = if *public == true { "public" } else { "private" };
        return format!("{word}{}", value(ids, names));
    }
    let member = |(name, member): (&String, &Value)| format!("{name}: {}", value(member, names));
    format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(", "))
}

fn list(items: &[Value], names: &Names) -> Vec<String> {
    items.iter().map(|item| value(item, names)).collect()
}

fn without_prefix(text: &str) -> &str {
    PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(text)
}

/// An entry of the list in an answer: the name of the asset, with what is needed to tell it from others.
pub(crate) fn item(item: &Value, names: &Names) -> String {
    if item.get("event_kind").is_some() {
        return event(item, names);
    }
    let text = |member: &str| item[member].as_str().map(|text| names.readable(text));
    if let Some(identifier) = text("identifier") {
        let asset = ["model", "data_manager", "data_sample"].map(|member| &item[member]["key"]);
        let key = asset.into_iter().find_map(Value::as_str).unwrap_or_default();
        return format!("{identifier} {}", names.readable(key));
    }
    if let Some(output) = text("compute_task_output_identifier") {
        return format!("{}.{output}", text("compute_task_key").unwrap_or_default());
    }
    text("key").or_else(|| text("id")).unwrap_or_else(|| value(item, names))
}

/// The entries of the list that is the answer.
pub(crate) fn items(answer: &Value, names: &Names) -> Vec<String> {
    let members = answer.as_object().into_iter().flatten();
    let found = members.filter_map(|(_, member)| member.as_array()).next();
    found.map(|items| items.iter().map(|entry| item(entry, names)).collect()).unwrap_or_default()
}

/// `UPDATED task(R) {ok}`.
pub(crate) fn event(event: &Value, names: &Names) -> String {
    let text = |member: &str| without_prefix(event[member].as_str().unwrap_or_default());
    let kind = match text("asset_kind") {
        "COMPUTE_TASK" => "task",
        "COMPUTE_PLAN" => "plan",
        "COMPUTE_TASK_OUTPUT_ASSET" => "output-asset",
        other => &other.to_lowercase().replace('_', "-"),
    };
    let head = format!("{} {kind}({})", text("event_kind"), names.readable(text("asset_key")));
    match event["metadata"]["reason"].as_str() {
        Some(reason) => format!("{head} {{{}}}", names.readable(reason)),
        None => head,
    }
}

/// The snapshot in an event.
pub(crate) fn snapshot(event: &Value) -> &Value {
    let members = event.as_object().into_iter().flatten();
    members
        .filter(|(name, _)| *name != "metadata")
        .find_map(|(_, member)| member.is_object().then_some(member))
        .unwrap_or(&Value::Null)
}

/// What stands at a dotted path; `*` collects a member of all entries of a list.
pub(crate) fn at(value: &Value, path: &str) -> Value {
    let Some((first, rest)) = path.split_once('.') else {
        return step(value, path);
    };
    match (first, value) {
        ("*", Value::Array(items)) => items.iter().map(|item| at(item, rest)).collect(),
        _ => at(&step(value, first), rest),
    }
}

fn step(value: &Value, name: &str) -> Value {
    match name.parse::<usize>() {
        Ok(index) if value.is_array() => value[index].clone(),
        _ if value.is_array() && name == "count" => value.as_array().map_or(0, Vec::len).into(),
        _ => value[name].clone(),
    }
}
