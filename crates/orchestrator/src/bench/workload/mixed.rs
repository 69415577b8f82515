//! mixed: each client reads, registers and executes tasks of its own plan, while subscribers listen.
//!
//! Half of the calls are reads, the others the next step of the client's current task; when it has no task left, it registers a few. Afterwards all
//! subscribers must have seen the same events, once, in one order, equal to a replay.

use std::collections::VecDeque;

use fastrand::Rng;
use proto::ComputeTaskAction::{TaskActionDone, TaskActionExecuting};
use proto::RegisterTasksParam;

use super::reads::Reader;
use crate::bench::assets::{Materials, model_of, task_action};
use crate::bench::audience::Audience;
use crate::bench::load::{Caller, Work};
use crate::bench::report::Row;
use crate::bench::session::Session;
use crate::bench::settings::Plans;

/// Subscribers if nothing is said.
const SUBSCRIBERS: usize = 4;

/// Tasks of one registration.
const BATCH_TASKS: usize = 10;

pub(super) async fn run(session: &Session) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for subscribers in session.bench.subscribers(SUBSCRIBERS) {
        for clients in session.bench.clients() {
            session.announce(&format!("mixed, {clients} clients, {subscribers} subscribers"));
            rows.extend(measure(session, clients, subscribers).await?);
        }
    }
    Ok(rows)
}

async fn measure(session: &Session, clients: usize, subscribers: usize) -> anyhow::Result<[Row; 2]> {
    let participants = participants(session, clients).await?;
    let audience = Audience::gather(&session.target.connect_clients(subscribers).await?).await?;
    let measurement = session.drive(participants, session.bench.limits()).await?;
    let impression = audience.compare(&session.client).await?;
    let variant = format!("{subscribers} subscribers");
    let row = Row::new("mixed", &variant, &measurement).with_items("tasks", measurement.items);
    Ok([session.against_commits(row).await?, impression.row("mixed", &variant, measurement.elapsed)])
}

async fn participants(session: &Session, clients: usize) -> anyhow::Result<Vec<Participant>> {
    let plans = session.register_plans(Plans::Own, clients).await?;
    let participants = plans.into_iter().zip(0..).map(|(plan, number)| Participant {
        materials: session.materials.clone(),
        reader: Reader {
            function_key: session.materials.function_key.clone(),
            task_keys: vec![plan.root_task_key.clone()],
            plan,
            dice: Rng::with_seed(session.bench.seed.wrapping_add(number)),
        },
        waiting: VecDeque::new(),
        current: None,
    });
    Ok(participants.collect())
}

/// A client that reads and works.
struct Participant {
    materials: Materials,
    reader: Reader,
    /// Keys of tasks that can start.
    waiting: VecDeque<String>,
    current: Option<Current>,
}

/// The task that a client is executing, and what it does next.
enum Current {
    Started(String),
    Made(String),
}

impl Work for Participant {
    async fn perform(&mut self, caller: &mut Caller) -> Option<u64> {
        if self.reader.dice.bool() {
            self.reader.read(caller).await;
            return Some(0);
        }
        Some(self.step(caller).await)
    }
}

impl Participant {
    /// Makes one call of the current task, the next task, or none left; answers how many tasks that got done. A task is given up when its
    /// call fails.
    async fn step(&mut self, caller: &mut Caller) -> u64 {
        match self.current.take() {
            Some(Current::Started(key)) => {
                let made = caller.call(model_of(&key)).await;
                self.current = made.map(|_| Current::Made(key));
                0
            }
            Some(Current::Made(key)) => {
                let done = caller.call(task_action(&key, TaskActionDone)).await;
                u64::from(done.is_some())
            }
            None => {
                self.start(caller).await;
                0
            }
        }
    }

    async fn start(&mut self, caller: &mut Caller) {
        let Some(key) = self.waiting.pop_front() else {
            return self.register(caller).await;
        };
        let started = caller.call(task_action(&key, TaskActionExecuting)).await;
        self.current = started.map(|_| Current::Started(key));
    }

    async fn register(&mut self, caller: &mut Caller) {
        let tasks = self.materials.tasks(&self.reader.plan, BATCH_TASKS);
        let Some(answer) = caller.call(RegisterTasksParam { tasks }).await else {
            return;
        };
        let keys = answer.tasks.into_iter().map(|task| task.key);
        for key in keys {
            self.reader.task_keys.push(key.clone());
            self.waiting.push_back(key);
        }
    }
}
