//! What the server's process uses, as the kernel counts it.
//!
//! Only for a server on this machine, and on Linux; it does not know what the server does. Start at [`Process::watch`].

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;

/// The kernel counts CPU time for user space in hundredths of a second, whatever its own clock does.
const TICK: Duration = Duration::from_millis(10);

/// The server's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
}

/// A process whose use is being measured.
pub(super) struct Watch {
    process: Process,
    since: Instant,
    cpu: Duration,
}

/// What a process used during a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Usage {
    /// CPU time per time: 1 is one core.
    pub(super) cpu_cores: f64,
    /// Resident memory at the end.
    pub(super) memory_mib: f64,
    /// The most resident memory since the process started.
    pub(super) memory_peak_mib: f64,
}

impl Process {
    /// Begins to measure.
    ///
    /// # Errors
    /// There is no such process, or no `/proc`.
    pub(super) fn watch(self) -> anyhow::Result<Watch> {
        Ok(Watch { process: self, since: Instant::now(), cpu: self.cpu()? })
    }

    fn cpu(self) -> anyhow::Result<Duration> {
        let stat = self.read("stat")?;
        cpu_of_stat(&stat).with_context(|| format!("cannot understand /proc/{}/stat", self.pid))
    }

    fn memory_mib(self, field: &str) -> anyhow::Result<f64> {
        let status = self.read("status")?;
        memory_of_status(&status, field)
            .with_context(|| format!("cannot find {field} in /proc/{}/status", self.pid))
    }

    fn read(self, file: &str) -> anyhow::Result<String> {
        let path = format!("/proc/{}/{file}", self.pid);
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }
}

impl Watch {
    /// What was used since the beginning.
    ///
    /// # Errors
    /// The process is gone.
    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        let (cpu, elapsed) = (self.process.cpu()?.saturating_sub(self.cpu), self.since.elapsed());
        Ok(Usage {
            cpu_cores: cpu.as_secs_f64() / elapsed.as_secs_f64(),
            memory_mib: self.process.memory_mib("VmRSS")?,
            memory_peak_mib: self.process.memory_mib("VmHWM")?,
        })
    }
}

/// User and system time. The name in parentheses may hold anything, so fields are counted from its end: they are the 14th and 15th in all.
fn cpu_of_stat(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || times.next()?.parse::<u32>().ok();
    TICK.checked_mul(ticks()?.checked_add(ticks()?)?)
}

fn memory_of_status(status: &str, field: &str) -> Option<f64> {
    let value = |line: &str| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned);
    let kibibytes = status.lines().find_map(value)?;
    let number: f64 = kibibytes.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(number / 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::{Process, cpu_of_stat, memory_of_status};
    use std::time::Duration;

    #[test]
    fn cpu_time_is_found_behind_any_name() {
        let stat = "77 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 4 0 8123";
        assert_eq!(cpu_of_stat(stat), Some(Duration::from_secs(3)));
        assert_eq!(cpu_of_stat("77 (a) S 1 2"), None);
    }

    #[test]
    fn memory_is_found_by_the_whole_name_of_its_field() {
        let status = "VmHWMx:\t1 kB\nVmHWM:\t  2048 kB\nVmRSS:\t 1024 kB\n";
        assert_eq!(memory_of_status(status, "VmHWM"), Some(2.0));
        assert_eq!(memory_of_status(status, "VmRSS"), Some(1.0));
        assert_eq!(memory_of_status(status, "Vm"), None);
    }

    #[test]
    fn a_process_can_watch_itself_and_none_that_is_not_there() {
        let own = Process { pid: std::process::id() };
        let usage = own.watch().unwrap().usage().unwrap();
        assert!(usage.memory_peak_mib >= 1.0, "{usage:?}");
        assert!(Process { pid: u32::MAX }.watch().is_err());
    }
}
