//! Every rule of the contract is cited by a test.
//!
//! The rules are listed in `rules/core.txt` and `rules/compute.txt`. A test cites one by its name, `core/ORG-3`, in its code, in a comment beside
//! it, or in a scenario script. Start at [`every_rule_is_cited`].

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const CORE: &str = include_str!("rules/core.txt");
const COMPUTE: &str = include_str!("rules/compute.txt");

type Rules = BTreeSet<String>;

/// The first words of the lines that are not comments.
fn listed(text: &str, contract: &str) -> Rules {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| format!("{contract}{}", line.split(' ').next().unwrap())).collect()
}

fn rules() -> Rules {
    let mut rules = listed(CORE, "core/");
    rules.append(&mut listed(COMPUTE, "compute/"));
    rules
}

/// The files below a folder that are written by hand.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned());
        if path.is_dir() {
            files(&path, found);
        } else if matches!(extension.as_deref(), Some("rs" | "txt" | "proto")) {
            found.push(path);
        }
    }
}

fn crate_files() -> Vec<PathBuf> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let own_lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules");
    let mut found = Vec::new();
    files(crates, &mut found);
    found.retain(|path| !path.starts_with(&own_lists) && !path.ends_with("tests/rules.rs"));
    found
}

/// The part of a file that is a test: all of it in a `tests` folder, a file `tests.rs` or the conformance suite, else what follows
/// `#[cfg(test)]` or `#![cfg(test)]`.
fn tested<'a>(path: &Path, text: &'a str) -> &'a str {
    let is_test = |name: &str| ["tests", "tests.rs", "conformance"].contains(&name);
    if path.components().any(|part| is_test(&part.as_os_str().to_string_lossy())) {
        return text;
    }
    text.find("[cfg(test)]").map_or("", |start| &text[start..])
}

/// Every `core/ORG-3` and `compute/TSM-6a`, and what follows behind it: `core/ORG-3, ORG-4`. Of a span, `core/ORG-3 … ORG-6`, it is the ends
/// that are cited: whoever means a rule names it.
fn citations(text: &str) -> Rules {
    let mut found = Rules::new();
    for contract in ["core/", "compute/"] {
        for (start, _) in text.match_indices(contract) {
            let mut rest = &text[start + contract.len()..];
            while let Some(length) = rule_length(rest) {
                found.insert(format!("{contract}{}", &rest[..length]));
                rest = &rest[length..];
                let further = [", ", " … "].iter().find_map(|link| rest.strip_prefix(link));
                rest = further.unwrap_or_default();
            }
        }
    }
    found
}

/// The length of a rule's name at the start of a text: capitals, a hyphen, digits, perhaps a letter.
fn rule_length(text: &str) -> Option<usize> {
    let count = |text: &str, fits: fn(&char) -> bool| text.chars().take_while(fits).count();
    let capitals = count(text, char::is_ascii_uppercase);
    let number = text[capitals..].strip_prefix('-')?;
    let digits = count(number, char::is_ascii_digit);
    let is_name = capitals >= 2 && digits > 0;
    let letter = count(&number[digits..], char::is_ascii_lowercase);
    is_name.then_some(capitals + 1 + digits + usize::from(letter == 1))
}

fn cited(of: impl Fn(&Path, &str) -> Rules) -> Rules {
    let of_file = |path: PathBuf| of(&path, &std::fs::read_to_string(&path).unwrap());
    crate_files().into_iter().flat_map(of_file).collect()
}

fn lines(rules: &Rules) -> String {
    rules.iter().map(|rule| format!("\n  {rule}")).collect()
}

#[test]
fn every_rule_is_cited() {
    let cited = cited(|path, text| citations(tested(path, text)));
    let uncited: Rules = rules().difference(&cited).cloned().collect();
    assert!(uncited.is_empty(), "no test cites these rules, write one:{}", lines(&uncited));
}

#[test]
fn every_citation_names_a_rule() {
    // Rules that keep an oddity are no task for us, but may be cited.
    let kept = [
        "core/DEF-40",
        "core/DEF-41",
        "core/DEF-62",
        "compute/DEF-28",
        "compute/DEF-42",
        "compute/DEF-62",
        "compute/DEF-65",
    ];
    let rules = rules();
    let unknown = cited(|_, text| citations(text));
    let unknown: Rules =
        unknown.into_iter().filter(|rule| !rules.contains(rule) && !kept.contains(&rule.as_str())).collect();
    assert!(unknown.is_empty(), "there are no such rules:{}", lines(&unknown));
}

#[test]
fn citations_are_found() {
    for (text, expected) in [
        ("core/ORG-3", vec!["core/ORG-3"]),
        ("(compute/TSM-6a, TSM-7; core/ID-1)", vec!["compute/TSM-6a", "compute/TSM-7", "core/ID-1"]),
        ("core/SUB-11, OPS-4.", vec!["core/OPS-4", "core/SUB-11"]),
        ("core/ID-6 … ID-12", vec!["core/ID-12", "core/ID-6"]),
        ("compute/TASK-1 to compute/TASK-3", vec!["compute/TASK-1", "compute/TASK-3"]),
        ("compute/S-41.txt, score/ORGANIZATION, core/ORG-", vec![]),
    ] {
        let found: Vec<String> = citations(text).into_iter().collect();
        assert_eq!(found, expected, "{text}");
    }
    assert_eq!(tested(Path::new("crates/x/src/lib.rs"), "core/ORG-3"), "");
    assert_eq!(tested(Path::new("crates/x/tests/it.rs"), "core/ORG-3"), "core/ORG-3");
}
