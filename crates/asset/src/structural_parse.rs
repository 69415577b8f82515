//! The first, coarse reading of an address: where its scheme, host and path are, and whether their characters may stand there (core/VAL-12).
//!
//! Owns the structural parse that storage addresses and request URLs share. It knows nothing of which schemes, host names or lengths
//! those two accept. Start at [`structural_parse`]; the steps named there are those of the rule.

use std::str::Chars;

/// Which of the two readings of core/VAL-12 applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A reference: the scheme may be missing.
    Ordinary,
    /// What a client would send in a request: an absolute URL or an absolute path.
    Request,
}

/// The parts of an address that passed; all are slices of it, with their escapes as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StructuralParse<'a> {
    /// What stands before the first `:`, in the letter case given.
    pub(crate) scheme: Option<&'a str>,
    /// The host with its port, without the user part.
    pub(crate) host: &'a str,
    /// What follows the host, up to the query.
    pub(crate) path: &'a str,
}

/// Takes `u` apart, or nothing if a part is malformed (core/VAL-12). A fragment is no part of `u`.
pub(crate) fn structural_parse(u: &str, mode: Mode) -> Option<StructuralParse<'_>> {
    // Step 1.
    if u.bytes().any(|byte| byte.is_ascii_control()) || (mode == Mode::Request && u.is_empty()) {
        return None;
    }
    // Step 2.
    if u == "*" {
        return Some(StructuralParse { scheme: None, host: "", path: "*" });
    }
    // Steps 3 and 4.
    let (scheme, rest) = split_scheme(u)?;
    let rest = before(rest, '?');
    // Step 5.
    if !rest.starts_with('/') {
        if scheme.is_some() {
            return Some(StructuralParse { scheme, host: "", path: "" });
        }
        if mode == Mode::Request || before(rest, '/').contains(':') {
            return None;
        }
    }
    // Step 6.
    let may_have_authority = scheme.is_some() || (mode == Mode::Ordinary && !rest.starts_with("///"));
    let (authority, path) = match rest.strip_prefix("//") {
        Some(after) if may_have_authority => after.split_at(before(after, '/').len()),
        _ => ("", rest),
    };
    let host = host_of(authority)?;
    // Step 7.
    has_complete_escapes(path).then_some(StructuralParse { scheme, host, path })
}

/// Whether each `%` in `text` is followed by two hexadecimal digits.
pub(crate) fn has_complete_escapes(text: &str) -> bool {
    consists_of(text, |_| true, |_| true)
}

fn before(text: &str, end: char) -> &str {
    text.split_once(end).map_or(text, |(before, _)| before)
}

/// Step 3: the scheme, if there is one, and what follows it.
fn split_scheme(u: &str) -> Option<(Option<&str>, &str)> {
    let is_scheme_character = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let end = u.find(|c| !is_scheme_character(c)).unwrap_or(u.len());
    let (scheme, rest) = u.split_at(end);
    match rest.strip_prefix(':') {
        Some(_) if scheme.is_empty() => None,
        Some(rest) if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) => Some((Some(scheme), rest)),
        _ => Some((None, u)),
    }
}

/// Step 6: the host part of an authority whose characters are all in order.
fn host_of(authority: &str) -> Option<&str> {
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    (consists_of(user, is_user_character, |_| true) && has_sound_port(host) && has_host_characters(host))
        .then_some(host)
}

fn is_user_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=@".contains(c)
}

fn has_sound_port(host: &str) -> bool {
    let port = if host.starts_with('[') {
        host.rsplit_once(']').map(|(_, port)| port)
    } else {
        Some(host.rfind(':').map_or("", |colon| &host[colon..]))
    };
    port.is_some_and(|port| {
        port.is_empty()
            || port.strip_prefix(':').is_some_and(|digits| digits.chars().all(|c| c.is_ascii_digit()))
    })
}

