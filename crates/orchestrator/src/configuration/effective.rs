//! What counts in the end: each setting with its value, as it may be shown, and where that comes from.
//!
//! Owns how a value is made fit to be shown. Which values count is decided by the [`super::reader::Reader`].

use std::fmt;

use super::settings::Setting;

/// A setting as it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effective {
    /// The name of the variable.
    pub name: &'static str,
    /// The value as it may be shown: without secrets. None if there is none.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: Source,
}

/// Where the value of a setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The variable is set.
    Environment,
    /// It is not, or what it is set to counts for nothing.
    Default,
    /// It is not, and has no default.
    Missing,
    /// Other settings make it unnecessary: nobody looks at it.
    NotNeeded,
}

impl Effective {
    /// A setting that is set to this text.
    pub(super) fn of(setting: Setting, value: Option<&str>, source: Source) -> Self {
        let shown = |value: &str| if setting.secret { masked(value) } else { value.to_owned() };
        Self { name: setting.name, value: value.map(shown), source }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Environment => "environment",
            Self::Default => "default",
            Self::Missing => "missing",
            Self::NotNeeded => "not needed",
        })
    }
}

/// A database URL, or keywords and values, without passwords. Passwords in URLs may hold anything, for the packaged deployment does not
/// encode them; so rather too much is hidden than too little.
fn masked(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) => format!("{scheme}://{}", without_password(rest)),
        None => without_parameter(text, '\0'),
    }
}

fn without_password(url: &str) -> String {
    let Some((user, rest)) = url.rsplit_once('@') else {
        return without_parameter(url, '&');
    };
    let rest = without_parameter(rest, '&');
    match user.split_once(':') {
        Some((name, _password)) => format!("{name}:***@{rest}"),
        None => format!("{user}@{rest}"),
    }
}

/// Hides what follows the first `password=`, which also ends `sslpassword=`, up to the end of its parameter.
fn without_parameter(text: &str, end: char) -> String {
    let Some(start) = text.to_ascii_lowercase().find("password") else {
        return text.to_owned();
    };
    let (kept, hidden) = text.split_at(start + "password".len());
    match hidden.split_once(end) {
        Some((_password, rest)) => format!("{kept}=***{end}{}", without_parameter(rest, end)),
        None => format!("{kept}=***"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hidden_however_they_are_written() {
        for (text, shown) in [
            ("postgres://u:hunter2@db:5432/o?sslmode=require", "postgres://u:***@db:5432/o?sslmode=require"),
            ("postgres://u:hun@ter/2?@h1,h2/o?", "postgres://u:***@h1,h2/o?"),
            ("postgresql://u@db:5432/o", "postgresql://u@db:5432/o"),
            ("postgres://db/o?user=u&password=hunter2&port=1", "postgres://db/o?user=u&password=***&port=1"),
            (
                "postgres://db/o?sslpassword=hunter2&password=hunter2",
                "postgres://db/o?sslpassword=***&password=***",
            ),
            ("host=db password = 'hunter 2' dbname=o", "host=db password=***"),
            ("host=db PASSWORD=hunter2", "host=db PASSWORD=***"),
            ("host=db user=u", "host=db user=u"),
        ] {
            assert_eq!(masked(text), shown);
        }
    }
}
