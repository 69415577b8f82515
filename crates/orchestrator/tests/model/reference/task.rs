//! Registering tasks: the ladder of checks, rung by rung.

use super::{
    Asset, BAD, Build, CONFLICT, Channel, DENIED, Function, INVALID, Manager, Model, NOT_FOUND, Outcome,
    Registered, Status, allows, find, grant_text, no, require, union,
};
use crate::operation::{Grant, Kind, MALFORMED, Number, Organization, Source, Task};
use crate::shape::{self, Content};

impl Asset for Registered {
    const KIND: Kind = Kind::Task;

    fn number(&self) -> Number {
        self.task.task
    }

    fn born(&self) -> u32 {
        self.born
    }

    fn text(&self) -> String {
        let Self { task, owner, worker, rank, status, logs, born: _ } = self;
        let Task { task, function, plan, worker: _, inputs, outputs } = task;
        let inputs: Vec<String> =
            inputs.iter().map(|(name, source)| format!("{name}={}", source_text(*source))).collect();
        let mut outputs: Vec<String> =
            outputs.iter().map(|(name, grant, transient)| output_text(name, grant, *transient)).collect();
        outputs.sort();
        format!(
            "task {task} f{function} p{plan} of {owner} by {worker} rank {rank} {status:?} {} -> {} logs {}",
            inputs.join(" "),
            outputs.join(" "),
            grant_text(logs)
        )
    }
}

fn output_text(name: &str, grant: &Grant, transient: bool) -> String {
    format!("{name}{}{}", grant_text(grant), if transient { " transient" } else { "" })
}

/// A source as a text; one letter for the kind of an asset, since keys of all kinds are alike.
fn source_text(source: Source) -> String {
    match source {
        Source::Asset(Kind::Manager, number) => format!("g{number}"),
        Source::Asset(Kind::Sample, number) => format!("s{number}"),
        Source::Asset(_, number) => format!("m{number}"),
        Source::Output(task, output) => format!("t{task}.{output}"),
    }
}

/// compute/TASK-5.
pub(super) fn parents_of(task: &Task) -> Vec<Number> {
    let mut parents = Vec::new();
    for (_, source) in &task.inputs {
        if let Source::Output(parent, _) = source
            && !parents.contains(parent)
        {
            parents.push(*parent);
        }
    }
    parents
}

impl Channel {
    /// A task that is known to be there.
    pub(super) fn task(&self, number: Number) -> &Registered {
        find(&self.tasks, number).expect("a registered task")
    }

    pub(super) fn all_parents_are_done(&self, task: Number) -> bool {
        parents_of(&self.task(task).task).iter().all(|parent| self.task(*parent).status == Status::Done)
    }

    /// compute/TASK-1 … TASK-4, then one task after the other.
    pub(super) fn register_tasks(&mut self, caller: Organization, tasks: &[Task]) -> Outcome<String> {
        require(!tasks.is_empty(), BAD, "compute/TASK-1")?;
        for task in tasks {
            let inputs = task.inputs.iter().map(|(_, source)| match source {
                Source::Asset(_, number) | Source::Output(number, _) => *number,
            });
            let mut keys = [task.task, task.function, task.plan].into_iter().chain(inputs);
            require(keys.all(|key| key != MALFORMED), INVALID, "compute/TASK-2")?;
        }
        for task in tasks {
            self.require_free(&self.tasks, task.task)?;
        }
        for (place, task) in tasks.iter().enumerate() {
            let is_new = tasks[..place].iter().all(|other| other.task != task.task);
            require(is_new, CONFLICT, "compute/TASK-4")?;
        }
        let mut answer = Vec::new();
        for task in self.in_order(tasks)? {
            let registered = self.judge(caller, task)?;
            self.tasks.push(registered.clone());
            answer.push(self.tell("CREATED", &registered, None));
        }
        Ok(answer.join("; "))
    }

