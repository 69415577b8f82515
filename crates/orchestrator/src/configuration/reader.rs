//! Reads settings one by one and remembers everything that is wrong with them, so that an operator sees it all at once.
//!
//! Owns the rules that hold for every variable: what missing, empty and malformed mean, and which names are unknown. It does not know the
//! settings themselves, nor which of them are needed together. Start at [`Reader::read`].

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;

use super::effective::{Effective, Source};
use super::format::Format;
use super::settings::{self, Setting};

/// So many slips of the keyboard may lie between a name and what was meant.
const NEAR: usize = 4;

/// One thing to tell the operator about one environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    /// The name of the variable.
    pub variable: String,
    /// What is wrong and what is expected; never a secret value.
    pub message: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.variable, self.message)
    }
}

/// Everything that keeps the server from starting with this environment; never empty. Displayed as one line for each, below a heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problems(Vec<Notice>);

impl Problems {
    /// The problems, in the order in which the settings were read.
    pub(crate) fn notices(&self) -> &[Notice] {
        &self.0
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unusable configuration:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}

/// An environment that is being read.
pub(super) struct Reader {
    environment: BTreeMap<String, OsString>,
    /// The settings that were read.
    effective: Vec<Effective>,
    problems: Vec<Notice>,
    warnings: Vec<Notice>,
}

impl Reader {
    /// Starts to read. A variable whose name is not UTF-8 is none of ours.
    pub(super) fn new(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let environment = environment
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .collect();
        Self { environment, effective: Vec::new(), problems: Vec::new(), warnings: Vec::new() }
    }

    /// The value of a setting, or of its default if the variable is not set. A missing or malformed value is a problem and gives `None`.
    pub(super) fn read<T>(&mut self, setting: Setting, format: &Format<T>) -> Option<T> {
        let result = match self.value(setting) {
            Some(value) => parse(setting, format, value),
            None => default(setting, format),
        };
        self.note_effective(setting, self.value(setting).is_some());
        self.or_problem(setting, result)
    }

    /// Like [`Reader::read`] if the setting is needed; otherwise the variable is not looked at.
    pub(super) fn read_if<T>(&mut self, needed: bool, setting: Setting, format: &Format<T>) -> Option<T> {
        if needed { self.read(setting, format) } else { None }
    }

    /// The value of a setting, or of its default if the variable is not set, empty, or malformed, the last with a warning.
    pub(super) fn read_leniently<T>(&mut self, setting: Setting, format: &Format<T>) -> Option<T> {
        let given = self.value(setting).filter(|value| !value.is_empty());
        match given.map(|value| parse(setting, format, value)) {
            Some(Ok(value)) => {
                self.note_effective(setting, true);
                return Some(value);
            }
            Some(Err(message)) => self.warnings.push(notice(setting.name, message + "; the default is used")),
            None => {}
        }
        self.note_effective(setting, false);
        let result = default(setting, format);
        self.or_problem(setting, result)
    }

    /// Notes that a setting is wrong for a reason that its own text does not show.
    pub(super) fn problem(&mut self, setting: Setting, message: impl Into<String>) {
        self.problems.push(notice(setting.name, message));
    }

    /// What the operator should know although the server can start, unknown variables included.
    pub(super) fn warnings(&self) -> Vec<Notice> {
        let unknown = self.unknown_variables().map(|name| notice(name, unknown(name)));
        self.warnings.iter().cloned().chain(unknown).collect()
    }

    /// Every setting as it counts, in the order of the page for operators.
    pub(super) fn effective(&self) -> Vec<Effective> {
        let read = |setting: &Setting| self.effective.iter().find(|read| read.name == setting.name).cloned();
        let all = settings::ALL.iter();
        all.map(|setting| read(setting).unwrap_or_else(|| Effective::of(*setting, None, Source::NotNeeded)))
            .collect()
    }

