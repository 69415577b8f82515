//! Data samples and models as files: written as text, read back line by line, known by the SHA-256 of their bytes.
//!
//! Owns reading, writing and the checksum; what stands in the lines is known to the values themselves, through `Display` and `FromStr`.
//! Start at [`write`](fn@write).

use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::str::{FromStr, Lines};

use anyhow::Context;
use sha2::{Digest, Sha256};

/// Writes a value as the whole content of a file and returns the file's checksum.
///
/// # Errors
///
/// The file cannot be written.
pub(crate) fn write(path: &Path, value: &impl Display) -> anyhow::Result<String> {
    let text = value.to_string();
    fs::write(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(checksum(text.as_bytes()))
}

/// Reads back what [`write`](fn@write) wrote. Only the form is verified: compare [`checksum`]s to know that nobody changed the numbers.
///
/// # Errors
///
/// The file cannot be read, or its text does not have the form of a `T`.
pub(crate) fn read<T: FromStr<Err = Malformed>>(path: &Path) -> anyhow::Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    text.parse().with_context(|| format!("cannot use {}", path.display()))
}

/// The SHA-256 of a file's bytes in 64 lower-case hexadecimal digits (core/VAL-6).
pub(crate) fn checksum(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// A text that does not have the form of a data sample or of a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: expected {expected}")]
pub(crate) struct Malformed {
    /// The first line that is wrong, counted from 1; one past the last line if the text ends too early.
    pub(crate) line: usize,
    /// What should stand there.
    pub(crate) expected: &'static str,
}

/// The lines of a text that are still to be read.
pub(super) struct Reader<'text> {
    lines: Lines<'text>,
    line: usize,
}

impl<'text> Reader<'text> {
    pub(super) fn new(text: &'text str) -> Self {
        Self { lines: text.lines(), line: 0 }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.lines.clone().next().is_none()
    }

    /// Reads the next line as a `T`.
    pub(super) fn next<T>(
        &mut self,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Malformed> {
        self.line += 1;
        self.lines.next().and_then(parse).ok_or(Malformed { line: self.line, expected })
    }

    /// Reads the next line, which can only be this one.
    pub(super) fn next_is(&mut self, header: &'static str) -> Result<(), Malformed> {
        self.next(header, |line| (line == header).then_some(()))
    }

    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.is_at_end() { Ok(()) } else { Err(Malformed { line: self.line + 1, expected: "the end" }) }
    }
}

/// Exactly `COUNT` finite numbers, separated by commas.
pub(super) fn numbers<const COUNT: usize>(text: &str) -> Option<[f64; COUNT]> {
    let numbers: Option<Vec<f64>> = text.split(',').map(finite).collect();
    numbers?.try_into().ok()
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::super::Model;
    use super::{Malformed, Reader, checksum, numbers, read, write};

    #[test]
    fn the_checksum_is_that_of_the_published_example() {
        assert_eq!(checksum(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_written_file_has_the_returned_checksum_and_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.csv");
        let model = Model::initial(1);
        let written = write(&path, &model).unwrap();
        assert_eq!(written, checksum(&std::fs::read(&path).unwrap()));
        assert_eq!(read::<Model>(&path).unwrap(), model);
    }

    #[test]
    fn a_corrupt_file_is_named_with_the_line_that_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.csv");
        std::fs::write(&path, "examples,many\n").unwrap();
        let message = format!("{:#}", read::<Model>(&path).unwrap_err());
        assert!(message.contains("model.csv: line 1: expected \"examples,\""), "{message}");
    }

    #[test]
    fn numbers_are_counted_and_finite() {
        assert_eq!(numbers("1,-2.5"), Some([1.0, -2.5]));
        for text in ["", "1", "1,", "1,2,3", "1,x", "1,NaN", "1,inf", "1, 2"] {
            assert_eq!(numbers::<2>(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_reader_counts_lines_also_past_the_end() {
        let mut reader = Reader::new("header\nrow\n");
        assert_eq!(reader.next_is("header"), Ok(()));
        assert_eq!(reader.end(), Err(Malformed { line: 2, expected: "the end" }));
        assert_eq!(reader.next_is("row"), Ok(()));
        assert_eq!(reader.end(), Ok(()));
        assert_eq!(reader.next_is("another row"), Err(Malformed { line: 3, expected: "another row" }));
    }
}