    /// compute/TASK-6, TASK-7: one task at a time from a queue, which takes in whatever has no parent left to wait for.
    fn in_order<'t>(&self, tasks: &'t [Task]) -> Outcome<Vec<&'t Task>> {
        let in_batch = |number: Number| tasks.iter().any(|task| task.task == number);
        let is_known = |number: Number| in_batch(number) || find(&self.tasks, number).is_ok();
        let known = tasks.iter().flat_map(parents_of).all(is_known);
        require(known, INVALID, "compute/TASK-6")?;
        let waits_for = |task: &Task, queued: &[&Task]| {
            let is_queued = |parent: Number| queued.iter().any(|other| other.task == parent);
            parents_of(task).into_iter().any(|parent| in_batch(parent) && !is_queued(parent))
        };
        let mut queue: Vec<&Task> = tasks.iter().filter(|task| !waits_for(task, &[])).collect();
        let mut taken = 0;
        while taken < queue.len() {
            for task in tasks {
                let is_queued = queue.iter().any(|other| other.task == task.task);
                if !is_queued && !waits_for(task, &queue[..=taken]) {
                    queue.push(task);
                }
            }
            taken += 1;
        }
        require(queue.len() == tasks.len(), INVALID, "compute/TASK-7")?;
        Ok(queue)
    }

    /// The ladder of compute/TASK-10 … TASK-20.
    fn judge(&self, caller: Organization, task: &Task) -> Outcome<Registered> {
        self.require_own_plan(caller, task.plan)?;
        let parents: Vec<&Registered> =
            parents_of(task).into_iter().map(|parent| self.task(parent)).collect();
        let function = find(&self.functions, task.function)?;
        require(allows(&function.process, caller), DENIED, "compute/TASK-12")?;
        self.require_enabled_models(task)?;
        let mut outputs = Vec::new();
        for (name, grant, transient) in &task.outputs {
            outputs.push((*name, self.grant(grant, caller)?, *transient));
        }
        let manager = self.manager_of(task)?;
        let worker = choose_worker(task, manager)?;
        require(self.organizations.contains(&worker), NOT_FOUND, "compute/TASK-16")?;
        self.judge_inputs(caller, task, manager, worker)?;
        judge_outputs(task)?;
        let own = Grant { public: false, to: vec![caller] };
        // compute/TASK-17
        let logs = match manager {
            Some(manager) => manager.logs.clone(),
            None => parents.iter().fold(own, |logs, parent| union(&logs, &parent.logs)),
        };
        let status = first_status(function, &parents);
        // compute/TASK-26
        let rank = parents.iter().map(|parent| parent.rank + 1).max().unwrap_or(0);
        let task = Task { outputs, ..task.clone() };
        Ok(Registered { task, owner: caller, worker, rank, status, logs, born: self.now })
    }

    /// compute/TASK-13, DEF-18.
    fn require_enabled_models(&self, task: &Task) -> Outcome<()> {
        for (_, source) in &task.inputs {
            let is_disabled = |model: &Model| {
                *source == Source::Output(model.task, model.output)
                    && self.task(model.task).status == Status::Done
                    && model.address.is_none()
            };
            require(!self.models.iter().any(is_disabled), INVALID, "compute/TASK-13")?;
        }
        Ok(())
    }

    /// The walk of compute/TASK-15.
    fn manager_of(&self, task: &Task) -> Outcome<Option<&Manager>> {
        for (name, source) in &task.inputs {
            let Some((_, content, ..)) = shape::input(task.function, name) else {
                return no(INVALID, "compute/TASK-15");
            };
            if content == Content::Manager {
                return match source {
                    Source::Asset(Kind::Manager, number) => find(&self.managers, *number).map(Some),
                    Source::Asset(..) => no(NOT_FOUND, "compute/TASK-15, not a manager"),
                    Source::Output(..) => no(INVALID, "compute/DEF-26"),
                };
            }
        }
        Ok(None)
    }

    /// compute/TASK-18, then TASK-19.
    fn judge_inputs(
        &self,
        caller: Organization,
        task: &Task,
        manager: Option<&Manager>,
        worker: Organization,
    ) -> Outcome<()> {
        for (place, (name, source)) in task.inputs.iter().enumerate() {
            let Some((_, content, multiple, _)) = shape::input(task.function, name) else {
                return no(INVALID, "compute/TASK-18, undeclared");
            };
            let is_first = task.inputs[..place].iter().all(|(other, _)| other != name);
            require(is_first || multiple, INVALID, "compute/TASK-18, twice")?;
            match (content, manager) {
                (Content::Manager, Some(manager)) => self.judge_data(caller, task, manager)?,
                (Content::Model, _) => self.judge_model(*source, multiple, worker)?,
                _ => {}
            }
        }
        for (name, _, _, optional) in shape::inputs(task.function) {
            let is_given = task.inputs.iter().any(|(given, _)| given == name);
            require(is_given || *optional, INVALID, "compute/TASK-19")?;
        }
        Ok(())
    }

    /// The data manager of compute/TASK-18, with all samples.
    fn judge_data(&self, caller: Organization, task: &Task, manager: &Manager) -> Outcome<()> {
        let mut samples = Vec::new();
        for (name, source) in &task.inputs {
            match (shape::input(task.function, name), source) {
                (None, _) => return no(INVALID, "compute/TASK-18, undeclared"),
                (Some((_, Content::Sample, ..)), Source::Asset(kind, number)) => {
                    samples.push((*kind, *number));
                }
                (Some((_, Content::Sample, ..)), Source::Output(..)) => {
                    return no(INVALID, "compute/TASK-18, a sample of a parent");
                }
                _ => {}
            }
        }
        require(allows(&manager.process, caller), DENIED, "compute/TASK-18, the manager")?;
        for (kind, number) in samples {
            require(kind == Kind::Sample, NOT_FOUND, "compute/TASK-18, not a sample")?;
            let sample = find(&self.samples, number)?;
            let belongs = sample.managers.contains(&manager.number);
            require(belongs, INVALID, "compute/TASK-18, a sample of another manager")?;
        }
        Ok(())
    }

    /// The models of compute/TASK-18, by asset key or of a parent.
    fn judge_model(&self, source: Source, multiple: bool, worker: Organization) -> Outcome<()> {
        match source {
            Source::Asset(Kind::Model, number) => {
                let model = find(&self.models, number)?;
                require(allows(&model.process, worker), DENIED, "compute/TASK-18, the model")?;
                require(model.address.is_some(), INVALID, "compute/DEF-17")
            }
            Source::Asset(..) => no(NOT_FOUND, "compute/TASK-18, not a model"),
            Source::Output(parent, output) => {
                let parent = self.task(parent);
                let Some((_, content, many)) = shape::output(parent.task.function, output) else {
                    return no(INVALID, "compute/TASK-18, the parent's output");
                };
                require(content == Content::Model, INVALID, "compute/TASK-18, its kind")?;
                require(!many || multiple, INVALID, "compute/TASK-18, it is multiple")?;
                let granted = parent.task.outputs.iter().find(|(name, ..)| *name == output);
                let may = granted.is_some_and(|(_, grant, _)| allows(grant, worker));
                require(may, DENIED, "compute/TASK-18, the worker")
            }
        }
    }
}

