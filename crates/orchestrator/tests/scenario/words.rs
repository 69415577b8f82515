//! Lines fall into words, and words into values.
//!
//! Owns quoting, brackets and the `name=value` form. It does not know which words a statement takes. Start at [`split`].

use serde_json::Value;

use crate::names::Names;

/// Splits at blanks that are not within quotes or brackets.
pub(crate) fn split(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for letter in line.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if letter == ' ' && depth == 0 && !quoted {
            words.push(String::new());
        } else if let Some(word) = words.last_mut() {
            word.push(letter);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Splits `name=value`; a quoted word and one with the sign inside brackets is not such a form.
pub(crate) fn setting(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let is_name = name.starts_with(char::is_alphabetic) && !name.contains(['"', '(', '[', '{']);
    is_name.then_some((name, value))
}

/// The value that a word stands for: `"text"`, `{…}` and `[…]` as in JSON, `@name` a key, `&name` an address, a number, `true`, `false`, or
/// the word itself.
pub(crate) fn value(word: &str, names: &mut Names) -> Result<Value, String> {
    if word.starts_with(['"', '{', '[']) {
        let value = serde_json::from_str(word).map_err(|error| format!("{word}: {error}"))?;
        return Ok(resolve(value, names));
    }
    match serde_json::from_str(word) {
        Ok(number @ (Value::Number(_) | Value::Bool(_))) => Ok(number),
        _ => Ok(resolve(Value::String(word.to_owned()), names)),
    }
}

/// The text that a word stands for.
pub(crate) fn text(word: &str, names: &mut Names) -> Result<String, String> {
    match value(word, names)? {
        Value::String(text) => Ok(text),
        other => Ok(other.to_string()),
    }
}

/// Puts keys and addresses in the place of `@name` and `&name`, however deep.
fn resolve(value: Value, names: &mut Names) -> Value {
    match value {
        Value::String(text) => {
            if let Some(name) = text.strip_prefix('@') {
                names.key(name).into()
            } else if let Some(name) = text.strip_prefix('&') {
                names.address(name).into()
            } else {
                text.into()
            }
        }
        Value::Array(items) => items.into_iter().map(|item| resolve(item, names)).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, member)| (name, resolve(member, names))).collect()
        }
        other => other,
    }
}

/// Puts a value at a dotted path, or removes what is there if the word is `none`.
pub(crate) fn put(target: &mut Value, path: &str, word: &str, names: &mut Names) -> Result<(), String> {
    let mut place = target;
    let (parents, last) = path.rsplit_once('.').unwrap_or(("", path));
    for parent in parents.split('.').filter(|parent| !parent.is_empty()) {
        place = &mut place[parent];
    }
    if word == "none" {
        if let Some(members) = place.as_object_mut() {
            members.remove(last);
        }
        return Ok(());
    }
    place[last] = value(word, names)?;
    Ok(())
}
