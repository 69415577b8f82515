//! Connection strings: which database, as whom, how secured, and with which settings.
//!
//! Owns the differences between what operators write and what the driver takes: parameters that only the
//! predecessor's pool knew are dropped, settings of the session are handed on to the database, and
//! environment variables fill in what is left open. Start at [`parse`].

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use persistence::{Error, Result};
use tokio_postgres::Config;

use crate::tls::TlsOptions;

/// Parameters by name, the last one of each, without empty ones.
type Parameters = BTreeMap<String, String>;

/// Parameters that the driver understands itself.
const OF_DRIVER: [&str; 18] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "sslnegotiation",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// Parameters that secure the connection.
const OF_TLS: [&str; 4] = ["sslcert", "sslkey", "sslmode", "sslrootcert"];

/// Parameters of the predecessor's connection pool. Ours is set by options of the program.
const PREFIX_OF_POOL: &str = "pool_";

/// What fills in a parameter that is left open.
const ENVIRONMENT: [(&str, &str); 12] = [
    ("PGAPPNAME", "application_name"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGDATABASE", "dbname"),
    ("PGHOST", "host"),
    ("PGPASSWORD", "password"),
    ("PGPORT", "port"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGUSER", "user"),
];

/// What holds if nothing else is said. A database that gives no sign of life for ten seconds is taken for
/// gone. Times are in seconds.
const DEFAULTS: [(&str, &str); 7] = [
    ("application_name", "orchestrator"),
    ("connect_timeout", "10"),
    ("host", "localhost"),
    ("keepalives_idle", "5"),
    ("keepalives_interval", "1"),
    ("keepalives_retries", "5"),
    ("tcp_user_timeout", "10"),
];

/// Reads a `postgres://` URL, or a text of `keyword=value` pairs.
///
/// # Errors
/// If it cannot be understood. No message holds a value.
pub(crate) fn parse(
    text: &str,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<(Config, TlsOptions)> {
    let mut parameters =
        match ["postgres://", "postgresql://"].iter().find_map(|scheme| text.strip_prefix(scheme)) {
            Some(rest) => of_url(rest)?,
            None => of_keywords(text)?,
        };
    parameters.retain(|name, value| !value.is_empty() && !name.starts_with(PREFIX_OF_POOL));
    for (variable, name) in ENVIRONMENT {
        if let Some(value) = environment(variable).filter(|value| !value.is_empty()) {
            parameters.entry(name.to_owned()).or_insert(value);
        }
    }
    let tls = TlsOptions::of(|name| parameters.get(name).map(String::as_str))?;
    let mut config = of_driver(parameters)?;
    config.ssl_mode(tls.mode());
    Ok((config, tls))
}

/// The driver's configuration; what it does not know becomes a setting of the session.
fn of_driver(parameters: Parameters) -> Result<Config> {
    let not_of_tls = parameters.into_iter().filter(|(name, _)| !OF_TLS.contains(&name.as_str()));
    let (mut known, settings): (Parameters, Parameters) =
        not_of_tls.partition(|(name, _)| OF_DRIVER.contains(&name.as_str()));
    for (name, value) in DEFAULTS {
        known.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    let settings =
        settings.iter().map(|(name, value)| format!("-c {name}={}", escaped(value, char::is_whitespace)));
    let options: Vec<String> = settings.chain(known.remove("options")).collect();
    known.insert("options".to_owned(), options.join(" "));
    let keywords: Vec<String> = known
        .iter()
        .map(|(name, value)| format!("{name}='{}'", escaped(value, |character| character == '\'')))
        .collect();
    keywords.join(" ").parse().map_err(|error: tokio_postgres::Error| malformed(&error.to_string()))
}

/// The text with a backslash before each backslash and each character that is special.
fn escaped(text: &str, is_special: impl Fn(char) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character == '\\' || is_special(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// `user:password@host:port,host:port/dbname?name=value&name=value`, every part of which may be missing.
fn of_url(rest: &str) -> Result<Parameters> {
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, dbname) = address.split_once('/').unwrap_or((address, ""));
    // The last one: the predecessor took passwords that contain the sign as it is.
    let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let (hosts, ports): (Vec<&str>, Vec<&str>) = hosts.split(',').map(host_and_port).unzip();
    let mut parameters = Parameters::new();
    for (name, value) in
        [("user", user), ("password", password), ("dbname", dbname), ("host", &hosts.join(","))]
    {
        parameters.insert(name.to_owned(), decoded(value)?);
    }
    if ports.iter().any(|port| !port.is_empty()) {
        parameters.insert("port".to_owned(), ports.join(","));
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| malformed("a parameter has no value"))?;
        parameters.insert(decoded(name)?, decoded(value)?);
    }
    Ok(parameters)
}

/// A host, of which an IPv6 address stands in brackets, and its port or nothing.
fn host_and_port(text: &str) -> (&str, &str) {
    match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':').unwrap_or(port)),
        None => text.split_once(':').unwrap_or((text, "")),
    }
}

fn decoded(text: &str) -> Result<String> {
    let decoded =
        percent_decode_str(text).decode_utf8().map_err(|_| malformed("a part of it is not UTF-8"))?;
    Ok(decoded.into_owned())
}

/// `name=value name = 'value with blanks'`; a backslash takes the next character as it is.
fn of_keywords(text: &str) -> Result<Parameters> {
    let mut parameters = Parameters::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=').ok_or_else(|| malformed("a keyword has no value"))?;
        let (value, after) = value_of_keyword(value.trim_start())?;
        parameters.insert(name.trim_end().to_owned(), value);
        rest = after.trim_start();
    }
    Ok(parameters)
}

