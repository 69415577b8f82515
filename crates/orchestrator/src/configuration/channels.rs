//! The channel file: which organizations are members of which channel (core/CHN-7).
//!
//! Owns the form of the file and its limits; that members must also register, and what a stranger is told, is decided elsewhere. Start at
//! [`Channels::parse`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use asset::limits::ORGANIZATION_ID_CHARACTERS_MAX;
use serde::Deserialize;
use serde_saphyr::{SnippetMode, UserMessageFormatter};

/// The largest channel file, in bytes.
pub(crate) const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The members of every channel; empty if nobody may call anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Channels {
    /// The ids of the organizations that are members, by the name of the channel.
    pub members: BTreeMap<String, BTreeSet<String>>,
}

/// Why there is no channel configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file cannot be opened or read, is not UTF-8, or has more than [`FILE_BYTES_MAX`] bytes.
    #[error("read channel file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The file is not YAML, or not of the form described at [`Channels::parse`].
    #[error("parse channel file {}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: Malformed,
    },
}

/// What is wrong with the text of a channel file, with line and column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(String);

impl Channels {
    /// The text of a channel file.
    ///
    /// # Errors
    ///
    /// If the file is unreadable or too large.
    pub(crate) fn read(path: &Path) -> Result<String, Error> {
        read(path).map_err(|source| Error::Unreadable { path: path.into(), source })
    }

    /// What the text says that was read from a file.
    ///
    /// # Errors
    ///
    /// If it is malformed.
    pub(crate) fn of_file(path: &Path, text: &str) -> Result<Self, Error> {
        Self::parse(text).map_err(|source| Error::Malformed { path: path.into(), source })
    }

    /// Reads the text of a channel file: YAML with a mapping `channels` from the name of a channel to a list of organization ids.
    ///
    /// Unquoted scalars are names as they are written (`123`, `true`, `1.50`). Nothing at all counts as an empty mapping or list; other
    /// keys beside `channels` are ignored. A name has 1 to 100 characters (core/VAL-14) without U+0000 (core/VAL-15).
    ///
    /// # Errors
    ///
    /// If the text is not YAML or has another form.
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        let document: Option<Document> = serde_saphyr::from_str(text).map_err(|error| malformed(&error))?;
        let channels = document.and_then(|document| document.channels).unwrap_or_default();
        let members = channels.into_iter().map(|(channel, ids)| (channel.0, set(ids))).collect();
        Ok(Self { members })
    }
}

#[derive(Deserialize)]
struct Document {
    channels: Option<BTreeMap<Name, Option<Vec<Name>>>>,
}

/// The name of a channel or the id of an organization.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
struct Name(String);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.chars().count() {
            0 => Err("a channel name or organization id must not be empty".to_owned()),
            1..=ORGANIZATION_ID_CHARACTERS_MAX if text.contains('\0') => {
                Err("a channel name or organization id must not contain NUL characters".to_owned())
            }
            1..=ORGANIZATION_ID_CHARACTERS_MAX => Ok(Self(text)),
            count => Err(format!(
                "a channel name or organization id has {count} characters, more than {ORGANIZATION_ID_CHARACTERS_MAX}"
            )),
        }
    }
}

fn set(ids: Option<Vec<Name>>) -> BTreeSet<String> {
    ids.unwrap_or_default().into_iter().map(|id| id.0).collect()
}