fn has_host_characters(host: &str) -> bool {
    let zone_end = if host.starts_with('[') { host.rfind(']').unwrap_or(0) } else { 0 };
    let zone_start = host[..zone_end].find("%25").unwrap_or(zone_end);
    let is_host_escape = |c| c == '%' || c >= '\u{80}';
    let is_zone_escape = |c| c == '%' || c == ' ' || is_ascii_host_character(c);
    let is_host_character = |c: char| !c.is_ascii() || is_ascii_host_character(c);
    consists_of(&host[..zone_start], is_host_character, is_host_escape)
        && consists_of(&host[zone_start..zone_end], is_host_character, is_zone_escape)
        && consists_of(&host[zone_end..], is_host_character, is_host_escape)
}

fn is_ascii_host_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!$&'()*+,;=:[]<>\"-_.~".contains(c)
}

/// Whether `text` consists of `plain` characters and of escapes of `escaped` bytes (given as U+0000 to U+00FF).
fn consists_of(text: &str, plain: impl Fn(char) -> bool, escaped: impl Fn(char) -> bool) -> bool {
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let fits = if c == '%' { escaped_byte(&mut rest).is_some_and(&escaped) } else { plain(c) };
        if !fits {
            return false;
        }
    }
    true
}

fn escaped_byte(rest: &mut Chars<'_>) -> Option<char> {
    let high = rest.next()?.to_digit(16)?;
    let low = rest.next()?.to_digit(16)?;
    char::from_u32(16 * high + low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mode: Mode, u: &str, expected: Option<(Option<&str>, &str, &str)>) {
        let found = structural_parse(u, mode).map(|parsed| (parsed.scheme, parsed.host, parsed.path));
        assert_eq!(found, expected, "{mode:?} parse of {u:?}");
    }

    #[test]
    fn both_modes_find_the_parts() {
        for mode in [Mode::Ordinary, Mode::Request] {
            check(mode, "*", Some((None, "", "*")));
            check(mode, "HTTP://u:p@x@h.io:80/a/b?c/d", Some((Some("HTTP"), "h.io:80", "/a/b")));
            check(mode, "a+b.c-1://h", Some((Some("a+b.c-1"), "h", "")));
            check(mode, "http:a/b", Some((Some("http"), "", "")));
            check(mode, "http:///p", Some((Some("http"), "", "/p")));
            check(mode, "/p:q", Some((None, "", "/p:q")));
            check(mode, ":p", None);
            check(mode, "http://h/%4", None);
            check(mode, "http://h/?%4", Some((Some("http"), "h", "/")));
        }
    }

    #[test]
    fn only_the_ordinary_mode_reads_references() {
        check(Mode::Ordinary, "", Some((None, "", "")));
        check(Mode::Request, "", None);
        check(Mode::Ordinary, "p/q:r", Some((None, "", "p/q:r")));
        check(Mode::Request, "p/q:r", None);
        check(Mode::Ordinary, "1p:q/r", None);
        check(Mode::Ordinary, "//h/p", Some((None, "h", "/p")));
        check(Mode::Request, "//h/p", Some((None, "", "//h/p")));
        check(Mode::Ordinary, "///p", Some((None, "", "///p")));
    }

    #[test]
    fn the_authority_has_its_own_characters() {
        let sound = [
            "h:",
            "é",
            "%C3%a9",
            "%25",
            "[::1]",
            "[::1]:",
            "[fe80::1%25%20%41]",
            "a<b>\"",
            "%41@h",
            "~@h",
            "@h",
        ];
        let malformed = [
            "h:x",
            "h:1:x",
            "h^",
            "h h",
            "%41",
            "%2",
            "[::1",
            "[::1]x",
            "[::1%41]",
            "[fe80::1%25%C3]",
            "é@h",
            "%4@h",
        ];
        for authority in sound {
            assert!(structural_parse(&format!("x://{authority}"), Mode::Request).is_some(), "{authority}");
        }
        for authority in malformed {
            assert!(structural_parse(&format!("x://{authority}"), Mode::Request).is_none(), "{authority}");
        }
    }
}
