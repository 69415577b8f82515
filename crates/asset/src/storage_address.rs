//! Whether a text is the address of a file in an organization's storage (core/VAL-10, compute/VAL-7).
//!
//! Owns the loose verdict of the contract and the strict one of core/DEF-61. It knows nothing of the 200 characters a stored address may have
//! (core/VAL-14) nor of U+0000 (core/VAL-15): the validation of the message asks for both. Start at [`is_storage_address`]; below it stand the
//! grammar, rule by rule as in the contract, and the matcher that reads it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use self::Rule::{Either, One, Repeat, Sequence, Text};
use crate::structural_parse::{Mode, StructuralParse, has_complete_escapes, structural_parse};

/// An address has fewer code points than this. It also bounds the work of the matcher.
const CODE_POINTS_LIMIT: usize = 2083;

/// An address has at least this many bytes.
const BYTES_MIN: usize = 4;

/// Whether `s` is a storage address (core/VAL-10). The empty text is not; where a field is optional, its caller asks first.
pub fn is_storage_address(s: &str) -> bool {
    s.len() >= BYTES_MIN
        && s.chars().count() < CODE_POINTS_LIMIT
        && !s.starts_with('.')
        && has_sound_structure(s)
        && URL.matches(s)
}

/// Whether `s` is a storage address that the known backend can read as well (core/DEF-61): `http` or `https`, a host of ASCII letters, digits,
/// `-` and `.`, and a port, if any, of at least two digits.
pub fn is_strict_storage_address(s: &str) -> bool {
    let (reference, _) = split_fragment(s);
    is_storage_address(s)
        && structural_parse(reference, Mode::Ordinary).is_some_and(|parsed| {
            matches!(parsed.scheme, Some("http" | "https")) && is_strict_host(parsed.host)
        })
}

/// The grammar is asked again, because a loose address may have matched it with this host inside the user part: `http://-a/@b.org`.
fn is_strict_host(host: &str) -> bool {
    host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':'))
        && STRICT_HOST.matches(host)
}

/// Steps 2 to 5 of core/VAL-10.
fn has_sound_structure(s: &str) -> bool {
    let lacks_scheme = s.contains(':') && !s.contains("://");
    let t = if lacks_scheme { Cow::from(format!("http://{s}")) } else { Cow::from(s) };
    let (reference, fragment) = split_fragment(&t);
    has_complete_escapes(fragment)
        && structural_parse(reference, Mode::Ordinary).is_some_and(|parsed| leads_somewhere(&parsed))
}

fn split_fragment(s: &str) -> (&str, &str) {
    s.split_once('#').unwrap_or((s, ""))
}

/// Steps 4 and 5 of core/VAL-10. A dot in the path counts whether or not it is escaped.
fn leads_somewhere(parsed: &StructuralParse<'_>) -> bool {
    let path_has_dot = parsed.path.contains('.') || parsed.path.to_ascii_lowercase().contains("%2e");
    let is_bare_path = parsed.host.is_empty() && !parsed.path.is_empty();
    !parsed.host.starts_with('.') && (!is_bare_path || path_has_dot)
}

// Step 6 of core/VAL-10: the grammar, one function or constant for each of its rules.

static URL: LazyLock<Rule> = LazyLock::new(url);
static STRICT_HOST: LazyLock<Rule> =
    LazyLock::new(|| sequence([host(), optional(Text(".")), optional(port(2))]));

const DIGIT: Rule = One(|c| c.is_ascii_digit());
const HEX: Rule = One(|c| c.is_ascii_hexdigit());
const AN: Rule = One(|c| c.is_ascii_alphanumeric());
const L: Rule = One(|c| c.is_ascii_alphanumeric() || matches!(c, '\u{A1}'..='\u{FFFF}'));
const T: Rule = One(|c| c.is_ascii_alphabetic() || matches!(c, '\u{A1}'..='\u{FFFF}'));
const NONBLANK: Rule = One(|c| !matches!(c, '\t' | '\n' | '\x0C' | '\r' | ' '));

fn url() -> Rule {
    sequence([
        optional(sequence([scheme(), Text("://")])),
        optional(sequence([some(NONBLANK), Text("@")])),
        host(),
        optional(Text(".")),
        optional(port(1)),
        optional(sequence([One(|c| matches!(c, '/' | '?' | '#')), any(NONBLANK)])),
    ])
}

fn scheme() -> Rule {
    either(["ftp", "tcp", "udp", "ws", "wss", "http", "https"].map(Text))
}

fn port(digits_min: usize) -> Rule {
    sequence([Text(":"), between(digits_min, 5, DIGIT)])
}

fn host() -> Rule {
    either([
        ipv4(),
        sequence([Text("["), ipv6(), Text("]")]),
        sequence([optional(prefix()), body(), optional(sequence([Text("."), some(T)]))]),
    ])
}

