//! The map of ARCHITECTURE.md, held against the workspace: which crates there are, and who may know whom.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Every crate, and the crates of ours it may depend on. An edge that is not here is a decision somebody has to write down first.
const EDGES: [(&str, &[&str]); 9] = [
    ("asset", &[]),
    ("proto", &[]),
    ("persistence", &["asset", "proto"]),
    ("postgres", &["asset", "persistence"]),
    ("embedded", &["asset", "persistence"]),
    ("service", &["asset", "persistence"]),
    ("server", &["asset", "persistence", "proto", "service"]),
    ("client", &["proto"]),
    (
        "orchestrator",
        &["asset", "client", "embedded", "persistence", "postgres", "proto", "server", "service"],
    ),
];

/// What a room must not know, beyond our own crates.
const ABSENCES: [(&str, &[&str]); 4] = [
    (
        "asset",
        &[
            "tokio",
            "futures",
            "async-trait",
            "prost",
            "tonic",
            "tokio-postgres",
            "rusqlite",
            "rand",
            "tracing",
        ],
    ),
    ("persistence", &["tokio-postgres", "rusqlite", "tonic"]),
    ("service", &["tokio-postgres", "rusqlite", "prost", "tonic", "http"]),
    ("server", &["tokio-postgres", "deadpool-postgres", "rusqlite"]),
];

fn packages() -> BTreeMap<String, Value> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|package| (package["name"].as_str().unwrap().to_owned(), package.clone())).collect()
}

/// What a crate depends on to be built; its tests may use real parts of every floor below.
fn dependencies(package: &Value) -> BTreeSet<String> {
    let all = package["dependencies"].as_array().unwrap().iter();
    let to_build = all.filter(|dependency| dependency["kind"].as_str() != Some("dev"));
    to_build.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn crates_know_only_whom_the_map_allows() {
    let packages = packages();
    let names: BTreeSet<&str> = packages.keys().map(String::as_str).collect();
    assert_eq!(names, EDGES.iter().map(|(name, _)| *name).collect(), "the crates on the map");
    for (name, allowed) in EDGES {
        let ours: BTreeSet<String> = dependencies(&packages[name])
            .into_iter()
            .filter(|found| names.contains(found.as_str()))
            .collect();
        let allowed: BTreeSet<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        let forbidden: Vec<_> = ours.difference(&allowed).collect();
        assert!(forbidden.is_empty(), "{name} must not depend on {forbidden:?}");
    }
}

#[test]
fn rooms_do_not_know_what_they_must_not() {
    let packages = packages();
    for (name, absent) in ABSENCES {
        let known = dependencies(&packages[name]);
        let forbidden: Vec<_> = absent.iter().filter(|found| known.contains(**found)).collect();
        assert!(forbidden.is_empty(), "{name} must not depend on {forbidden:?}");
    }
}

#[test]
fn every_crate_is_bound_by_the_lints_of_the_workspace() {
    for (name, package) in packages() {
        let manifest = std::fs::read_to_string(package["manifest_path"].as_str().unwrap()).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{name}");
    }
}
