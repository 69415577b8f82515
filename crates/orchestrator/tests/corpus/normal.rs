//! Labels instead of what may differ between two runs: times become `T0`, `T1`, …, event ids `E0`, `E1`, …, in order of first appearance.
//!
//! So equalities between times are compared, not the times. Orders that the recorded server leaves open are made one.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::answer::Answer;

/// Lists whose order does not count.
const SETS: [&str; 3] = ["authorized_ids", "data_sample_keys", "data_manager_keys"];

#[derive(Default)]
pub(crate) struct Normaliser {
    times: HashMap<String, String>,
    events: HashMap<String, String>,
}

impl Normaliser {
    pub(crate) fn answer(&mut self, rpc: &str, answer: &Answer) -> Value {
        match answer {
            Answer::Ok(body) => {
                let mut body = body.clone();
                if rpc == "EventService/QueryEvents"
                    && let Some(events) = body["events"].as_array().cloned()
                {
                    body["events"] = sort_runs(events, |event| event["timestamp"].clone()).into();
                }
                if let Some(token) = body.get_mut("next_page_token") {
                    *token = "<token>".into();
                }
                json!({ "ok": self.normal(&body, "") })
            }
            Answer::Events(..) | Answer::Refused(_) => refused(answer),
        }
    }

    pub(crate) fn subscription(&mut self, answer: &Answer) -> Value {
        let Answer::Events(events, ended) = answer else {
            return refused(answer);
        };
        let events = sort_runs(events.clone(), cascade);
        let events: Vec<Value> = events.iter().map(|event| self.normal(event, "")).collect();
        match ended {
            Some(code) => json!({ "events": events, "error": format!("{code:?}") }),
            None => json!({ "events": events }),
        }
    }

    fn normal(&mut self, value: &Value, name: &str) -> Value {
        match value {
            Value::Object(members) => self.normal_object(members),
            Value::Array(items) => self.normal_list(items, name),
            Value::String(text) if is_time(text) => label(&mut self.times, "T", text),
            other => other.clone(),
        }
    }

    /// Members are visited in alphabetical order.
    fn normal_object(&mut self, members: &Map<String, Value>) -> Value {
        let mut sorted: Vec<_> = members.iter().collect();
        sorted.sort_by_key(|(name, _)| name.as_str());
        let is_event = members.contains_key("event_kind");
        let mut normal = Map::new();
        for (name, member) in sorted {
            let member = match member.as_str() {
                Some(id) if is_event && name == "id" => label(&mut self.events, "E", id),
                _ => self.normal(member, name),
            };
            normal.insert(name.clone(), member);
        }
        Value::Object(normal)
    }

    fn normal_list(&mut self, items: &[Value], name: &str) -> Value {
        let kept = items.iter().filter(|item| !(name == "data_manager_keys" && item.as_str() == Some("")));
        let mut normal: Vec<Value> = kept.map(|item| self.normal(item, name)).collect();
        if SETS.contains(&name) {
            normal.sort_by_key(Value::to_string);
        }
        normal.into()
    }
}

fn label(labels: &mut HashMap<String, String>, letter: &str, text: &str) -> Value {
    let next = format!("{letter}{}", labels.len());
    labels.entry(text.to_owned()).or_insert(next).clone().into()
}

fn refused(answer: &Answer) -> Value {
    let Answer::Refused(refused) = answer else {
        return Value::Null;
    };
    json!({ "code": refused.status(), "oe": refused.oe(), "message": refused.message })
}

fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20
        && bytes[10] == b'T'
        && bytes[4] == b'-'
        && text.ends_with('Z')
        && bytes[0].is_ascii_digit()
}

/// What tells a cascade: updates of tasks at one time for one reason. Anything else stands alone.
fn cascade(event: &Value) -> Value {
    if event["event_kind"] == "EVENT_ASSET_UPDATED" && event.get("compute_task").is_some() {
        json!([event["timestamp"], event["metadata"]["reason"]])
    } else {
        event["id"].clone()
    }
}

/// Sorts each run of events that look the same to `same` by their content.
fn sort_runs(events: Vec<Value>, same: impl Fn(&Value) -> Value) -> Vec<Value> {
    let mut runs: Vec<(Value, Vec<Value>)> = Vec::new();
    for event in events {
        let mark = same(&event);
        match runs.last_mut() {
            Some((last, run)) if *last == mark => run.push(event),
            _ => runs.push((mark, vec![event])),
        }
    }
    let sorted = runs.into_iter().map(|(_, mut run)| {
        run.sort_by_cached_key(content);
        run
    });
    sorted.flatten().collect()
}

/// The sort key: the event as Python's `json.dumps` writes it with sorted keys, without its id, its task always present and without
/// inputs and outputs.
fn content(event: &Value) -> String {
    let mut event = event.clone();
    let members = event.as_object_mut().unwrap();
    members.remove("id");
    let task = members.entry("compute_task").or_insert_with(|| json!({}));
    let task = task.as_object_mut().unwrap();
    task.remove("inputs");
    task.remove("outputs");
    let mut text = String::new();
    write_python(&event, &mut text);
    text
}

fn write_python(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| name.as_str());
            text.push('{');
            for (index, (name, member)) in sorted.into_iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                write_python(&Value::String(name.clone()), text);
                text.push_str(": ");
                write_python(member, text);
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                write_python(item, text);
            }
            text.push(']');
        }
        other => {
            for letter in other.to_string().chars() {
                if letter.is_ascii() {
                    text.push(letter);
                } else {
                    letter
                        .encode_utf16(&mut [0; 2])
                        .iter()
                        .for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
                }
            }
        }
    }
}