/// The end of compute/TASK-15.
fn choose_worker(task: &Task, manager: Option<&Manager>) -> Outcome<Organization> {
    match (manager, task.worker) {
        (Some(manager), Some(named)) if named != manager.owner => no(BAD, "compute/TASK-15, another worker"),
        (Some(manager), _) => Ok(manager.owner),
        (None, Some(named)) => Ok(named),
        (None, None) => no(BAD, "compute/TASK-15, no worker"),
    }
}

/// compute/TASK-20.
fn judge_outputs(task: &Task) -> Outcome<()> {
    for (name, grant, transient) in &task.outputs {
        let Some((_, content, _)) = shape::output(task.function, name) else {
            return no(INVALID, "compute/TASK-20, undeclared");
        };
        let sound = content != Content::Performance || (grant.public && !transient);
        require(sound, INVALID, "compute/TASK-20, a performance")?;
    }
    for (name, ..) in shape::outputs(task.function) {
        let is_given = task.outputs.iter().any(|(given, ..)| given == name);
        require(is_given, INVALID, "compute/TASK-20, missing")?;
    }
    Ok(())
}

/// compute/TASK-30.
fn first_status(function: &Function, parents: &[&Registered]) -> Status {
    if parents.iter().any(|parent| matches!(parent.status, Status::Failed | Status::Canceled)) {
        return Status::Canceled;
    }
    match function.build {
        Build::Waiting => Status::WaitingForBuilderSlot,
        Build::Building => Status::Building,
        Build::Ready if parents.iter().all(|parent| parent.status == Status::Done) => {
            Status::WaitingForExecutorSlot
        }
        Build::Ready => Status::WaitingForParentTasks,
        Build::Failed => Status::Failed,
        Build::Canceled => Status::Canceled,
    }
}