fn read(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?.take(FILE_BYTES_MAX + 1);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    if file.limit() == 0 {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn malformed(error: &serde_saphyr::Error) -> Malformed {
    let options =
        serde_saphyr::render_options! { formatter: &UserMessageFormatter, snippets: SnippetMode::Off };
    Malformed(error.render_with_options(options))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    /// What is in this file.
    fn read_file(path: &Path) -> Result<Channels, Error> {
        Channels::of_file(path, &Channels::read(path)?)
    }

    /// A file whose only channel is `a`, with the organization `b` in it.
    fn a_with_b() -> Channels {
        channels(&[("a", &["b"])])
    }

    fn channels(members: &[(&str, &[&str])]) -> Channels {
        let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        Channels { members: members.iter().map(|(channel, ids)| ((*channel).to_owned(), set(ids))).collect() }
    }

    #[test]
    fn accepted_texts() {
        // core/CHN-7
        let rows: &[(&str, Channels)] = &[
            // Nobody has access.
            ("", Channels::default()),
            ("# nothing\n", Channels::default()),
            ("null", Channels::default()),
            ("other: 1", Channels::default()),
            ("channels:", Channels::default()),
            ("channels: ~", Channels::default()),
            ("channels: {}", Channels::default()),
            // Channels without members.
            ("channels: {a: []}", channels(&[("a", &[])])),
            ("channels:\n  a:\n  c: null", channels(&[("a", &[]), ("c", &[])])),
            // Several channels; an organization in many; one listed twice.
            ("channels: {a: [x, y], c: [y]}", channels(&[("a", &["x", "y"]), ("c", &["y"])])),
            ("channels: {a: [b, b, 'b']}", a_with_b()),
            // Names are as they are written.
            (
                "channels:\n  123: [true, 1.50, 0x1F]\n  true: [no, 007]\n  1.50: [2020-01-01, 1_000]",
                channels(&[
                    ("123", &["true", "1.50", "0x1F"]),
                    ("true", &["no", "007"]),
                    ("1.50", &["2020-01-01", "1_000"]),
                ]),
            ),
            ("channels: {1: [b], 01: [b]}", channels(&[("1", &["b"]), ("01", &["b"])])),
            ("channels: {'~': ['null', \"\\u00e9\"]}", channels(&[("~", &["null", "\u{e9}"])])),
            // Whatever else YAML offers.
            ("listeners: {x: [1, {}]}\nchannels: {a: [b]}\nother: ~", a_with_b()),
            ("---\nchannels: {a: [b]}\n...\n", a_with_b()),
            ("\u{feff}channels: {a: [b]}", a_with_b()),
            ("channels:\r\n  a:\r\n  - b\r\n", a_with_b()),
            ("x: &x [b]\nchannels: {a: *x}", a_with_b()),
            ("x: &x {a: [b]}\nchannels: {<<: *x}", a_with_b()),
        ];
        for (text, expected) in rows {
            assert_eq!(Channels::parse(text).as_ref(), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn rejected_texts_are_reported_with_line_and_column() {
        let rows = [
            // Not YAML.
            ("channels:\n  a: [b\n", "line 2, column 6"),
            ("channels:\n\ta: b", "line 2, column 2"),
            ("channels:\n  a: [b, *x]", "line 2, column 10"),
            ("channels: {a: [b]}\n---\nchannels: {}", "line 3, column 1"),
            // Another form.
            ("- a", "line 1, column 1"),
            ("channels", "line 1, column 1"),
            ("channels: [a]", "line 1, column 11"),
            ("channels: a", "line 1, column 11"),
            ("channels:\n  a: b", "line 2, column 6"),
            ("channels:\n  a: {b: c}", "line 2, column 6"),
            ("channels:\n  a: [[b]]", "line 2, column 7"),
            // Twice the same key.
            ("channels:\n  a: [b]\n  a: [c]", "line 3, column 3"),
            ("channels: {}\nchannels: {}", "line 2, column 1"),
            // No name.
            ("channels:\n  a: [~]", "line 2, column 7"),
            ("channels:\n  a:\n    - b\n    -\n", "line 4, column 6"),
            ("channels:\n  a: [b, '']", "line 2, column 10"),
            ("channels:\n  ~: [b]", "line 2, column 3"),
            ("channels:\n  '': [b]", "line 2, column 3"),
            ("channels:\n  a: [\"b\\0\"]", "line 2, column 7"),
        ];
        for (text, place) in rows {
            let error = Channels::parse(text).expect_err(text).to_string();
            assert!(error.ends_with(place), "{text:?}: {error}");
            assert!(!error.contains('\n'), "{text:?}: {error}");
        }
    }

    #[test]
    fn names_have_at_most_a_hundred_characters() {
        let longest = "\u{e9}".repeat(ORGANIZATION_ID_CHARACTERS_MAX);
        let expected = channels(&[(&longest, &[&longest])]);
        assert_eq!(Channels::parse(&format!("channels: {{{longest}: [{longest}]}}")), Ok(expected));
        for text in [format!("channels:\n  {longest}e: [b]"), format!("channels:\n  a: [{longest}e]")] {
            let error = Channels::parse(&text).unwrap_err().to_string();
            assert!(error.contains("has 101 characters, more than 100"), "{error}");
            assert!(error.contains("line 2, column "), "{error}");
        }
    }

    #[test]
    fn the_sample_on_the_page_for_operators_is_accepted() {
        let page = include_str!("../../../../docs/configuration.md");
        let (_, rest) = page.split_once("```yaml\n").unwrap();
        let (sample, _) = rest.split_once("```").unwrap();
        let expected =
            channels(&[("mychannel", &["MyOrg1MSP", "MyOrg2MSP"]), ("yourchannel", &["MyOrg1MSP"])]);
        assert_eq!(Channels::parse(sample), Ok(expected));
    }

    /// What is loaded from a file of these bytes.
    fn load(bytes: &[u8]) -> Result<Channels, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read_file(file.path())
    }

    #[test]
    fn a_file_is_loaded() {
        assert_eq!(load(b"channels: {a: [b]}").unwrap(), a_with_b());
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_the_reason() {
        // core/CHN-7
        let missing = read_file(Path::new("/no/such/file")).unwrap_err();
        assert_eq!(missing.to_string(), "read channel file /no/such/file");
        let malformed = load(b"channels: [").unwrap_err();
        assert!(malformed.to_string().starts_with("parse channel file "), "{malformed}");
        assert!(malformed.source().unwrap().to_string().ends_with("line 1, column 11"), "{malformed:?}");
    }

    #[test]
    fn a_file_is_utf_8_and_not_too_large() {
        let largest = usize::try_from(FILE_BYTES_MAX).unwrap();
        let kind = |bytes: &[u8]| match load(bytes) {
            Err(Error::Unreadable { source, .. }) => Some(source.kind()),
            Err(Error::Malformed { .. }) | Ok(_) => None,
        };
        assert_eq!(kind(b"channels: {\xff: []}"), Some(io::ErrorKind::InvalidData));
        assert_eq!(kind(&vec![b'\n'; largest]), None);
        assert_eq!(kind(&vec![b'\n'; largest + 1]), Some(io::ErrorKind::FileTooLarge));
    }
}
