//! cascade: one call that moves many tasks on: the last parent is done, or the function is being built and ready.
//!
//! Each call is made once on assets of its own, by a single client; the quantiles are those of the repetitions.

use client::UnaryRequest;
use proto::{ComputeTaskAction, FunctionAction};

use crate::bench::assets::{execute, function_action, register_function, register_tasks, task_action};
use crate::bench::load::Measurement;
use crate::bench::report::Row;
use crate::bench::session::Session;

/// How often each cascade is measured if no count is given.
const REPETITIONS: u64 = 5;

pub(super) async fn run(session: &Session) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for waiting in session.bench.waiting() {
        session.announce(&format!("cascade, {waiting} waiting tasks"));
        rows.extend(measure(session, waiting).await?);
    }
    Ok(rows)
}

async fn measure(session: &Session, waiting: usize) -> anyhow::Result<[Row; 3]> {
    let [mut done, mut building, mut ready] = [const { Vec::new() }; 3];
    for _ in 0..session.bench.count_or(REPETITIONS, REPETITIONS) {
        let parent = parent_of_many(session, waiting).await?;
        let function = function_of_many(session, waiting).await?;
        let request = task_action(&parent, ComputeTaskAction::TaskActionDone);
        done.push(call(session, request).await?);
        let request = function_action(&function, FunctionAction::Building);
        building.push(call(session, request).await?);
        let request = function_action(&function, FunctionAction::Ready);
        ready.push(call(session, request).await?);
    }
    Ok([
        row(format!("DONE, {waiting} children"), done),
        row(format!("BUILDING, {waiting} tasks"), building),
        row(format!("READY, {waiting} tasks"), ready),
    ])
}

async fn call<R: UnaryRequest>(session: &Session, request: R) -> anyhow::Result<Measurement> {
    let (measurement, _) = session.alone(async |caller| caller.call(request).await).await?;
    Ok(measurement)
}

/// One row of all repetitions.
fn row(variant: String, repetitions: Vec<Measurement>) -> Row {
    let mut sum = Measurement::default();
    for repetition in repetitions {
        sum.then(repetition);
    }
    Row::new("cascade", variant, &sum)
}

/// A task on which so many others wait, and which only has to be done.
async fn parent_of_many(session: &Session, waiting: usize) -> anyhow::Result<String> {
    let (materials, client) = (&session.materials, &session.client);
    let plan = materials.register_plan(client).await?;
    let parents = materials.register_ready_tasks(client, &plan, 1).await?;
    let children: Vec<_> = (0..waiting).map(|_| materials.child(&plan, &parents[0])).collect();
    register_tasks(client, &children).await?;
    execute(client, &parents[0]).await?;
    Ok(parents[0].clone())
}

/// A function on whose build so many tasks wait.
async fn function_of_many(session: &Session, waiting: usize) -> anyhow::Result<String> {
    let client = &session.client;
    let function_key = register_function(client).await?;
    let plan = session.materials.register_plan(client).await?;
    let unbuilt = session.materials.with_function(function_key.clone());
    register_tasks(client, &unbuilt.tasks(&plan, waiting)).await?;
    Ok(function_key)
}
