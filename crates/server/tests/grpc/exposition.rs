//! A strict reader of Prometheus' text format (0.0.4): it refuses what the format does not allow, also where Prometheus itself would let it pass.

use std::collections::{BTreeMap, BTreeSet};

/// What `/metrics` said: the type of each metric, and the value of each series, named as it was written.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    pub(crate) types: BTreeMap<String, String>,
    pub(crate) series: BTreeMap<String, f64>,
}

impl Exposition {
    /// Reads a whole text. Panics at the first fault.
    pub(crate) fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line is not ended");
        let mut read = Self::default();
        let mut helped = BTreeSet::new();
        let mut current = String::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap_or_else(|| panic!("no help: {line}"));
                assert!(is_name(name) && !help.is_empty(), "{line}");
                assert!(helped.insert(name.to_owned()), "two helps: {line}");
                current = name.to_owned();
            } else if let Some(declared) = line.strip_prefix("# TYPE ") {
                let (name, kind) = declared.split_once(' ').unwrap_or_else(|| panic!("no type: {line}"));
                assert_eq!(name, current, "a type follows its help: {line}");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                assert!(read.types.insert(name.to_owned(), kind.to_owned()).is_none(), "two types: {line}");
            } else {
                read.sample(line, &current);
            }
        }
        read.check_histograms();
        read
    }

    fn sample(&mut self, line: &str, current: &str) {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let kind = self.types.get(current).unwrap_or_else(|| panic!("a sample before its type: {line}"));
        let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(
            suffixes.iter().any(|suffix| name == format!("{current}{suffix}")),
            "not of {current}: {line}"
        );
        let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("open labels: {line}"));
        let names = label_names(labels, line);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "a label twice: {line}");
        let value = value.parse().unwrap_or_else(|_| panic!("not a number: {line}"));
        assert!(self.series.insert(series.to_owned(), value).is_none(), "a series twice: {line}");
    }

    /// Buckets grow, the last one is infinite and holds what was counted.
    fn check_histograms(&self) {
        let mut buckets: BTreeMap<(String, String), Vec<(f64, f64)>> = BTreeMap::new();
        for (series, value) in &self.series {
            let Some((name, labels)) = series.split_once("_bucket{") else { continue };
            let (others, bound) = labels.split_once("le=\"").unwrap();
            let bound = bound.strip_suffix("\"}").unwrap();
            let key = (name.to_owned(), others.trim_end_matches(',').to_owned());
            buckets.entry(key).or_default().push((bound.parse().unwrap(), *value));
        }
        for ((name, labels), mut buckets) in buckets {
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(buckets.is_sorted_by_key(|(_, count)| *count), "{name} {buckets:?}");
            let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
            let (bound, all) = *buckets.last().unwrap();
            assert_eq!(
                (bound, Some(&all)),
                (f64::INFINITY, self.series.get(&format!("{name}_count{labels}")))
            );
            assert!(self.series.contains_key(&format!("{name}_sum{labels}")), "{name}{labels}");
        }
    }

    /// The value of a series; nothing if it is not there.
    pub(crate) fn value(&self, series: &str) -> Option<f64> {
        self.series.get(series).copied()
    }

    /// All series of a metric.
    pub(crate) fn of(&self, name: &str) -> Vec<&str> {
        let series = self.series.keys().map(String::as_str);
        series.filter(|series| series.split('{').next() == Some(name)).collect()
    }
}

fn is_name(name: &str) -> bool {
    let is_start = |character: char| character.is_ascii_alphabetic() || "_:".contains(character);
    name.starts_with(is_start)
        && name.chars().all(|character| is_start(character) || character.is_ascii_digit())
}

/// The names of `a="x",b="y"`, in which a value may hold an escaped backslash, quote or line feed.
fn label_names(labels: &str, line: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = labels;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("not a label: {line}"));
        assert!(is_name(name) && !name.contains(':'), "{line}");
        names.push(name.to_owned());
        let end = end_of_value(after).unwrap_or_else(|| panic!("an open value: {line}"));
        rest = match &after[end + 1..] {
            "" => "",
            more => more.strip_prefix(',').unwrap_or_else(|| panic!("no comma: {line}")),
        };
    }
    names
}

/// Where the quote is that ends a value.
fn end_of_value(text: &str) -> Option<usize> {
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '"' => return Some(place),
            '\\' => assert!(matches!(characters.next(), Some((_, '\\' | '"' | 'n'))), "{text}"),
            _ => {}
        }
    }
    None
}
