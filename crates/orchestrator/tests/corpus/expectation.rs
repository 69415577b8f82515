//! Whether a normalised answer is what a step expects. The forms of an expectation stand in [`holds`].

use serde_json::Value;

pub(crate) fn holds(expect: &Value, got: &Value) -> bool {
    if expect.get("ok_any").is_some() {
        return got.get("ok").or(got.get("events")).is_some();
    }
    if let Some(events) = expect["events"].as_array() {
        let got_events = got["events"].as_array().map(Vec::as_slice).unwrap_or_default();
        let lean = |(want, got): (&Value, &Value)| equal(want, &without_surplus(got, want));
        return got.get("error").is_none()
            && events.len() == got_events.len()
            && events.iter().zip(got_events).all(lean);
    }
    if let Some(codes) = expect["code_any"].as_array() {
        return codes.contains(&got["code"]);
    }
    if let Some(code) = expect.get("code") {
        let fragment = expect["contains"].as_str().unwrap_or_default();
        let message = got["message"].as_str().unwrap_or_default();
        return *code == got["code"] && expect["oe"] == got["oe"] && message.contains(fragment);
    }
    let Some(body) = got.get("ok") else { return false };
    let body = if expect.get("brief_events").is_some() { with_brief_events(body) } else { body.clone() };
    equal(&unordered(&expect["ok"]), &unordered(&body))
}

/// What a step expected or got, in a word or two.
pub(crate) fn brief(value: &Value) -> String {
    match (value.get("code"), value.get("code_any")) {
        (Some(code), _) => format!("{code} {}", value["oe"]),
        (None, Some(codes)) => codes.to_string(),
        (None, None) => {
            value.as_object().and_then(|members| members.keys().next().cloned()).unwrap_or_default()
        }
    }
}

/// The recorded server leaves inputs and outputs out of cascades; ours are then not compared.
fn without_surplus(got: &Value, want: &Value) -> Value {
    let mut got = got.clone();
    if let (Some(task), Some(wanted)) = (got.get_mut("compute_task"), want.get("compute_task")) {
        let task = task.as_object_mut().unwrap();
        task.retain(|name, _| !matches!(name.as_str(), "inputs" | "outputs") || wanted.get(name).is_some());
    }
    got
}

fn with_brief_events(body: &Value) -> Value {
    let mut body = body.clone();
    for event in body["events"].as_array_mut().into_iter().flatten() {
        let kept = ["id", "asset_key", "asset_kind", "event_kind", "timestamp"];
        event.as_object_mut().unwrap().retain(|name, _| kept.contains(&name.as_str()));
    }
    if body["events"].is_null() {
        body.as_object_mut().unwrap().remove("events");
    }
    body
}

/// The order of these lists is not told by the contract of the recorded server.
fn unordered(body: &Value) -> Value {
    let mut body = body.clone();
    for list in ["models", "organizations"] {
        if let Some(items) = body.get_mut(list).and_then(Value::as_array_mut) {
            items.sort_by_key(Value::to_string);
        }
    }
    body
}

/// A member; an absent one is as good as an empty list, which is how a list of nothing but empty strings was recorded.
fn present<'a>(members: &'a serde_json::Map<String, Value>, name: &str) -> &'a Value {
    let member = members.get(name).unwrap_or(&Value::Null);
    if member.as_array().is_some_and(Vec::is_empty) { &Value::Null } else { member }
}

/// Equality, with numbers as the 32-bit floats and integers that the wire carries.
fn equal(want: &Value, got: &Value) -> bool {
    match (want, got) {
        (Value::Object(want), Value::Object(got)) => {
            let names = want.keys().chain(got.keys());
            names.into_iter().all(|name| equal(present(want, name), present(got, name)))
        }
        (Value::Array(want), Value::Array(got)) => {
            want.len() == got.len() && want.iter().zip(got).all(|(want, got)| equal(want, got))
        }
        (Value::Number(want), Value::Number(got)) => {
            let (want, got) = (want.as_f64().unwrap_or_default(), got.as_f64().unwrap_or_default());
            want == got || (want - got).abs() <= want.abs() * f64::from(f32::EPSILON)
        }
        (want, got) => want == got,
    }
}
