//! Durations in the syntax of Go, in which existing deployments write them (core/OPS-2).
//!
//! Owns the grammar and the range, which are Go's; jiff gives the type, but not the parser: its own is at once wider (`1 hour ago`, `PT1H`)
//! and narrower (`1s1h`, `.5s`). It does not know what a duration is for. Start at [`parse`].

use jiff::SignedDuration;

/// The duration that `text` denotes, or `None` if it is malformed or does not fit 64 bits of nanoseconds (about 292 years).
///
/// A text is an optional sign and one or more pairs of a decimal number and a unit, in any order and with repetitions. A bare `0` needs no
/// unit. Parts of a nanosecond are cut off.
pub(super) fn parse(text: &str) -> Option<SignedDuration> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let nanoseconds = if unsigned == "0" { 0 } else { sum_of_pairs(unsigned)? };
    let signed = if text.starts_with('-') { -nanoseconds } else { nanoseconds };
    i64::try_from(signed).ok().map(SignedDuration::from_nanos)
}

/// The nanoseconds of one or more pairs of number and unit.
fn sum_of_pairs(text: &str) -> Option<i128> {
    let (mut sum, mut rest) = first_pair(text)?;
    while !rest.is_empty() {
        let (nanoseconds, after) = first_pair(rest)?;
        sum = sum.checked_add(nanoseconds)?;
        rest = after;
    }
    Some(sum)
}

/// The nanoseconds of the pair at the start of the text, and the text behind it.
fn first_pair(text: &str) -> Option<(i128, &str)> {
    let (whole, rest) = split_while(text, |c| c.is_ascii_digit());
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => split_while(rest, |c| c.is_ascii_digit()),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let (unit, rest) = split_while(rest, |c| !c.is_ascii_digit() && c != '.');
    let unit = nanoseconds_of_unit(unit)?;
    Some((whole_units(whole)?.checked_mul(unit)? + part_of_unit(fraction, unit), rest))
}

fn split_while(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// The micro sign is accepted in both spellings of Unicode, U+00B5 and U+03BC.
fn nanoseconds_of_unit(unit: &str) -> Option<i128> {
    match unit {
        "ns" => Some(1),
        "us" | "\u{b5}s" | "\u{3bc}s" => Some(1_000),
        "ms" => Some(1_000_000),
        "s" => Some(1_000_000_000),
        "m" => Some(60_000_000_000),
        "h" => Some(3_600_000_000_000),
        _ => None,
    }
}

/// The number before the point, which may be left out if there is one behind it.
fn whole_units(digits: &str) -> Option<i128> {
    if digits.is_empty() { Some(0) } else { digits.parse::<u64>().ok().map(i128::from) }
}

/// The nanoseconds of the digits behind the point; those after the eighteenth are below a nanosecond in every unit.
fn part_of_unit(digits: &str, unit: i128) -> i128 {
    let (numerator, denominator) = digits.bytes().take(18).fold((0, 1), |(numerator, denominator), digit| {
        (numerator * 10 + i128::from(digit - b'0'), denominator * 10)
    });
    numerator * unit / denominator
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCEPTED: &[(&str, i64)] = &[
        // Zero needs no unit.
        ("0", 0),
        ("-0", 0),
        ("+0", 0),
        ("0s", 0),
        // Every unit.
        ("7ns", 7),
        ("7us", 7_000),
        ("7\u{b5}s", 7_000),
        ("7\u{3bc}s", 7_000),
        ("500ms", 500_000_000),
        ("30s", 30_000_000_000),
        ("2m", 120_000_000_000),
        ("1h", 3_600_000_000_000),
        // Signs.
        ("+5s", 5_000_000_000),
        ("-5s", -5_000_000_000),
        ("-1m30s", -90_000_000_000),
        // Fractions.
        ("1.5s", 1_500_000_000),
        ("1.s", 1_000_000_000),
        (".5s", 500_000_000),
        ("-.5s", -500_000_000),
        ("1.0s", 1_000_000_000),
        ("1.004s", 1_004_000_000),
        ("0.3h", 1_080_000_000_000),
        ("0.9ns", 0),
        ("-0.9ns", 0),
        ("0.100000000000000000000h", 360_000_000_000),
        ("0.9223372036854775807h", 3_320_413_933_267),
        ("0.830103483285477580700h", 2_988_372_539_827),
        // Several pairs, in any order, with repetitions.
        ("1h30m", 5_400_000_000_000),
        ("1.5h30m", 7_200_000_000_000),
        ("1s1h", 3_601_000_000_000),
        ("1h1h", 7_200_000_000_000),
        ("1m.5s", 60_500_000_000),
        ("1h2m3s4ms5us6ns", 3_723_004_005_006),
        ("39h9m14.425s", 140_954_425_000_000),
        // Leading zeros, and the ends of the range.
        ("00000000000000000000000001s", 1_000_000_000),
        ("9223372036854775807ns", i64::MAX),
        ("-9223372036854775808ns", i64::MIN),
        ("9223372036s854ms775us807ns", i64::MAX),
        ("-2562047h47m16.854775808s", i64::MIN),
    ];

    const REJECTED: &[&str] = &[
        // Nothing, or only a part of a pair.
        "",
        "+",
        "-",
        ".",
        "s",
        ".s",
        "+.s",
        "-s",
        "1.5",
        "90",
        "00",
        "0.0",
        "1h30",
        "1s0",
        // Unknown units.
        "1d",
        "1w",
        "1H",
        "1S",
        "1Ms",
        "1sec",
        "1 s",
        "1\u{b5}",
        "1e3s",
        // Characters in the wrong place.
        " 1s",
        "1s ",
        "1h 2m",
        "--1s",
        "+-1s",
        "1h-2m",
        "1..5s",
        "1.5.5s",
        "1,5s",
        "1_000s",
        "\u{661}s",
        // Other syntaxes.
        "PT1H",
        "1 hour ago",
        "1h ago",
        "01:02:03",
        "inf",
        // Out of range.
        "9223372036854775808ns",
        "-9223372036854775809ns",
        "9223372036854775.808us",
        "2562047h47m16.854775808s",
        "3000000h",
        "18446744073709551616ns",
        "99999999999999999999999999999999999999999h",
    ];

    #[test]
    fn accepted_texts_have_the_value_that_go_gives_them() {
        for (text, nanoseconds) in ACCEPTED {
            assert_eq!(parse(text), Some(SignedDuration::from_nanos(*nanoseconds)), "{text:?}");
        }
    }

    #[test]
    fn rejected_texts_are_malformed() {
        for text in REJECTED {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
