//! replay: subscribers that start in the past read as many events as fast as they can, all at the same time.

use std::time::Instant;

use anyhow::{Context, bail};
use client::Client;
use futures::future::try_join_all;
use proto::SubscribeToEventsParam;

use crate::bench::assets::register_tasks;
use crate::bench::audience::start_event_id;
use crate::bench::load::Measurement;
use crate::bench::report::Row;
use crate::bench::session::Session;

/// Events that each subscriber reads if no count is given.
const EVENTS: u64 = 50_000;
const EVENTS_OF_TOUR: u64 = 10_000;

pub(super) async fn run(session: &Session) -> anyhow::Result<Vec<Row>> {
    let count = session.bench.count_or(EVENTS_OF_TOUR, EVENTS);
    session.announce(&format!("replay, {count} events"));
    let start = start_event_id(&session.client).await?;
    raise_events(session, count).await?;
    let mut rows = Vec::new();
    for subscribers in session.bench.clients() {
        rows.push(measure(session, subscribers, &start, count).await?);
    }
    Ok(rows)
}

/// Every registered task is one event.
async fn raise_events(session: &Session, count: u64) -> anyhow::Result<()> {
    let plan = session.materials.register_plan(&session.client).await?;
    let tasks = session.materials.tasks(&plan, usize::try_from(count)?);
    register_tasks(&session.client, &tasks).await
}

async fn measure(session: &Session, subscribers: usize, start: &str, count: u64) -> anyhow::Result<Row> {
    let clients = session.target.connect_clients(subscribers).await?;
    let watch = session.bench.process().map(|process| process.watch()).transpose()?;
    let began = Instant::now();
    let readers = clients.into_iter().map(|client| tokio::spawn(read(client, start.to_owned(), count)));
    for outcome in try_join_all(readers).await.context("a subscriber broke down")? {
        outcome?;
    }
    let measurement = Measurement {
        clients: subscribers,
        elapsed: began.elapsed(),
        server: watch.map(|watch| watch.usage()).transpose()?,
        ..Measurement::default()
    };
    let all = count * subscribers as u64;
    Ok(Row::new("replay", format!("{count} events each"), &measurement).with_items("events", all))
}

async fn read(client: Client, start_event_id: String, count: u64) -> anyhow::Result<()> {
    let request = SubscribeToEventsParam { start_event_id };
    let stream = client.event().subscribe_to_events(request).await;
    let mut stream = stream.context("cannot subscribe")?.into_inner();
    for _ in 0..count {
        if stream.message().await.context("a replay broke")?.is_none() {
            bail!("a replay ended too early");
        }
    }
    Ok(())
}
