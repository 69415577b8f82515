//! Tables of what must come of what, as text files beside the tests.
//!
//! A table follows from the contract and is compared with what the domain decides. It is never written by accident: only with
//! `UPDATE_TABLES=1` in the environment does [`check`] put down what came, to be read against the rules before it is committed.

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
