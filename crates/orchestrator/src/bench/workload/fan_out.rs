//! fan-out: plans are registered at a steady rate, and every subscriber receives every event.
//!
//! Writes do not wait for each other: if the server falls behind, they pile up and their durations tell. Measured are the writes, and the time from
//! each event's making to its receipt.

use std::time::{Duration, Instant};

use anyhow::Context;
use client::{Client, UnaryRequest};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::bench::assets::{new_key, new_plan};
use crate::bench::audience::{Audience, Impression};
use crate::bench::load::Measurement;
use crate::bench::measured::Measured;
use crate::bench::report::Row;
use crate::bench::session::Session;

/// Subscribers if nothing is said.
const SUBSCRIBERS: usize = 20;

/// Connections that the writes share.
const WRITERS: usize = 4;

pub(super) async fn run(session: &Session) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for subscribers in session.bench.subscribers(SUBSCRIBERS) {
        session.announce(&format!("fan-out, {subscribers} subscribers"));
        rows.extend(measure(session, subscribers).await?);
    }
    Ok(rows)
}

async fn measure(session: &Session, subscribers: usize) -> anyhow::Result<[Row; 2]> {
    let writers = session.target.connect_clients(WRITERS).await?;
    let audience = Audience::gather(&session.target.connect_clients(subscribers).await?).await?;
    let measurement = write(session, &writers).await?;
    let impression = must_hold(audience.compare(&session.client).await?, &measurement);
    let variant = format!("{subscribers} subscribers, {} writes/s", session.bench.rate);
    Ok([
        Row::new("fan-out", &variant, &measurement),
        impression.row("fan-out", &variant, measurement.elapsed),
    ])
}

/// Every write that succeeded has raised an event.
fn must_hold(impression: Impression, measurement: &Measurement) -> Impression {
    let (written, events) = (measurement.measured.succeeded(), impression.events);
    let lacking = (events < written).then(|| format!("{written} writes raised only {events} events"));
    Impression { difference: impression.difference.or(lacking), ..impression }
}

/// Starts writes at the rate that was asked for, until the time is over, and waits for the last one.
async fn write(session: &Session, writers: &[Client]) -> anyhow::Result<Measurement> {
    let (rate, duration) = (session.bench.rate, session.bench.duration());
    let watch = session.bench.process().map(|process| process.watch()).transpose()?;
    let mut pace = interval(Duration::from_secs(1) / rate);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut writes, start) = (JoinSet::new(), Instant::now());
    for writer in writers.iter().cycle() {
        pace.tick().await;
        if start.elapsed() >= duration {
            break;
        }
        writes.spawn(write_once(writer.clone()));
    }
    let mut measured = Measured::default();
    while let Some(one) = writes.join_next().await {
        measured.add(one.context("a writer broke down")?);
    }
    Ok(Measurement {
        clients: writers.len(),
        measured,
        elapsed: start.elapsed(),
        server: watch.map(|watch| watch.usage()).transpose()?,
        ..Measurement::default()
    })
}

async fn write_once(client: Client) -> Measured {
    let start = Instant::now();
    let outcome = new_plan(new_key()).send(&client).await;
    let mut measured = Measured::default();
    measured.record(start.elapsed(), &outcome);
    measured
}
