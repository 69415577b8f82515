//! The load: clients that each do one operation after the other, until time, count or work is used up.
//!
//! A call that fails is counted and not repeated. What an operation is, a [`Work`] says; it is done a few times before anything is
//! measured. Start at [`drive`].

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use client::{Client, UnaryRequest};
use tokio::task::JoinSet;
use tonic::Response;

use super::measured::Measured;
use super::process::{Process, Usage};

/// When a measurement ends: whichever comes first, and in any case when there is no work left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Operations that each client does beforehand, unmeasured.
    pub(super) warm_up: u64,
    pub(super) duration: Option<Duration>,
    /// Operations of all clients together.
    pub(super) count: Option<u64>,
}

/// One client with its connection and what its calls took.
pub(super) struct Caller {
    client: Client,
    measured: Measured,
}

/// What a client does again and again.
pub(super) trait Work: Send + 'static {
    /// Does it once. Answers how many items (tasks, rows) it got done, or none if there is nothing left to do.
    fn perform(&mut self, caller: &mut Caller) -> impl Future<Output = Option<u64>> + Send;
}

/// What all clients together measured.
#[derive(Debug, Default)]
pub(super) struct Measurement {
    pub(super) clients: usize,
    pub(super) measured: Measured,
    /// What the operations got done.
    pub(super) items: u64,
    pub(super) elapsed: Duration,
    /// What it took the server, if its process is known.
    pub(super) server: Option<Usage>,
}

impl Caller {
    fn new(client: Client) -> Self {
        Self { client, measured: Measured::default() }
    }

    /// Makes a call, once, and counts its outcome. None if it failed.
    pub(super) async fn call<R: UnaryRequest>(&mut self, request: R) -> Option<R::Answer> {
        let start = Instant::now();
        let outcome = request.send(&self.client).await;
        self.measured.record(start.elapsed(), &outcome);
        outcome.ok().map(Response::into_inner)
    }
}

/// Lets one client do something, once and without warming up.
///
/// # Errors
/// The server's process is gone.
pub(super) async fn alone<T>(
    client: Client,
    process: Option<Process>,
    activity: impl AsyncFnOnce(&mut Caller) -> T,
) -> anyhow::Result<(Measurement, T)> {
    let mut caller = Caller::new(client);
    let watch = process.map(Process::watch).transpose()?;
    let start = Instant::now();
    let outcome = activity(&mut caller).await;
    let measurement = Measurement {
        clients: 1,
        elapsed: start.elapsed(),
        server: watch.map(|watch| watch.usage()).transpose()?,
        measured: caller.measured,
        ..Measurement::default()
    };
    Ok((measurement, outcome))
}

impl Measurement {
    /// Adds what was measured next, of as many clients.
    pub(super) fn then(&mut self, next: Self) {
        self.clients = next.clients;
        self.measured.add(next.measured);
        self.items += next.items;
        self.elapsed += next.elapsed;
        self.server = next.server;
    }
}

/// A client at work.
struct Member<W> {
    caller: Caller,
    work: W,
    items: u64,
}

/// Lets each client do its work, first to warm up, then measured.
///
/// # Errors
/// A client broke down, which failing calls do not cause.
pub(super) async fn drive<W: Work>(
    clients: Vec<Client>,
    works: Vec<W>,
    limits: Limits,
    process: Option<Process>,
) -> anyhow::Result<Measurement> {
    let crew = clients.into_iter().zip(works).map(|(client, work)| Member {
        caller: Caller::new(client),
        work,
        items: 0,
    });
    let warm = each(crew, |member| member.warm_up(limits.warm_up)).await?;
    let watch = process.map(Process::watch).transpose()?;
    let start = Instant::now();
    let (end, left) = (limits.duration.map(|duration| start + duration), Left::new(limits.count));
    let crew = each(warm, |member| member.work_until(end, left.clone())).await?;
    let mut measurement = Measurement {
        clients: crew.len(),
        elapsed: start.elapsed(),
        server: watch.map(|watch| watch.usage()).transpose()?,
        ..Measurement::default()
    };
    for member in crew {
        measurement.items += member.items;
        measurement.measured.add(member.caller.measured);
    }
    Ok(measurement)
}

/// Lets all members do something at the same time and waits for the last one.
async fn each<W: Work, F>(
    crew: impl IntoIterator<Item = Member<W>>,
    activity: impl Fn(Member<W>) -> F,
) -> anyhow::Result<Vec<Member<W>>>
where
    F: Future<Output = Member<W>> + Send + 'static,
{
    let mut busy: JoinSet<Member<W>> = JoinSet::new();
    for member in crew {
        busy.spawn(activity(member));
    }
    let mut done = Vec::with_capacity(busy.len());
    while let Some(member) = busy.join_next().await {
        done.push(member.context("a client broke down")?);
    }
    Ok(done)
}

impl<W: Work> Member<W> {
    async fn warm_up(mut self, operations: u64) -> Self {
        for _ in 0..operations {
            self.work.perform(&mut self.caller).await;
        }
        self.caller.measured = Measured::default();
        self
    }

    async fn work_until(mut self, end: Option<Instant>, left: Left) -> Self {
        while end.is_none_or(|end| Instant::now() < end) && left.take() {
            let Some(items) = self.work.perform(&mut self.caller).await else {
                break;
            };
            self.items += items;
        }
        self
    }
}

/// The operations that are still to be done by all clients together.
#[derive(Clone)]
struct Left(Option<Arc<AtomicU64>>);

impl Left {
    fn new(count: Option<u64>) -> Self {
        Self(count.map(|count| Arc::new(AtomicU64::new(count))))
    }

    /// Takes one of them; false if there is none.
    fn take(&self) -> bool {
        let decrement = |count: &AtomicU64| {
            count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
        };
        self.0.as_deref().is_none_or(decrement)
    }
}

#[cfg(test)]
mod tests {
    use super::Left;

    #[test]
    fn a_count_is_taken_exactly_and_no_count_never_ends() {
        let left = Left::new(Some(3));
        let other = left.clone();
        let taken = [left.take(), other.take(), left.take(), other.take(), left.take()];
        assert_eq!(taken, [true, true, true, false, false]);
        assert!((0..100).all(|_| Left::new(None).take()));
    }
}
