//! What writers and feeds do: batches, waiting, retries, the tasks that were changed, and the way of events from other processes.

use std::sync::Arc;
use std::time::Duration;

use asset::{Change, ChannelName, ComputeTaskStatus};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use service::{Observer, ServedBatch};

use super::{Histograms, Metrics, OfChannel, Register, SECONDS, SHORT_SECONDS};

/// Numbers of tasks, from the contract.
const TASKS: [f64; 8] = [5.0, 10.0, 50.0, 100.0, 500.0, 1000.0, 5000.0, 10000.0];
/// Calls of a batch.
const CALLS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// What Substra orchestrator 1.0.0 puts into the label `status` of the cascade.
const CASCADE_STATUS: &str = "transitionWaitingExecutorSlot";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStatus {
    channel: Arc<str>,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCause {
    channel: Arc<str>,
    cause: &'static str,
}

/// Tasks that came and went on. Counted once they are durable (core/DEF-60).
pub(super) struct TaskMetrics {
    registered: Family<OfChannel, Counter>,
    registration_batch: Histograms<OfChannel>,
    updated: Family<OfStatus, Counter>,
    cascade: Histograms<OfStatus>,
}

/// The work of writers and feeds.
pub(super) struct WriterMetrics {
    batch_calls: Histograms<OfChannel>,
    batch_seconds: Histograms<OfChannel>,
    wait_seconds: Histograms<OfChannel>,
    retries: Family<OfCause, Counter>,
    turned_away: Family<OfChannel, Counter>,
    feed_delay: Histograms<OfChannel>,
}

impl TaskMetrics {
    pub(super) fn new(register: &mut Register) -> Self {
        let of_tasks = || Histogram::new(TASKS);
        Self {
            registered: register.add("orc_task_registered", "Compute tasks that were registered"),
            registration_batch: register.add_histograms(
                "orc_task_registration_batch_size",
                "Compute tasks of a call that registers some",
                of_tasks,
            ),
            updated: register.add("orc_task_updated", "Compute tasks that reached a status"),
            cascade: register.add_histograms(
                "orc_task_update_cascade_size",
                "Children that became ready because a compute task is done",
                of_tasks,
            ),
        }
    }

    /// A call that registers so many tasks has succeeded.
    pub(super) fn observe_registration(&self, channel: &ChannelName, tasks: usize) {
        self.registration_batch.get_or_create(&of(channel)).observe(float(tasks));
    }

    fn observe(&self, channel: &ChannelName, changes: &[Change]) {
        let registered = changes.iter().filter(|change| matches!(change, Change::ComputeTaskRegistered(_)));
        let registered = registered.count();
        if registered > 0 {
            self.registered.get_or_create(&of(channel)).inc_by(u64::try_from(registered).unwrap_or(u64::MAX));
        }
        for (place, change) in changes.iter().enumerate() {
            let Some(status) = new_status(change) else { continue };
            let labels = OfStatus { channel: channel.as_str().into(), status: name(status) };
            self.updated.get_or_create(&labels).inc();
            if status == ComputeTaskStatus::Done {
                let labels = OfStatus { status: CASCADE_STATUS, ..labels };
                self.cascade.get_or_create(&labels).observe(float(ready_children(&changes[place + 1..])));
            }
        }
    }
}

/// How many tasks became ready right after one was done: its children follow it at once (compute/CASC-2).
fn ready_children(after: &[Change]) -> usize {
    let is_ready = |change: &&Change| new_status(change) == Some(ComputeTaskStatus::WaitingForExecutorSlot);
    after.iter().take_while(is_ready).count()
}

fn new_status(change: &Change) -> Option<ComputeTaskStatus> {
    match change {
        Change::ComputeTaskStatusChanged { task, .. } => Some(task.status),
        _ => None,
    }
}

/// The name of a status on the wire, for example `STATUS_DONE`.
fn name(status: ComputeTaskStatus) -> &'static str {
    let status = proto::ComputeTaskStatus::try_from(i32::from(status.number()));
    status.unwrap_or_default().as_str_name()
}

impl WriterMetrics {
    pub(super) fn new(register: &mut Register) -> Self {
        Self {
            batch_calls: register.add_histograms(
                "orc_writer_batch_calls",
                "Calls that were decided together",
                || Histogram::new(CALLS),
            ),
            batch_seconds: register.add_histograms(
                "orc_writer_batch_seconds",
                "How long batches took, from their beginning until they were durable",
                || Histogram::new(SHORT_SECONDS),
            ),
            wait_seconds: register.add_histograms(
                "orc_writer_wait_seconds",
                "How long calls waited until their batch began",
                || Histogram::new(SHORT_SECONDS),
            ),
            retries: register.add(
                "orc_writer_retries",
                "Batches that were tried again, by what kept them from succeeding",
            ),
            turned_away: register.add(
                "orc_writer_turned_away",
                "Calls that were turned away because the queue of their channel was full",
            ),
            feed_delay: register.add_histograms(
                "orc_feed_delay_seconds",
                "How long events of other processes took until they were known here",
                || Histogram::new(SECONDS),
            ),
        }
    }

