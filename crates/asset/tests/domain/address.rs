//! Addresses and their verdicts: every row of core/VAL-10, core/VAL-11 and compute/VAL-7, and the strict form of core/DEF-61.
//!
//! Remarks in the tables say where the rows below them come from. That every field with an address asks for them is in [`crate::validation`].

use asset::request_url::is_request_url;
use asset::storage_address::{is_storage_address, is_strict_storage_address};

use crate::table::rows;

/// Judges every row of `table` with `is_accepted` and names all rows whose verdict differs.
#[track_caller]
fn check(table: &str, is_accepted: fn(&str) -> bool) {
    let wrong = rows(table).filter(|row| row.accepted != is_accepted(&row.value));
    let wrong: Vec<String> = wrong.map(|row| row.value).collect();
    assert!(wrong.is_empty(), "other verdict than the table says: {wrong:#?}");
}

#[test]
fn storage_addresses() {
    check(include_str!("tables/storage_address.txt"), is_storage_address);
}

#[test]
fn strict_storage_addresses() {
    check(include_str!("tables/strict_storage_address.txt"), is_strict_storage_address);
}

#[test]
fn request_urls() {
    check(include_str!("tables/request_url.txt"), is_request_url);
}

#[test]
fn a_storage_address_has_4_bytes_and_fewer_than_2083_characters() {
    let with_characters = |count: usize| format!("h.io/{}", "ü".repeat(count - 5));
    assert!(is_storage_address(&with_characters(2082)));
    assert!(!is_storage_address(&with_characters(2083)));
    assert!(is_storage_address("a.bc"));
    assert!(is_storage_address("a:12"));
    assert!(!is_storage_address("a:1"));
}
