//! Tables of addresses and their verdicts: every row of core/VAL-10, core/VAL-11 and compute/VAL-7, and the strict form of core/DEF-61.
//!
//! Each line of a table is `accept` or `reject`, a space, and the address; `\s`, `\t`, `\n`, `\x01` and `\x7f` stand for the
//! characters that cannot be seen. Lines that begin with `# ` say where the rows below them come from.

use asset::request_url::is_request_url;
use asset::storage_address::{is_storage_address, is_strict_storage_address};

/// Judges every row of `table` with `is_accepted` and names all rows whose verdict differs.
#[track_caller]
fn check(table: &str, is_accepted: fn(&str) -> bool) {
    let rows = table.lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    let wrong: Vec<&str> = rows.filter(|row| verdict(row) != is_accepted(&address(row))).collect();
    assert!(wrong.is_empty(), "other verdict than the table says: {wrong:#?}");
}

fn verdict(row: &str) -> bool {
    match row.split(' ').next() {
        Some("accept") => true,
        Some("reject") => false,
        other => panic!("{other:?} is no verdict"),
    }
}

fn address(row: &str) -> String {
    let written = row.split_once(' ').map_or("", |(_, written)| written);
    [("\\s", " "), ("\\t", "\t"), ("\\n", "\n"), ("\\x01", "\x01"), ("\\x7f", "\x7f")]
        .iter()
        .fold(written.to_owned(), |text, (escape, meant)| text.replace(escape, meant))
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
