//! The formats of values, each with the words that tell an operator what is expected.
//!
//! Owns how one text becomes one value; which setting has which format, and what happens to a text that does not fit, is decided by the
//! callers. Start at [`Format`].

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::environment::{DatabaseUrl, LogLevel};
use super::go_duration;

/// How a text becomes a value.
pub(crate) struct Format<T> {
    /// What a text of this format looks like, to be read after "expected".
    pub(crate) expected: &'static str,
    /// The value of a text; `None` if the text does not have this format.
    pub(crate) parse: fn(&str) -> Option<T>,
}

const MESSAGE_SIZE_BYTES: RangeInclusive<usize> = 64 * 1024..=256 * 1024 * 1024;

const HEADER_LIST_SIZE_BYTES: RangeInclusive<u32> = 4 * 1024..=16 * 1024 * 1024;
const STREAM_COUNTS: RangeInclusive<u32> = 1..=65_536;

pub(crate) const BOOLEAN: Format<bool> =
    Format { expected: "one of 1, t, T, TRUE, true, True or 0, f, F, FALSE, false, False", parse: boolean };

pub(super) const PATH: Format<PathBuf> =
    Format { expected: "a path", parse: |text| not_empty(text).map(PathBuf::from) };

pub(super) const POSTGRES_URL: Format<DatabaseUrl> = Format {
    expected: "a PostgreSQL URL such as postgres://user:password@host:5432/database",
    parse: |text| not_empty(text).map(DatabaseUrl::new),
};

/// A negative duration counts as zero: both mean "no time at all" to every setting that has this format.
pub(crate) const DURATION: Format<Duration> = Format {
    expected: "a duration with units (ns, us, ms, s, m, h) such as 500ms, 1.5s or 1h30m",
    parse: |text| Some(go_duration::parse(text)?.try_into().unwrap_or(Duration::ZERO)),
};

/// Where no time at all would let nobody through.
pub(super) const POSITIVE_DURATION: Format<Duration> = Format {
    expected: "a duration above zero with units (ns, us, ms, s, m, h) such as 500ms, 1.5s or 1h30m",
    parse: |text| Duration::try_from(go_duration::parse(text)?).ok().filter(|duration| !duration.is_zero()),
};

pub(super) const POSITIVE_INTEGER: Format<NonZeroUsize> =
    Format { expected: "a decimal integer of at least 1", parse: |text| text.parse().ok() };

pub(super) const MESSAGE_SIZE: Format<usize> = Format {
    expected: "a number of bytes from 65536 (64 KiB) to 268435456 (256 MiB)",
    parse: |text| text.parse().ok().filter(|bytes| MESSAGE_SIZE_BYTES.contains(bytes)),
};

pub(super) const HEADER_LIST_SIZE: Format<u32> = Format {
    expected: "a number of bytes from 4096 (4 KiB) to 16777216 (16 MiB)",
    parse: |text| text.parse().ok().filter(|bytes| HEADER_LIST_SIZE_BYTES.contains(bytes)),
};

pub(super) const STREAM_COUNT: Format<u32> = Format {
    expected: "a decimal integer from 1 to 65536",
    parse: |text| text.parse().ok().filter(|count| STREAM_COUNTS.contains(count)),
};

pub(super) const SOCKET_ADDRESS: Format<SocketAddr> = Format {
    expected: "an IP address and a port such as [::]:9000 or 127.0.0.1:9000",
    parse: |text| text.parse().ok(),
};

pub(super) const LEVEL: Format<LogLevel> = Format {
    expected: "one of trace, debug, info, warn, error, fatal, panic, disabled, or -1 (trace) to 3 (error)",
    parse: level,
};

fn not_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

fn level(text: &str) -> Option<LogLevel> {
    match text.to_ascii_lowercase().as_str() {
        "trace" | "-1" => Some(LogLevel::Trace),
        "debug" | "0" => Some(LogLevel::Debug),
        "info" | "1" => Some(LogLevel::Info),
        "warn" | "2" => Some(LogLevel::Warn),
        "error" | "3" => Some(LogLevel::Error),
        "fatal" | "panic" => Some(LogLevel::Fatal),
        "disabled" => Some(LogLevel::Disabled),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    fn check<T: Debug + PartialEq>(format: &Format<T>, accepted: &[(&str, T)], rejected: &[&str]) {
        for (text, value) in accepted {
            assert_eq!((format.parse)(text).as_ref(), Some(value), "{text:?}");
        }
        for text in rejected {
            assert_eq!((format.parse)(text), None, "{text:?}");
        }
    }

    #[test]
    fn booleans() {
        let yes = ["1", "t", "T", "TRUE", "true", "True"].map(|text| (text, true));
        let no = ["0", "f", "F", "FALSE", "false", "False"].map(|text| (text, false));
        let rejected = ["", "yes", "no", "on", "off", "tRUE", "y", " true", "true ", "01", "2"];
        check(&BOOLEAN, &[yes, no].concat(), &rejected);
    }

    #[test]
    fn durations_are_never_negative() {
        let accepted = [
            ("500ms", Duration::from_millis(500)),
            ("0", Duration::ZERO),
            ("-1h", Duration::ZERO),
            ("-0.5ns", Duration::ZERO),
        ];
        check(&DURATION, &accepted, &["", "500", "-", "1d"]);
    }

    #[test]
    fn positive_integers() {
        let accepted = [("1", 1), ("+100", 100), ("007", 7)]
            .map(|(text, number)| (text, NonZeroUsize::new(number).unwrap()));
        let rejected = ["", "0", "-0", "-1", "1.0", "1e3", "1_000", "0x10", " 1", "99999999999999999999"];
        check(&POSITIVE_INTEGER, &accepted, &rejected);
    }

    #[test]
    fn message_sizes() {
        let accepted = [("65536", 65_536), ("4194304", 4_194_304), ("268435456", 268_435_456)];
        check(&MESSAGE_SIZE, &accepted, &["", "0", "-1", "65535", "268435457", "4MiB"]);
    }

    #[test]
    fn socket_addresses() {
        let accepted =
            ["[::]:9000", "0.0.0.0:0", "127.0.0.1:65535"].map(|text| (text, text.parse().unwrap()));
        check(
            &SOCKET_ADDRESS,
            &accepted,
            &["", ":9000", "9000", "localhost:9000", "::9000", "127.0.0.1:65536"],
        );
    }

    #[test]
    fn levels() {
        let accepted = [
            ("trace", LogLevel::Trace),
            ("-1", LogLevel::Trace),
            ("Debug", LogLevel::Debug),
            ("0", LogLevel::Debug),
            ("INFO", LogLevel::Info),
            ("1", LogLevel::Info),
            ("warn", LogLevel::Warn),
            ("2", LogLevel::Warn),
            ("eRRor", LogLevel::Error),
            ("3", LogLevel::Error),
            ("FATAL", LogLevel::Fatal),
            ("panic", LogLevel::Fatal),
            ("disabled", LogLevel::Disabled),
        ];
        check(&LEVEL, &accepted, &["", "WARNING", "NOTICE", "4", "-2", "info "]);
    }

    #[test]
    fn paths_and_urls_are_kept_as_written() {
        check(&PATH, &[("a b/c", PathBuf::from("a b/c"))], &[""]);
        let url = "postgres://u:p%40@h1,h2/d?";
        check(&POSTGRES_URL, &[(url, DatabaseUrl::new(url))], &[""]);
    }
}
