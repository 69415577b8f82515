//! reads: clients look up tasks and plans and read short pages, by the dice of a seed.

use fastrand::Rng;
use proto::{
    GetComputePlanParam, GetFunctionParam, GetTaskParam, IsPlanRunningParam, QueryEventsParam,
    QueryTasksParam, SortOrder, TaskQueryFilter,
};

use crate::bench::assets::Plan;
use crate::bench::load::{Caller, Work};
use crate::bench::report::Row;
use crate::bench::session::Session;

/// Tasks to look up.
const TASKS: usize = 1_000;

const PAGE_SIZE: u32 = 50;

pub(super) async fn run(session: &Session) -> anyhow::Result<Vec<Row>> {
    let (materials, client) = (&session.materials, &session.client);
    let plan = materials.register_plan(client).await?;
    let task_keys = materials.register_ready_tasks(client, &plan, TASKS).await?;
    let mut rows = Vec::new();
    for clients in session.bench.clients() {
        session.announce(&format!("reads, {clients} clients"));
        let readers = (0_u64..).take(clients).map(|number| Reader {
            plan: plan.clone(),
            function_key: materials.function_key.clone(),
            task_keys: task_keys.clone(),
            dice: Rng::with_seed(session.bench.seed.wrapping_add(number)),
        });
        let measurement = session.drive(readers.collect(), session.bench.limits()).await?;
        rows.push(Row::new("reads", "one plan of 1000 tasks", &measurement));
    }
    Ok(rows)
}

/// Somebody who looks things up in one plan.
pub(super) struct Reader {
    pub(super) plan: Plan,
    pub(super) function_key: String,
    /// At least one.
    pub(super) task_keys: Vec<String>,
    pub(super) dice: Rng,
}

impl Reader {
    /// Of ten calls, on average: four read a task, two a page of tasks, one each the plan, whether it is running, the function, and the newest
    /// events.
    pub(super) async fn read(&mut self, caller: &mut Caller) {
        let key = self.plan.key.clone();
        match self.dice.u8(0..10) {
            0..4 => drop(caller.call(self.any_task()).await),
            4..6 => drop(caller.call(tasks_of(key)).await),
            6 => drop(caller.call(GetComputePlanParam { key }).await),
            7 => drop(caller.call(IsPlanRunningParam { key }).await),
            8 => drop(caller.call(self.function()).await),
            _ => drop(caller.call(newest_events()).await),
        }
    }

    fn any_task(&mut self) -> GetTaskParam {
        let index = self.dice.usize(..self.task_keys.len());
        GetTaskParam { key: self.task_keys[index].clone() }
    }

    fn function(&self) -> GetFunctionParam {
        GetFunctionParam { key: self.function_key.clone() }
    }
}

impl Work for Reader {
    async fn perform(&mut self, caller: &mut Caller) -> Option<u64> {
        self.read(caller).await;
        Some(0)
    }
}

fn tasks_of(compute_plan_key: String) -> QueryTasksParam {
    QueryTasksParam {
        page_size: PAGE_SIZE,
        filter: Some(TaskQueryFilter { compute_plan_key, ..TaskQueryFilter::default() }),
        ..QueryTasksParam::default()
    }
}

fn newest_events() -> QueryEventsParam {
    QueryEventsParam {
        page_size: PAGE_SIZE,
        sort: SortOrder::Descending.into(),
        ..QueryEventsParam::default()
    }
}
