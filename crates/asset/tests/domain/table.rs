//! Tables of what must come of what, as text files beside the tests.
//!
//! A grid follows from the contract and is compared with what the domain decides. It is never written by accident: only with
//! `UPDATE_TABLES=1` in the environment does [`check`] put down what came, to be read against the rules before it is committed. Verdicts about
//! values, one a line, are written by hand and read by [`rows`] and [`rules`].

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

const UPDATE: &str = "UPDATE_TABLES";

/// Compares `found` with `tests/tables/{name}.txt`, line by line; lines that begin with `#` are remarks.
#[track_caller]
pub(crate) fn check(name: &str, found: &[String]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/domain/tables/{name}.txt"));
    let table = fs::read_to_string(&path).unwrap_or_default();
    let (remarks, expected): (Vec<&str>, Vec<&str>) = table.lines().partition(|line| line.starts_with('#'));
    if std::env::var(UPDATE).is_ok_and(|value| value == "1") {
        let lines = remarks.into_iter().chain(found.iter().map(String::as_str));
        fs::write(&path, lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        return;
    }
    let differ = |(expected, found): &(&&str, &String)| expected != found;
    let differences: Vec<_> = expected.iter().zip(found).filter(differ).collect();
    assert!(differences.is_empty(), "tables/{name}.txt, expected and found: {differences:#?}");
    assert_eq!(expected.len(), found.len(), "lines of tables/{name}.txt");
}

/// A verdict and the value it is about.
pub(crate) struct Row {
    pub(crate) accepted: bool,
    pub(crate) value: String,
}

/// The rows of a table: each line is `accept` or `reject`, a space, and the value; nothing behind the verdict is the empty text.
pub(crate) fn rows(table: &str) -> impl Iterator<Item = Row> {
    table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let (verdict, written) = line.split_once(' ').unwrap_or((line, ""));
        assert!(["accept", "reject"].contains(&verdict), "{line:?} has no verdict");
        Row { accepted: verdict == "accept", value: value(written) }
    })
}

/// The rows of each section of a table: a section begins with its name in brackets.
pub(crate) fn rules(table: &str) -> BTreeMap<String, Vec<Row>> {
    let sections = table.split("\n[").skip(1);
    let rule = |section: &str| {
        let (name, lines) = section.split_once("]\n").unwrap();
        (name.to_owned(), rows(lines).collect())
    };
    sections.map(rule).collect()
}

/// A value as it is meant: characters that cannot be seen have escapes, and `⟨é×51⟩` is é fifty-one times.
fn value(written: &str) -> String {
    let escapes =
        [("\\0", "\0"), ("\\n", "\n"), ("\\t", "\t"), ("\\s", " "), ("\\x01", "\x01"), ("\\x7f", "\x7f")];
    let text = escapes.iter().fold(written.to_owned(), |text, (escape, meant)| text.replace(escape, meant));
    let mut parts = text.split('⟨');
    let mut value = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (repetition, rest) = part.split_once('⟩').unwrap();
        let (what, times) = repetition.split_once('×').unwrap();
        value.push_str(&what.repeat(times.parse().unwrap()));
        value.push_str(rest);
    }
    value
}