/// A value, and the text after it.
fn value_of_keyword(text: &str) -> Result<(String, &str)> {
    let quoted = text.strip_prefix('\'');
    let mut characters = quoted.unwrap_or(text).chars();
    let mut value = String::new();
    loop {
        match characters.next() {
            Some('\\') => value.extend(characters.next()),
            Some('\'') if quoted.is_some() => return Ok((value, characters.as_str())),
            Some(character) if quoted.is_none() && character.is_whitespace() => {
                return Ok((value, characters.as_str()));
            }
            Some(character) => value.push(character),
            None if quoted.is_none() => return Ok((value, "")),
            None => return Err(malformed("a quotation mark is missing")),
        }
    }
}

fn malformed(problem: &str) -> Error {
    Error::Failed(format!("the database URL cannot be used: {problem}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio_postgres::config::{Host, SslMode};

    use super::*;

    fn parse_alone(text: &str) -> Config {
        parse(text, |_| None).unwrap().0
    }

    fn password(config: &Config) -> Option<&str> {
        config.get_password().map(|password| std::str::from_utf8(password).unwrap())
    }

    #[test]
    fn both_forms_say_the_same() {
        let keywords =
            parse_alone(r"host=db port=5433 user = 'the user' password='it\'s \\' dbname=orchestrator");
        let url = parse_alone("postgres://the%20user:it's%20%5C@db:5433/orchestrator");
        assert_eq!(keywords, url);
        assert_eq!((url.get_user(), password(&url)), (Some("the user"), Some(r"it's \")));
        assert_eq!(url.get_hosts(), [Host::Tcp("db".to_owned())]);
        assert_eq!((url.get_ports(), url.get_dbname()), ([5433].as_slice(), Some("orchestrator")));
    }

    #[test]
    fn urls_of_all_shapes_are_understood() {
        let tcp = |name: &str| Host::Tcp(name.to_owned());
        let unix = |path: &str| Host::Unix(Path::new(path).to_owned());
        for (url, hosts, ports) in [
            ("postgres://", vec![tcp("localhost")], vec![]),
            ("postgresql://h/d?", vec![tcp("h")], vec![]),
            ("postgres://h?sslmode=disable", vec![tcp("h")], vec![]),
            ("postgres://u@a,b:6000/d", vec![tcp("a"), tcp("b")], vec![5432, 6000]),
            ("postgres://[::1]:6000,[::2]/d", vec![tcp("::1"), tcp("::2")], vec![6000, 5432]),
            ("postgres://%2Frun%2Fpostgresql/d", vec![unix("/run/postgresql")], vec![]),
            ("postgres:///d?host=/run/postgresql&port=6000", vec![unix("/run/postgresql")], vec![6000]),
        ] {
            let config = parse_alone(url);
            assert_eq!(
                (config.get_hosts(), config.get_ports()),
                (hosts.as_slice(), ports.as_slice()),
                "{url}"
            );
        }
    }

    #[test]
    fn a_password_may_contain_what_the_chart_does_not_encode() {
        for (written, meant) in [("p@ss", "p@ss"), ("p:ss", "p:ss"), ("p%40ss", "p@ss"), ("", "")] {
            let config = parse_alone(&format!("postgres://u:{written}@h/d"));
            assert_eq!(password(&config).unwrap_or_default(), meant);
            assert_eq!(config.get_hosts(), [Host::Tcp("h".to_owned())]);
        }
    }

    #[test]
    fn other_parameters_are_settings_of_the_session() {
        for (parameters, options) in [
            ("", ""),
            ("pool_max_conns=10&pool_min_conns=2", ""),
            ("search_path=a%20b", r"-c search_path=a\ b"),
            ("work_mem=8MB&options=-c%20geqo%3Doff", "-c work_mem=8MB -c geqo=off"),
            ("sslmode=require&sslrootcert=", ""),
        ] {
            let config = parse_alone(&format!("postgres://h/d?{parameters}"));
            assert_eq!(config.get_options().unwrap_or_default(), options, "{parameters}");
        }
    }

    #[test]
    fn the_environment_fills_in_what_is_left_open() {
        let environment = |name: &str| match name {
            "PGHOST" => Some("h".to_owned()),
            "PGPORT" => Some("6000".to_owned()),
            "PGPASSWORD" => Some("secret".to_owned()),
            "PGSSLMODE" => Some("disable".to_owned()),
            "PGDATABASE" => Some(String::new()),
            _ => None,
        };
        let (open, _) = parse("postgres://u@/?", environment).unwrap();
        assert_eq!((open.get_user(), open.get_dbname()), (Some("u"), None));
        assert_eq!(
            (open.get_hosts(), open.get_ports()),
            ([Host::Tcp("h".to_owned())].as_slice(), [6000].as_slice())
        );
        assert_eq!((password(&open), open.get_ssl_mode()), (Some("secret"), SslMode::Disable));

        let (closed, _) = parse("postgres://u:own@other:7000/d?sslmode=require", environment).unwrap();
        assert_eq!(
            (closed.get_hosts(), closed.get_ports()),
            ([Host::Tcp("other".to_owned())].as_slice(), [7000].as_slice())
        );
        assert_eq!((password(&closed), closed.get_ssl_mode()), (Some("own"), SslMode::Require));
    }

    #[test]
    fn what_is_malformed_is_refused_without_quoting_it() {
        for text in [
            "postgres://u:secret@h:port/d",
            "postgres://u:secret@h/d?secret",
            "postgres://u:secret%ff@h/d",
            "postgres://u:secret@h/d?sslmode=secret",
            "postgres://u:secret@h/d?connect_timeout=secret",
            "secret",
            "password='secret",
            "host=h port=secret",
        ] {
            let Err(Error::Failed(message)) = parse(text, |_| None) else { panic!("{text} is accepted") };
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
