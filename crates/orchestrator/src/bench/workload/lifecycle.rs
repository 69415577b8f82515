//! lifecycle: each task is started, its model registered, and it is done; three calls, one after the other.
//!
//! Tasks are registered beforehand, so a measurement also ends when none is left. A task whose call fails is given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proto::ComputeTaskAction::{TaskActionDone, TaskActionExecuting};

use crate::bench::assets::{model_of, task_action};
use crate::bench::load::{Caller, Work};
use crate::bench::report::Row;
use crate::bench::session::Session;
use crate::bench::settings::Plans;

/// Tasks that are registered if no count is given.
const TASKS: u64 = 20_000;
const TASKS_OF_TOUR: u64 = 5_000;

pub(super) async fn run(session: &Session) -> anyhow::Result<Vec<Row>> {
    let bench = &session.bench;
    let mut rows = Vec::new();
    for plans in bench.plans() {
        for clients in bench.clients() {
            rows.push(measure(session, plans, clients).await?);
        }
    }
    Ok(rows)
}

async fn measure(session: &Session, plans: Plans, clients: usize) -> anyhow::Result<Row> {
    let variant = plans.describe();
    session.announce(&format!("lifecycle, {variant}, {clients} clients"));
    let lifecycles = prepare_tasks(session, plans, clients).await?;
    let measurement = session.drive(lifecycles, session.bench.limits()).await?;
    let row = Row::new("lifecycle", variant, &measurement).with_items("tasks", measurement.items);
    session.against_commits(row).await
}

/// Registers enough tasks for all clients, each in its plan.
async fn prepare_tasks(session: &Session, plans: Plans, clients: usize) -> anyhow::Result<Vec<Lifecycle>> {
    let (materials, client) = (&session.materials, &session.client);
    let count = usize::try_from(session.bench.count_or(TASKS_OF_TOUR, TASKS))?;
    let warm_up = usize::try_from(session.bench.warm_up)?;
    if plans == Plans::Shared {
        let plan = materials.register_plan(client).await?;
        let tasks = count + warm_up * clients;
        let supply = Supply::new(materials.register_ready_tasks(client, &plan, tasks).await?);
        return Ok(vec![Lifecycle { supply }; clients]);
    }
    let mut lifecycles = Vec::with_capacity(clients);
    for plan in session.register_plans(plans, clients).await? {
        let tasks = count.div_ceil(clients) + warm_up;
        let supply = Supply::new(materials.register_ready_tasks(client, &plan, tasks).await?);
        lifecycles.push(Lifecycle { supply });
    }
    Ok(lifecycles)
}

/// Keys of tasks that can start. Clones take from the same supply.
#[derive(Clone)]
struct Supply {
    task_keys: Arc<[String]>,
    taken: Arc<AtomicUsize>,
}

impl Supply {
    fn new(task_keys: Vec<String>) -> Self {
        Self { task_keys: task_keys.into(), taken: Arc::default() }
    }

    fn take(&self) -> Option<&str> {
        let index = self.taken.fetch_add(1, Ordering::Relaxed);
        self.task_keys.get(index).map(String::as_str)
    }
}

#[derive(Clone)]
struct Lifecycle {
    supply: Supply,
}

impl Work for Lifecycle {
    async fn perform(&mut self, caller: &mut Caller) -> Option<u64> {
        let task_key = self.supply.take()?;
        Some(u64::from(live(caller, task_key).await.is_some()))
    }
}

/// None if a call failed.
async fn live(caller: &mut Caller, task_key: &str) -> Option<()> {
    caller.call(task_action(task_key, TaskActionExecuting)).await?;
    caller.call(model_of(task_key)).await?;
    caller.call(task_action(task_key, TaskActionDone)).await.map(drop)
}
