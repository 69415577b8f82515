//! register: each call registers a batch of tasks that can start at once.

use proto::{NewComputeTask, RegisterTasksParam};

use crate::bench::assets::{Materials, Plan};
use crate::bench::load::{Caller, Work};
use crate::bench::report::Row;
use crate::bench::session::Session;
use crate::bench::settings::Plans;

pub(super) async fn run(session: &Session) -> anyhow::Result<Vec<Row>> {
    let bench = &session.bench;
    let mut rows = Vec::new();
    for plans in bench.plans() {
        for batch in bench.batches() {
            for clients in bench.clients() {
                rows.push(measure(session, plans, batch, clients).await?);
            }
        }
    }
    Ok(rows)
}

async fn measure(session: &Session, plans: Plans, batch: usize, clients: usize) -> anyhow::Result<Row> {
    let variant = format!("batch {batch}, {}", plans.describe());
    session.announce(&format!("register, {variant}, {clients} clients"));
    let plans = session.register_plans(plans, clients).await?;
    let registrations =
        plans.into_iter().map(|plan| Registration { materials: session.materials.clone(), plan, batch });
    let measurement = session.drive(registrations.collect(), session.bench.limits()).await?;
    let row = Row::new("register", variant, &measurement).with_items("tasks", measurement.items);
    session.against_commits(row).await
}

struct Registration {
    materials: Materials,
    plan: Plan,
    batch: usize,
}

impl Work for Registration {
    async fn perform(&mut self, caller: &mut Caller) -> Option<u64> {
        let tasks: Vec<NewComputeTask> = self.materials.tasks(&self.plan, self.batch);
        let answer = caller.call(RegisterTasksParam { tasks }).await;
        Some(answer.map_or(0, |answer| answer.tasks.len() as u64))
    }
}
