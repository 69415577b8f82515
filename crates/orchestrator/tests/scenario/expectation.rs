//! What stands behind an arrow, and whether an answer is that.
//!
//! `ok`, `OE0101 "fragment"`, a status name, several of these joined by `or`; or, of an answer, any of `[a, b]` (its list), `{a, b}` (its list
//! in any order), `more` and `end` (whether another page follows), `path=value`, and `path==path`. Start at [`check`].

use serde_json::Value;
use tonic::Code;

use crate::names::Names;
use crate::wire::{Answer, Refused};
use crate::{render, words};

/// Whether the answer is as expected; without an expectation it must be a success.
pub(crate) fn check(expectation: Option<&str>, answer: &Answer, names: &mut Names) -> Result<(), String> {
    if let Err(refused) = answer {
        sound(refused)?;
    }
    let Some(expectation) = expectation else {
        return match answer {
            Ok(_) => Ok(()),
            Err(_) => Err(mismatch("ok", answer, names)),
        };
    };
    let expectation = names.expand(expectation)?;
    let mut first = None;
    for alternative in words::split(&expectation).split(|word| word == "or") {
        match one(alternative, answer, names) {
            Ok(()) => return Ok(()),
            Err(why) => first = first.or(Some(why)),
        }
    }
    Err(first.unwrap_or_default())
}

/// What holds for every refusal: its code decides the status, only faults outside the rules have none, and nothing of the inside shows
/// (core/ERR-1, ERR-2, ERR-5, DEF-28, compute/COM-5, COM-8).
fn sound(refused: &Refused) -> Result<(), String> {
    let Refused { code, message } = refused;
    let is_sound = match status_of(refused.oe()) {
        Some(status) => status == *code,
        None => {
            matches!(code, Code::ResourceExhausted | Code::Internal | Code::Unavailable | Code::Unimplemented)
        }
    };
    let shows_inside = ["SQLSTATE", "constraint"].iter().any(|word| message.contains(word));
    if is_sound && !shows_inside {
        Ok(())
    } else {
        Err(format!("no call may be answered like this: {code:?} {message}"))
    }
}

fn status_of(oe: &str) -> Option<Code> {
    Some(match oe {
        "OE0001" | "OE0007" => Code::Internal,
        "OE0002" => Code::NotFound,
        "OE0003" | "OE0108" | "OE0109" | "OE0110" => Code::FailedPrecondition,
        "OE0006" => Code::AlreadyExists,
        "OE0010" => Code::Unimplemented,
        "OE0101" | "OE0104" | "OE0105" | "OE0106" | "OE0107" => Code::InvalidArgument,
        "OE0102" => Code::PermissionDenied,
        _ => return None,
    })
}

/// `ok`, a code, or the name of a status.
pub(crate) fn label(answer: &Answer) -> String {
    match answer {
        Ok(_) => "ok".to_owned(),
        Err(refused) if refused.oe().is_empty() => refused.status(),
        Err(refused) => refused.oe().to_owned(),
    }
}

fn mismatch(expected: &str, answer: &Answer, names: &Names) -> String {
    let got = match answer {
        Ok(answer) => format!("ok {}", render::value(answer, names)),
        Err(refused) => format!("{} {}", refused.status(), names.readable(&refused.message)),
    };
    format!("expected: {expected}\n       got: {got}")
}

fn one(words: &[String], answer: &Answer, names: &mut Names) -> Result<(), String> {
    let wrong = mismatch(&words.join(" "), answer, names);
    let refusal = words.first().filter(|word| {
        word.len() > 3
            && word
                .chars()
                .all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_')
    });
    match (refusal, answer) {
        (Some(word), Err(refused)) => {
            let fragment = words.get(1).map(|word| words::text(word, names)).transpose()?;
            let fits = names.readable(&refused.message).contains(fragment.as_deref().unwrap_or_default());
            if *word == label(answer) && fits { Ok(()) } else { Err(wrong) }
        }
        (None, Ok(body)) => fields(words, body, names)
            .map_err(|why| format!("{why}\n    answer: {}", render::value(body, names))),
        _ => Err(wrong),
    }
}

/// Whether an answer or a snapshot is as these words say.
pub(crate) fn fields(words: &[String], body: &Value, names: &mut Names) -> Result<(), String> {
    for word in words {
        field(word, body, names)?;
    }
    Ok(())
}

fn field(word: &str, body: &Value, names: &mut Names) -> Result<(), String> {
    let (got, expected) = match word {
        "ok" => return Ok(()),
        "more" | "end" => {
            let is_empty = body["next_page_token"].as_str().unwrap_or_default().is_empty();
            (if is_empty { "end" } else { "more" }.to_owned(), word.to_owned())
        }
        _ if word.starts_with('[') => {
            (format!("[{}]", render::items(body, names).join(", ")), word.to_owned())
        }
        _ if word.starts_with('{') => {
            let mut expected: Vec<&str> =
                word.trim_matches(['{', '}']).split(", ").filter(|name| !name.is_empty()).collect();
            let mut got = render::items(body, names);
            expected.sort_unstable();
            got.sort_unstable();
            (got.join(", "), expected.join(", "))
        }
        _ => {
            let (path, expected) = word.split_once('=').ok_or_else(|| format!("{word} is no expectation"))?;
            let got = render::value(&render::at(body, path), names);
            if expected == "set" && got != "none" {
                return Ok(());
            }
            if let Some(other) = expected.strip_prefix('=') {
                return same(path, other, body, names);
            }
            let expected = match expected.strip_prefix('"') {
                Some(_) => words::text(expected, names)?,
                None => expected.trim_start_matches('@').to_owned(),
            };
            (format!("{path}={got}"), format!("{path}={expected}"))
        }
    };
    if got == expected { Ok(()) } else { Err(format!("expected: {expected}\n       got: {got}")) }
}

/// Whether two fields are there and equal.
fn same(path: &str, other: &str, body: &Value, names: &Names) -> Result<(), String> {
    let [one, two] = [path, other].map(|path| render::value(&render::at(body, path), names));
    if one == two && one != "none" {
        Ok(())
    } else {
        Err(format!("expected: {path} and {other} are equal\n       got: {one} and {two}"))
    }
}