fn prefix() -> Rule {
    let joined = One(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let label = sequence([One(|c| matches!(c, '-' | '.')), some(AN)]);
    let link = One(|c| matches!(c, '-' | '_' | '.'));
    either([
        sequence([AN, any(joined), AN, any(label)]),
        sequence([some(AN), any(sequence([optional(link), AN])), AN, Text("."), some(AN)]),
        Text("www."),
    ])
}

fn body() -> Rule {
    sequence([L, any(sequence([between(0, 2, Text("-")), L]))])
}

fn ipv4() -> Rule {
    let first = either([
        sequence([One(|c| matches!(c, '1'..='9')), optional(DIGIT)]),
        sequence([Text("1"), DIGIT, DIGIT]),
        sequence([Text("2"), One(|c| matches!(c, '0' | '1' | '4')), DIGIT]),
        sequence([Text("22"), One(|c| matches!(c, '0'..='3'))]),
        sequence([Text("25"), One(|c| matches!(c, '0'..='5'))]),
    ]);
    sequence([first, between(3, 3, sequence([Text("."), octet()]))])
}

/// 0 to 255, of which one or two digits may begin with a zero.
fn octet() -> Rule {
    either([
        between(1, 2, DIGIT),
        sequence([Text("1"), DIGIT, DIGIT]),
        sequence([Text("2"), One(|c| matches!(c, '0'..='4')), DIGIT]),
        sequence([Text("25"), One(|c| matches!(c, '0'..='5'))]),
    ])
}

/// Eight groups, or at most seven around one `::`; then the forms that end in dotted decimals; then the link-local ones with a zone.
fn ipv6() -> Rule {
    let group = || between(1, 4, HEX);
    let leading = |min, max| between(min, max, sequence([group(), Text(":")]));
    let trailing = |min, max| between(min, max, sequence([Text(":"), group()]));
    let dotted = || sequence([octet(), between(3, 3, sequence([Text("."), octet()]))]);
    let mapped =
        sequence([Text("ffff"), optional(sequence([Text(":"), between(1, 4, Text("0"))])), Text(":")]);
    let inner_gap = (1..=6).map(|left| sequence([leading(left, left), trailing(1, 7 - left)]));
    either([
        sequence([leading(7, 7), group()]),
        sequence([leading(1, 7), Text(":")]),
        sequence([Text(":"), either([trailing(1, 7), Text(":")])]),
        Either(inner_gap.collect()),
        sequence([Text("::"), optional(mapped), dotted()]),
        sequence([leading(1, 4), Text(":"), dotted()]),
        sequence([
            Text("fe80:"),
            between(0, 4, sequence([Text(":"), between(0, 4, HEX)])),
            Text("%"),
            some(AN),
        ]),
    ])
}

/// A rule of a grammar, as data.
///
/// Addresses come from anybody, and the grammar can split a text in many ways: a matcher that tries one split after the other could be
/// kept busy for years. This one asks of each rule, for a *set* of positions, at which positions it can end, and so follows all splits at
/// once. A set has no more members than the text has positions, and a repetition goes on only from positions it has not reached before.
/// As unbounded repetitions are nested at most two deep, the work is at worst quadratic in the length of the text.
enum Rule {
    /// One character of a class.
    One(fn(char) -> bool),
    /// Exactly these characters.
    Text(&'static str),
    /// All of these, one after the other.
    Sequence(Vec<Rule>),
    /// Any one of these.
    Either(Vec<Rule>),
    /// The same rule at least `min` and at most `max` times.
    Repeat { min: usize, max: usize, rule: Box<Rule> },
}

fn sequence<const N: usize>(rules: [Rule; N]) -> Rule {
    Sequence(rules.into())
}

fn either<const N: usize>(rules: [Rule; N]) -> Rule {
    Either(rules.into())
}

fn between(min: usize, max: usize, rule: Rule) -> Rule {
    Repeat { min, max, rule: Box::new(rule) }
}

fn optional(rule: Rule) -> Rule {
    between(0, 1, rule)
}

fn any(rule: Rule) -> Rule {
    between(0, usize::MAX, rule)
}

fn some(rule: Rule) -> Rule {
    between(1, usize::MAX, rule)
}

/// A set of positions between the characters of a text: 0 is its start, its number of characters its end. None occurs twice.
type Positions = Vec<usize>;

impl Rule {
    /// Whether this rule describes the whole of `text`.
    fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        self.ends(&text, vec![0]).contains(&text.len())
    }

    /// Where this rule can end in `text` if it begins at one of `starts`.
    fn ends(&self, text: &[char], starts: Positions) -> Positions {
        if starts.is_empty() {
            return starts;
        }
        match self {
            One(class) => step(text, starts, class),
            Text(wanted) => wanted.chars().fold(starts, |starts, w| step(text, starts, |c| c == w)),
            Sequence(rules) => rules.iter().fold(starts, |starts, rule| rule.ends(text, starts)),
            Either(rules) => {
                let mut ends: Positions =
                    rules.iter().flat_map(|rule| rule.ends(text, starts.clone())).collect();
                ends.sort_unstable();
                ends.dedup();
                ends
            }
            Repeat { min, max, rule } => {
                let mut fresh = (0..*min).fold(starts, |starts, _| rule.ends(text, starts));
                let mut reached: BTreeSet<usize> = fresh.iter().copied().collect();
                for _ in *min..*max {
                    fresh = rule.ends(text, fresh);
                    fresh.retain(|end| reached.insert(*end));
                    if fresh.is_empty() {
                        break;
                    }
                }
                reached.into_iter().collect()
            }
        }
    }
}

/// The positions one character further, where that character is of `class`.
fn step(text: &[char], starts: Positions, class: impl Fn(char) -> bool) -> Positions {
    let fits = |at: &usize| text.get(*at).is_some_and(|c| class(*c));
    starts.into_iter().filter(fits).map(|at| at + 1).collect()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prop_assert_eq;
    use proptest::sample::select;
    use proptest::test_runner::{Config, TestRunner};
    use regex::Regex;

    use super::*;

    /// The grammar of core/VAL-10 written a second time, as one regular expression.
    fn url_regex() -> Regex {
        let octet = "(?:[0-9]{1,2}|1[0-9]{2}|2[0-4][0-9]|25[0-5])";
        let first = "(?:[1-9]|[1-9][0-9]|1[0-9]{2}|2[01][0-9]|22[0-3]|24[0-9]|25[0-5])";
        let groups = |count: usize| vec!["[0-9A-Fa-f]{1,4}"; count].join(":");
        let shortened = (0..=7).flat_map(|left| (0..=7 - left).map(move |right| (left, right)));
        let mut ipv6: Vec<String> =
            shortened.map(|(left, right)| format!("{}::{}", groups(left), groups(right))).collect();
        ipv6.push(groups(8));
        ipv6.push(format!(r"::(?:ffff(?::0{{1,4}})?:)?{octet}(?:\.{octet}){{3}}"));
        ipv6.push(format!(r"(?:[0-9A-Fa-f]{{1,4}}:){{1,4}}:{octet}(?:\.{octet}){{3}}"));
        ipv6.push(r"fe80:(?::[0-9A-Fa-f]{0,4}){0,4}%[0-9A-Za-z]+".to_owned());
        let ipv6 = ipv6.join("|");
        let prefix = r"[0-9A-Za-z](?:[0-9A-Za-z_-]+)?[0-9A-Za-z](?:[.-][0-9A-Za-z]+)*|[0-9A-Za-z]+(?:[-_.]?[0-9A-Za-z])*[0-9A-Za-z]\.[0-9A-Za-z]+|www\.";
        let l = r"0-9A-Za-z\u{A1}-\u{FFFF}";
        let t = r"[A-Za-z\u{A1}-\u{FFFF}]";
        let name = format!(r"(?:{prefix})?(?:[{l}]+-?-?)*[{l}](?:\.{t}+)?");
        let host = format!(r"(?:{first}(?:\.{octet}){{3}}|\[(?:{ipv6})\]|{name})");
        let nonblank = r"[^\t\n\x0C\r ]";
        Regex::new(&format!(
            r"\A(?:(?:ftp|tcp|udp|wss?|https?)://)?(?:{nonblank}+@)?{host}\.?(?::[0-9]{{1,5}})?(?:[/?#]{nonblank}*)?\z"
        ))
        .unwrap()
    }

    /// Compares the two forms on every beginning of 2,600 rows of `pieces`, 33,800 texts that are often nearly an address.
    fn check(opening: &str, closing: &str, pieces: &'static [&'static str]) {
        let regex = url_regex();
        let mut runner =
            TestRunner::new(Config { cases: 2_600, failure_persistence: None, ..Config::default() });
        let outcome = runner.run(&vec(select(pieces), 12), |row| {
            for count in 0..=row.len() {
                let text = format!("{opening}{}{closing}", row[..count].concat());
                prop_assert_eq!(URL.matches(&text), regex.is_match(&text), "{:?}", text);
            }
            Ok(())
        });
        assert_eq!(outcome, Ok(()));
    }

    #[test]
    fn grammar_and_regex_agree_on_host_names() {
        check("", "", &["a", "1", "-", ".", "_", "ü", "www.", "bc"]);
    }

    #[test]
    fn grammar_and_regex_agree_on_ipv4() {
        check("", "", &["1", "2", "5", "0", ".", "22", "25", "192.", "10."]);
    }

    #[test]
    fn grammar_and_regex_agree_on_ipv6() {
        check("[", "]", &["f:", "f:", "0:", "0:", "1234:", "1:", "2", ":", ":a", ":ffff:", "12345"]);
        check("[", "1.2.3.4]", &["f:", ":", ":", "ffff:", "0:", "0000:", "25", "."]);
        check("[fe80:", "]", &[":", ":abcd", "0", "%", "%e", "."]);
    }

    #[test]
    fn grammar_and_regex_agree_on_whole_addresses() {
        let pieces = &[
            "http", "wss", "s3", "://", ":", "/", "?", "#", "@", "[::1]", "12345", "a.bc", "b1", "-", ".",
            " ",
        ];
        check("", "", pieces);
    }
}
