//! Blocks of expected events, compared with the subscription stream.
//!
//! A block stands for everything that was sent in the channel since the block before. Lines are compared in order; neighbouring lines that
//! begin with `=set` in any order. Start at [`compare`].

use serde_json::Value;

use crate::names::Names;
use crate::{expectation, render, words};

/// A line of a block.
struct Expected {
    is_free: bool,
    /// `UPDATED task(R) {ok}`
    head: String,
    /// What is asked of the snapshot.
    fields: Vec<String>,
}

impl Expected {
    fn parse(line: &str, names: &mut Names) -> Result<Self, String> {
        let line = names.expand(line)?;
        let is_free = line.starts_with("=set ");
        let mut words = words::split(line.trim_start_matches("=set "));
        let head_words = match words.get(2) {
            Some(word) if word.starts_with('{') => 3,
            _ => 2.min(words.len()),
        };
        let fields = words.split_off(head_words);
        Ok(Self { is_free, head: words.join(" "), fields })
    }
}

pub(crate) fn compare(block: &[(usize, String)], events: &[Value], names: &mut Names) -> Result<(), String> {
    let mut expected = Vec::new();
    for (_, line) in block {
        expected.push(Expected::parse(line, names)?);
    }
    let mut got: Vec<(String, &Value)> =
        events.iter().map(|event| (render::event(event, names), event)).collect();
    align_free(&mut expected, &mut got);
    let heads =
        |heads: Vec<&String>| heads.into_iter().map(|head| format!("\n      {head}")).collect::<String>();
    let expected_heads: Vec<&String> = expected.iter().map(|expected| &expected.head).collect();
    let got_heads: Vec<&String> = got.iter().map(|(head, _)| head).collect();
    if expected_heads != got_heads {
        return Err(format!("expected events:{}\n    got:{}", heads(expected_heads), heads(got_heads)));
    }
    for (expected, (head, event)) in expected.iter().zip(&got) {
        let snapshot = render::snapshot(event);
        expectation::fields(&expected.fields, snapshot, names).map_err(|why| {
            format!("the snapshot of {head}\n  {why}\n  snapshot: {}", render::value(snapshot, names))
        })?;
    }
    Ok(())
}

/// Sorts runs of free lines, and the events at their places.
fn align_free(expected: &mut [Expected], got: &mut [(String, &Value)]) {
    let mut start = 0;
    while start < expected.len() {
        let is_free = expected[start].is_free;
        let run = expected[start..].iter().take_while(|line| line.is_free == is_free).count();
        let end = start + run;
        if is_free {
            expected[start..end].sort_by(|one, other| one.head.cmp(&other.head));
            let got_end = end.min(got.len());
            got[start.min(got_end)..got_end].sort_by(|one, other| one.0.cmp(&other.0));
        }
        start = end;
    }
}