    fn observe(&self, channel: &ChannelName, batch: &ServedBatch<'_>) {
        let labels = of(channel);
        self.batch_calls.get_or_create(&labels).observe(float(batch.waits.len()));
        self.batch_seconds.get_or_create(&labels).observe(batch.duration.as_secs_f64());
        let waits = self.wait_seconds.get_or_create(&labels);
        batch.waits.iter().for_each(|wait| waits.observe(wait.as_secs_f64()));
    }
}

impl Observer for Metrics {
    fn batch_served(&self, channel: &ChannelName, batch: &ServedBatch<'_>) {
        self.writer.observe(channel, batch);
        self.tasks.observe(channel, batch.changes);
    }

    fn batch_retried(&self, channel: &ChannelName, trouble: &persistence::Error) {
        let labels = OfCause { channel: channel.as_str().into(), cause: cause(trouble) };
        self.writer.retries.get_or_create(&labels).inc();
    }

    fn call_turned_away(&self, channel: &ChannelName) {
        self.writer.turned_away.get_or_create(&of(channel)).inc();
    }

    fn event_heard(&self, channel: &ChannelName, delay: Duration) {
        self.writer.feed_delay.get_or_create(&of(channel)).observe(delay.as_secs_f64());
    }
}

fn of(channel: &ChannelName) -> OfChannel {
    OfChannel { channel: channel.as_str().into() }
}

const fn cause(trouble: &persistence::Error) -> &'static str {
    use persistence::Error;
    match trouble {
        Error::Unavailable(_) => "unavailable",
        Error::Conflict(_) => "conflict",
        Error::Moved(_) => "moved",
        Error::OutcomeUnknown(_) => "outcome_unknown",
        Error::Corrupt(_) => "corrupt",
        Error::Failed(_) => "failed",
    }
}

/// A count as a histogram takes it; nothing is counted so far that it would not be exact.
fn float(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}

#[cfg(test)]
mod tests {
    use asset::{ComputeTask, ComputeTaskStatus as Status};
    use persistence::conformance::samples;

    use super::*;

    fn became(number: u32, status: Status) -> Change {
        let task = ComputeTask { status, ..samples::compute_task(number) };
        Change::ComputeTaskStatusChanged { task: task.into(), reason: String::new() }
    }

    #[test]
    fn tasks_are_counted_by_what_is_durable() {
        // core/DEF-60
        let metrics = Metrics::new("test").unwrap();
        let registered = |number| Change::ComputeTaskRegistered(samples::compute_task(number).into());
        let changes = [
            became(1, Status::Done),
            became(2, Status::WaitingForExecutorSlot),
            became(3, Status::WaitingForExecutorSlot),
            became(4, Status::Failed),
            became(5, Status::Done),
            registered(6),
            registered(7),
        ];
        let batch = ServedBatch { waits: &[], changes: &changes, duration: Duration::ZERO };
        let north = ChannelName::new("north");
        metrics.batch_served(&north, &batch);
        metrics.note_registration(&north, 2);
        let mut text = String::new();
        prometheus_client::encoding::prometheus_text::encode(&mut text, &metrics.register.registry).unwrap();
        for line in [
            r#"orc_task_registered_total{channel="north"} 2"#,
            r#"orc_task_registration_batch_size_sum{channel="north"} 2.0"#,
            r#"orc_task_updated_total{channel="north",status="STATUS_DONE"} 2"#,
            r#"orc_task_updated_total{channel="north",status="STATUS_WAITING_FOR_EXECUTOR_SLOT"} 2"#,
            r#"orc_task_updated_total{channel="north",status="STATUS_FAILED"} 1"#,
            r#"orc_task_update_cascade_size_count{channel="north",status="transitionWaitingExecutorSlot"} 2"#,
            r#"orc_task_update_cascade_size_sum{channel="north",status="transitionWaitingExecutorSlot"} 2.0"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        for bound in ["5", "10", "50", "100", "500", "1000", "5000", "10000", "+Inf"] {
            let line =
                format!("orc_task_registration_batch_size_bucket{{channel=\"north\",le=\"{bound}\"}} 1");
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
