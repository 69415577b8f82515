//! The other programs of the predecessor's image: this executable stands in for each of them when it is called by its name.
//!
//! Owns which name means which program. What deployments rely on is the command line, the exit status and the times of each, not its
//! messages. Start at [`Program::called`].

mod go_flags;
mod health_probe;
mod migrate;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

/// A program that somebody else's command line may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// `grpc_health_probe`, as the probes of the chart call it.
    HealthProbe,
    /// `migrate`, as golang-migrate is called by the chart's job.
    Migrate,
}

impl Program {
    /// The program that a process is called as by its first argument; `None`: as `orchestrator`, or by any other name.
    pub(crate) fn called(by: &OsStr) -> Option<Self> {
        match Path::new(by).file_name()?.to_str()? {
            "grpc_health_probe" => Some(Self::HealthProbe),
            "migrate" => Some(Self::Migrate),
            _ => None,
        }
    }

    /// Does what the program does with these arguments, its name not among them.
    pub(crate) async fn run(self, arguments: impl Iterator<Item = String>) -> ExitCode {
        match self {
            Self::HealthProbe => health_probe::run(arguments).await,
            Self::Migrate => migrate::run(arguments).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_part_of_the_name_counts() {
        for (name, program) in [
            ("/bin/grpc_health_probe", Some(Program::HealthProbe)),
            ("grpc_health_probe", Some(Program::HealthProbe)),
            ("migrate", Some(Program::Migrate)),
            ("./usr/bin/migrate", Some(Program::Migrate)),
            ("/app/orchestrator", None),
            ("/migrate/orchestrator", None),
            ("", None),
        ] {
            assert_eq!(Program::called(OsStr::new(name)), program, "{name}");
        }
    }
}