    fn note_effective(&mut self, setting: Setting, is_given: bool) {
        let given =
            self.value(setting).filter(|_| is_given).map(|value| value.to_string_lossy().into_owned());
        let effective = match (&given, setting.default) {
            (Some(value), _) => Effective::of(setting, Some(value), Source::Environment),
            (None, Some(default)) => Effective::of(setting, Some(default), Source::Default),
            (None, None) => Effective::of(setting, None, Source::Missing),
        };
        self.effective.push(effective);
    }

    /// Ends the reading: the configuration that was read, or every problem if there is one.
    pub(super) fn finish<T>(self, configuration: Option<T>) -> Result<T, Problems> {
        debug_assert!(
            configuration.is_some() || !self.problems.is_empty(),
            "nothing is missing without a problem"
        );
        configuration.filter(|_| self.problems.is_empty()).ok_or(Problems(self.problems))
    }

    fn value(&self, setting: Setting) -> Option<&OsStr> {
        debug_assert!(settings::ALL.contains(&setting), "{} is not in the list of settings", setting.name);
        self.environment.get(setting.name).map(OsString::as_os_str)
    }

    fn or_problem<T>(&mut self, setting: Setting, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.problem(setting, message)).ok()
    }

    /// Names with our prefix that are neither settings nor announcements of services.
    fn unknown_variables(&self) -> impl Iterator<Item = &str> {
        let names = self.environment.keys().map(String::as_str);
        names
            .filter(|name| name.starts_with(settings::PREFIX))
            .filter(|name| settings::ALL.iter().all(|setting| setting.name != *name))
            .filter(|name| !self.announces_service(name))
    }

    /// Kubernetes announces every service of a namespace to its pods, as `<SERVICE>_SERVICE_HOST`, `<SERVICE>_PORT_9000_TCP` and so on. A
    /// service named after a release `orchestrator` thus brings a dozen variables with our prefix.
    fn announces_service(&self, name: &str) -> bool {
        let services = self.environment.keys().filter_map(|name| name.strip_suffix("_SERVICE_HOST"));
        services
            .filter_map(|service| name.strip_prefix(service))
            .any(|rest| rest == "_PORT" || rest.starts_with("_PORT_") || rest.starts_with("_SERVICE_"))
    }
}

/// What to tell of a variable that nobody knows, with the name that was perhaps meant.
fn unknown(name: &str) -> String {
    let known = settings::ALL.iter().map(|setting| setting.name);
    let nearest = known.map(|known| (strsim::damerau_levenshtein(name, known), known)).min();
    match nearest {
        Some((distance, known)) if distance <= NEAR => {
            format!("is not a known setting; ignored; is {known} meant?")
        }
        _ => "is not a known setting; ignored".to_owned(),
    }
}

fn notice(variable: &str, message: impl Into<String>) -> Notice {
    Notice { variable: variable.to_owned(), message: message.into() }
}

fn parse<T>(setting: Setting, format: &Format<T>, value: &OsStr) -> Result<T, String> {
    value
        .to_str()
        .and_then(format.parse)
        .ok_or_else(|| format!("{}; expected {}", fault(setting, value), format.expected))
}

fn default<T>(setting: Setting, format: &Format<T>) -> Result<T, String> {
    setting.default.and_then(format.parse).ok_or_else(|| format!("is missing; expected {}", format.expected))
}

