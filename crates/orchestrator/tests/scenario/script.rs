//! The text of scripts: folders, files, statements.
//!
//! Owns how a file falls into statements: one a line, with the indented lines below it, its caller before a colon and its expectation behind
//! an arrow. What the words mean belongs to `request.rs`. Start at [`Folder::read`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The file of a folder that is played before each of its scripts and names the channels.
const GROUND: &str = "ground";

/// Scripts on common ground.
pub(crate) struct Folder {
    pub(crate) name: String,
    /// Organizations by channel, as the server is configured.
    pub(crate) channels: BTreeMap<String, BTreeSet<String>>,
    pub(crate) ground: Script,
    pub(crate) scripts: Vec<Script>,
}

pub(crate) struct Script {
    /// Folder and file, for example `compute/S-41`.
    pub(crate) name: String,
    pub(crate) statements: Vec<Statement>,
}

/// One line, with what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// Counted from 1.
    pub(crate) line: usize,
    /// `Birch`, `Birch in reef`, or raw headers; empty for the caller of the last `as`.
    pub(crate) caller: String,
    pub(crate) text: String,
    /// What stands behind the arrow.
    pub(crate) expectation: Option<String>,
    /// The indented lines below, by number.
    pub(crate) block: Vec<(usize, String)>,
}

impl Folder {
    pub(crate) fn read(root: &Path, name: &str) -> Self {
        let mut scripts: Vec<Script> = std::fs::read_dir(root.join(name))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
            .map(|path| Script::read(name, &path))
            .collect();
        scripts.sort_by(|one, other| one.name.cmp(&other.name));
        let ground = scripts.iter().position(|script| script.name.ends_with(GROUND)).unwrap();
        let mut ground = scripts.remove(ground);
        let (channels, statements) =
            ground.statements.into_iter().partition(|statement| statement.text.starts_with("channel "));
        ground.statements = statements;
        Self { name: name.to_owned(), channels: channels_of(channels), ground, scripts }
    }
}

fn channels_of(statements: Vec<Statement>) -> BTreeMap<String, BTreeSet<String>> {
    let channel = |statement: Statement| {
        let mut words = statement.text.split_whitespace().skip(1).map(str::to_owned);
        (words.next().unwrap(), words.collect())
    };
    statements.into_iter().map(channel).collect()
}

impl Script {
    fn read(folder: &str, path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let stem = path.file_stem().unwrap().to_string_lossy();
        Self { name: format!("{folder}/{stem}"), statements: statements(&text) }
    }

    /// The name of a channel of its own: scripts share a server, but nothing else.
    pub(crate) fn channel(&self, channel: &str) -> String {
        format!("{}.{channel}", self.name.replace('/', "."))
    }
}

fn statements(text: &str) -> Vec<Statement> {
    let mut statements: Vec<Statement> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        match statements.last_mut() {
            Some(statement) if line.starts_with(' ') => statement.block.push((index + 1, content.to_owned())),
            _ => statements.push(Statement::parse(index + 1, content)),
        }
    }
    statements
}

impl Statement {
    fn parse(line: usize, content: &str) -> Self {
        let (content, expectation) = match content.split_once(" -> ") {
            Some((content, expectation)) => (content, Some(expectation.trim().to_owned())),
            None => (content, None),
        };
        let (caller, text) = split_caller(content);
        Self { line, caller: caller.to_owned(), text: text.trim().to_owned(), expectation, block: Vec::new() }
    }
}

/// Splits `Birch in reef: plan P` at its colon; a statement itself begins in lower case.
fn split_caller(content: &str) -> (&str, &str) {
    let raw = content.starts_with("headers(");
    let has_caller = raw || content.starts_with(char::is_uppercase);
    let end = if raw { "): " } else { ": " };
    match content.split_once(end) {
        Some((caller, text)) if has_caller => (caller, text),
        _ => ("", content),
    }
}
