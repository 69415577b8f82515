//! The process as the operating system sees it, under the names that all Prometheus clients use; nothing where there is no `/proc`.

use std::fs;
use std::sync::LazyLock;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Parts of a second in which Linux counts time for programs, on every machine we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Looks at `/proc` whenever somebody asks.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        if let Some(seconds) = cpu_seconds() {
            let counter = ConstCounter::new(seconds);
            let metric =
                encoder.encode_descriptor(CPU_SECONDS, "Time on processors.", None, counter.metric_type())?;
            counter.encode(metric)?;
        }
        for (name, help, read) in GAUGES {
            if let Some(value) = read() {
                let gauge = ConstGauge::new(value);
                let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
                gauge.encode(metric)?;
            }
        }
        Ok(())
    }
}

/// The names of all of them, as they are written.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once("process_cpu_seconds_total").chain(GAUGES.iter().map(|(name, ..)| *name))
}

/// Gets its `_total` when it is written.
const CPU_SECONDS: &str = "process_cpu_seconds";

type Read = fn() -> Option<f64>;

const GAUGES: [(&str, &str, Read); 6] = [
    ("process_resident_memory_bytes", "Memory in use.", || status_bytes("VmRSS:")),
    ("process_virtual_memory_bytes", "Address space in use.", || status_bytes("VmSize:")),
    ("process_open_fds", "Open file descriptors.", open_files),
    ("process_max_fds", "File descriptors that may be open.", open_files_max),
    ("process_threads", "Threads.", || status("Threads:")?.parse().ok()),
    ("process_start_time_seconds", "When it began, in seconds since 1970.", || *STARTED),
];

/// A field of `/proc/self/stat`, counted from 1 as its manual does.
fn stat(field: usize) -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is a name in parentheses that may contain anything.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(field - 3)?.parse().ok()
}

fn cpu_seconds() -> Option<f64> {
    Some((stat(14)? + stat(15)?) / TICKS_PER_SECOND)
}

static STARTED: LazyLock<Option<f64>> = LazyLock::new(|| {
    let system = fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()?;
    Some(boot + stat(22)? / TICKS_PER_SECOND)
});

/// The first word of a line of `/proc/self/status`.
fn status(name: &str) -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next().map(str::to_owned)
}

/// Memory is told in units of 1024 bytes.
fn status_bytes(name: &str) -> Option<f64> {
    status(name)?.parse::<f64>().ok().map(|kibibytes| kibibytes * 1024.0)
}

fn open_files() -> Option<f64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    u32::try_from(count).ok().map(f64::from)
}

fn open_files_max() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let rest = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    rest.split_whitespace().next()?.parse().ok()
}