/// What is wrong with a value that does not have its format.
fn fault(setting: Setting, value: &OsStr) -> String {
    if value.is_empty() {
        "is empty".to_owned()
    } else if setting.secret {
        "is malformed".to_owned()
    } else {
        format!("{value:?} is malformed")
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::{BOOLEAN, Format};
    use super::*;

    fn reader(environment: &[(&str, &str)]) -> Reader {
        Reader::new(environment.iter().map(|(name, value)| (name.into(), value.into())))
    }

    fn warnings(environment: &[(&str, &str)]) -> Vec<String> {
        reader(environment).warnings().into_iter().map(|warning| warning.variable).collect()
    }

    #[test]
    fn a_secret_value_is_never_shown() {
        const NUMBER: Format<u8> = Format { expected: "a number", parse: |text| text.parse().ok() };
        let mut reader = reader(&[("ORCHESTRATOR_DATABASE_URL", "hunter2")]);
        assert_eq!(reader.read(settings::DATABASE_URL, &NUMBER), None);
        let problems = reader.finish(None::<()>).unwrap_err();
        assert_eq!(
            problems.to_string(),
            "unusable configuration:\n  ORCHESTRATOR_DATABASE_URL: is malformed; expected a number"
        );
    }

    #[test]
    fn a_value_that_is_not_utf_8_is_malformed() {
        use std::os::unix::ffi::OsStringExt;
        let value = OsString::from_vec(b"tru\xff".to_vec());
        let mut reader = Reader::new([("ORCHESTRATOR_TLS_ENABLED".into(), value)]);
        assert_eq!(reader.read(settings::TLS_ENABLED, &BOOLEAN), None);
        let problems = reader.finish(None::<()>).unwrap_err();
        assert!(problems.notices()[0].message.starts_with(r#""tru\xFF" is malformed"#), "{problems}");
    }

    #[test]
    fn a_setting_that_is_not_needed_is_not_looked_at() {
        let mut reader = reader(&[("ORCHESTRATOR_MTLS_ENABLED", "nonsense")]);
        assert_eq!(reader.read_if(false, settings::MTLS_ENABLED, &BOOLEAN), None);
        assert_eq!(reader.finish(Some(())), Ok(()));
    }

    #[test]
    fn unknown_variables_are_those_with_our_prefix_that_nobody_reads() {
        let environment = [
            ("HOME", "/"),
            ("orchestrator_tls", ""),
            ("ORCHESTRATOR_REPLAY_EVENT_BATCH_SIZE", "100"),
            ("ORCHESTRATOR_TLS_ENABLED", "true"),
            ("LOG_LEVEL", "info"),
        ];
        assert_eq!(warnings(&environment), ["ORCHESTRATOR_REPLAY_EVENT_BATCH_SIZE"]);
    }

    #[test]
    fn an_unknown_variable_is_told_with_the_name_that_was_perhaps_meant() {
        for (name, meant) in [
            ("ORCHESTRATOR_REPLAY_EVENT_BATCH_SIZE", Some("ORCHESTRATOR_REPLAY_EVENTS_BATCH_SIZE")),
            ("ORCHESTRATOR_TLS_ENABLE", Some("ORCHESTRATOR_TLS_ENABLED")),
            ("ORCHESTRATOR_MTLS_ENABELD", Some("ORCHESTRATOR_MTLS_ENABLED")),
            ("ORCHESTRATOR_COLOUR_OF_THE_BUTTONS", None),
        ] {
            let message = unknown(name);
            assert_eq!(message.contains("is ORCHESTRATOR_"), meant.is_some(), "{message}");
            assert!(message.contains(meant.unwrap_or_default()), "{message}");
        }
    }

    #[test]
    fn announcements_of_services_are_not_unknown_variables() {
        let announcements = [
            ("ORCHESTRATOR_SERVER_SERVICE_HOST", "10.0.0.1"),
            ("ORCHESTRATOR_SERVER_SERVICE_PORT", "9000"),
            ("ORCHESTRATOR_SERVER_SERVICE_PORT_GRPC", "9000"),
            ("ORCHESTRATOR_SERVER_PORT", "tcp://10.0.0.1:9000"),
            ("ORCHESTRATOR_SERVER_PORT_9000_TCP", "tcp://10.0.0.1:9000"),
            ("ORCHESTRATOR_SERVER_PORT_9000_TCP_ADDR", "10.0.0.1"),
        ];
        assert_eq!(warnings(&announcements), [""; 0]);
        assert_eq!(
            warnings(&announcements[3..4]),
            ["ORCHESTRATOR_SERVER_PORT"],
            "no such service is announced"
        );
    }
}
