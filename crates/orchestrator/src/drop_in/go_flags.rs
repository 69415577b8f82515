//! Command lines as programs written in Go read them: one dash or two, `-name=value` or `-name value`, switches bare.
//!
//! Owns the syntax; which flags there are, and what their values mean, is up to each program. Start at [`Flags::parse`].

use crate::configuration::Format;

/// A flag that a program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    /// On if it is there; `-name=false` is off.
    Switch(&'static str),
    /// Needs a value, after `=` or as the next argument.
    Value(&'static str),
}

/// A command line taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    given: Vec<(&'static str, String)>,
    /// What follows the flags: everything from the first argument on that is none.
    pub(super) rest: Vec<String>,
}

impl Flags {
    /// Takes a command line apart.
    ///
    /// # Errors
    /// What is wrong with it: an unknown flag, or one without its value.
    pub(super) fn parse(mut arguments: impl Iterator<Item = String>, known: &[Flag]) -> Result<Self, String> {
        let mut flags = Self::default();
        while let Some(argument) = arguments.next() {
            let Some(flag) = flag(&argument) else {
                flags.rest.extend((argument != "--").then_some(argument));
                flags.rest.extend(arguments);
                break;
            };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            let given = match (find(known, name)?, value) {
                (Flag::Switch(name) | Flag::Value(name), Some(value)) => (name, value),
                (Flag::Switch(name), None) => (name, "true".to_owned()),
                (Flag::Value(name), None) => {
                    (name, arguments.next().ok_or_else(|| format!("flag -{name} needs a value"))?)
                }
            };
            flags.given.push(given);
        }
        Ok(flags)
    }

    /// The text of a flag, where it was given last; `None` if it was not given, or is empty.
    pub(super) fn text(&self, name: &'static str) -> Option<&str> {
        self.all(name).last().filter(|text| !text.is_empty())
    }

    /// The texts of a flag, in order.
    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.given.iter().filter(move |(given, _)| *given == name).map(|(_, text)| text.as_str())
    }

    /// The value of a flag in this format; `None` if it was not given.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(super) fn value<T>(&self, name: &'static str, format: &Format<T>) -> Result<Option<T>, String> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let value = (format.parse)(text);
        value.map(Some).ok_or_else(|| format!("flag -{name} is {text:?}, expected {}", format.expected))
    }
}

/// The argument without its dashes, if it is a flag; a lone dash and what follows two lone ones is none.
fn flag(argument: &str) -> Option<&str> {
    let flag = argument.strip_prefix('-')?;
    Some(flag.strip_prefix('-').unwrap_or(flag)).filter(|flag| !flag.is_empty())
}

fn find(known: &[Flag], name: &str) -> Result<Flag, String> {
    let found = known.iter().find(|(Flag::Switch(flag) | Flag::Value(flag))| *flag == name);
    found.copied().ok_or_else(|| format!("flag provided but not defined: -{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::{BOOLEAN, DURATION};
    use std::time::Duration;

    const KNOWN: [Flag; 3] = [Flag::Switch("v"), Flag::Value("addr"), Flag::Value("timeout")];

    fn parse(line: &str) -> Result<Flags, String> {
        Flags::parse(line.split_whitespace().map(str::to_owned), &KNOWN)
    }

    #[test]
    fn all_forms_are_read() {
        for (line, addr, v, rest) in [
            ("", None, None, ""),
            ("-v -addr=:9000", Some(":9000"), Some(true), ""),
            ("--v=false --addr :9000", Some(":9000"), Some(false), ""),
            ("-addr a -addr=b=c up 2", Some("b=c"), None, "up 2"),
            ("-addr= up -v", None, None, "up -v"),
            ("-v -- -addr=a", None, Some(true), "-addr=a"),
            ("- -v", None, None, "- -v"),
        ] {
            let flags = parse(line).unwrap();
            assert_eq!(flags.text("addr"), addr, "{line}");
            assert_eq!(flags.value("v", &BOOLEAN), Ok(v), "{line}");
            assert_eq!(flags.rest.join(" "), rest, "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, problem) in [
            ("-x", "flag provided but not defined: -x"),
            ("-v -addr", "flag -addr needs a value"),
            ("---v", "flag provided but not defined: --v"),
        ] {
            let refused = parse(line).unwrap_err();
            assert!(refused.starts_with(problem), "{line}: {refused}");
        }
        let second = Duration::from_secs(1);
        assert_eq!(parse("-timeout=1s").unwrap().value("timeout", &DURATION), Ok(Some(second)));
        let refused = parse("-timeout=1").unwrap().value("timeout", &DURATION).unwrap_err();
        assert!(refused.starts_with("flag -timeout is \"1\", expected a duration"), "{refused}");
    }
}
