//! The reference: the rules of the contract in the plainest form, without batches, stores or cleverness.
//!
//! It is written from the contract alone and shares no code with the domain. Everything is looked up by walking lists. An answer is a text or
//! the code of a refusal; events are texts in the form of `crate::describe`.

use std::collections::{BTreeMap, BTreeSet};

use crate::operation::{BuildStep, Grant, Number, Operation, Organization, Step, Task};
use crate::shape::{self, Kind};

/// A refusal: its code.
pub(crate) type Refused = &'static str;
type Outcome<T> = Result<T, Refused>;

const NOT_FOUND: Refused = "OE0002";
const BAD: Refused = "OE0003";
const CONFLICT: Refused = "OE0006";
const INVALID: Refused = "OE0101";
const DENIED: Refused = "OE0102";
const NO_OUTPUT: Refused = "OE0106";
const OTHER_KIND: Refused = "OE0107";
const NOT_DISABLED: Refused = "OE0108";
const OVER: Refused = "OE0109";

const USER_ACTION: &str = "User action";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Build {
    Waiting,
    Building,
    Ready,
    Canceled,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    WaitingForBuilderSlot,
    Building,
    WaitingForParentTasks,
    WaitingForExecutorSlot,
    Executing,
    Done,
    Canceled,
    Failed,
}

impl Status {
    fn is_final(self) -> bool {
        self >= Self::Done
    }
}

#[derive(Clone, Debug)]
struct Manager {
    owner: Organization,
    process: Grant,
    logs: Grant,
}

#[derive(Clone, Debug)]
struct Function {
    owner: Organization,
    process: Grant,
    build: Build,
    image: Option<Number>,
}

#[derive(Clone, Debug, Default)]
struct Plan {
    owner: Organization,
    canceled: bool,
    failed: bool,
}

#[derive(Clone, Debug)]
struct Registered {
    number: Number,
    task: Task,
    owner: Organization,
    worker: Organization,
    rank: u32,
    status: Status,
    logs: Grant,
    outputs: BTreeMap<&'static str, Grant>,
}

#[derive(Clone, Debug)]
struct Model {
    number: Number,
    task: Number,
    output: &'static str,
    address: Option<Number>,
    process: Grant,
}

/// All there is in the channel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reference {
    organizations: BTreeSet<Organization>,
    managers: BTreeMap<Number, Manager>,
    samples: BTreeMap<Number, (Organization, Vec<Number>)>,
    functions: BTreeMap<Number, Function>,
    plans: BTreeMap<Number, Plan>,
    /// In order of registration.
    tasks: Vec<Registered>,
    /// In order of registration.
    models: Vec<Model>,
    performances: Vec<(Number, &'static str)>,
    addresses: BTreeSet<Number>,
    /// What happened, in order.
    pub(crate) events: Vec<String>,
}

fn allows(grant: &Grant, organization: Organization) -> bool {
    grant.public || grant.to.contains(&organization)
}

impl Reference {
    /// Carries out a call: all of it, or nothing.
    pub(crate) fn call(&mut self, caller: Organization, operation: &Operation) -> Outcome<String> {
        let mut events = std::mem::take(&mut self.events);
        let before = self.clone(); // without the events, which only grow
        let outcome = self.carry_out(caller, operation);
        match &outcome {
            Ok(_) => events.append(&mut self.events),
            Err(_) => *self = before,
        }
        self.events = events;
        outcome
    }

    fn carry_out(&mut self, caller: Organization, operation: &Operation) -> Outcome<String> {
        use Operation as O;
        match operation {
            O::RegisterOrganization => self.register_organization(caller),
            O::RegisterManager { manager, grant, address } => {
                self.register_manager(caller, *manager, grant, *address)
            }
            O::RegisterSamples { samples } => self.register_samples(caller, samples),
            O::LinkSamples { samples, managers } => self.link_samples(caller, samples, managers),
            O::RegisterFunction { function, grant, address } => {
                self.register_function(caller, *function, grant, *address)
            }
            O::SetImage { function, address } => self.set_image(caller, *function, *address),
            O::FunctionAction { function, action } => {
                self.own_function(caller, *function)?;
                self.act_on_function(*function, *action, USER_ACTION)
            }
            O::RegisterPlan { plan } => self.register_plan(caller, *plan),
            O::RenamePlan { plan } => {
                self.own_plan(caller, *plan)?;
                self.tell_plan("UPDATED", *plan)
            }
            O::CancelPlan { plan } => self.cancel_plan(caller, *plan),
            O::IsPlanRunning { plan } => self.is_plan_running(*plan),
            O::RegisterTasks { tasks } => self.register_tasks(caller, tasks),
            O::TaskAction { task, action } => self.act_on_task(caller, *task, *action),
            O::RegisterModels { task, models } => self.register_models(caller, *task, models),
            O::RegisterPerformance { task, output } => self.register_performance(caller, *task, output),
            O::DisableOutput { task, output } => self.disable_output(caller, *task, output),
            O::ReportTaskFailure { task, address } => self.report_task_failure(caller, *task, *address),
            O::ReportFunctionFailure { function, address } => {
                self.report_function_failure(caller, *function, *address)
            }
            O::GetTaskInputs { task } => self.task_inputs(*task),
        }
    }

    fn tell(&mut self, event: String) {
        self.events.push(event);
    }

    /// core/PERM-1, PERM-3.
    fn grant(&self, grant: &Grant, owner: Organization) -> Outcome<Grant> {
        if !grant.public && grant.to.iter().any(|named| !self.organizations.contains(named)) {
            return Err(BAD);
        }
        let mut granted = grant.clone();
        if !granted.to.contains(&owner) {
            granted.to.push(owner);
        }
        Ok(granted)
    }

    fn claim(&mut self, address: Number) -> Outcome<()> {
        if self.addresses.insert(address) { Ok(()) } else { Err(CONFLICT) }
    }

    fn registered_owner(&self, owner: Organization) -> Outcome<()> {
        if self.organizations.contains(&owner) { Ok(()) } else { Err(BAD) }
    }

    fn register_organization(&mut self, caller: Organization) -> Outcome<String> {
        if !self.organizations.insert(caller) {
            return Err(CONFLICT);
        }
        self.tell(format!("CREATED organization {caller}"));
        Ok("ok".into())
    }

    /// core/DM-2. The second address of a data manager, and of a function, is always fresh.
    fn register_manager(
        &mut self,
        caller: Organization,
        manager: Number,
        grant: &Grant,
        address: Number,
    ) -> Outcome<String> {
        if self.managers.contains_key(&manager) {
            return Err(CONFLICT);
        }
        let process = self.grant(grant, caller)?;
        let logs = process.clone();
        self.claim(address)?;
        self.registered_owner(caller)?;
        self.managers.insert(manager, Manager { owner: caller, process, logs });
        self.tell(format!("CREATED manager {manager}"));
        Ok("ok".into())
    }

    fn own_managers(&self, caller: Organization, managers: &[Number]) -> Outcome<()> {
        for manager in managers {
            let manager = self.managers.get(manager).ok_or(NOT_FOUND)?;
            if manager.owner != caller {
                return Err(DENIED);
            }
        }
        Ok(())
    }

    /// core/DS-3 … DS-9.
    fn register_samples(
        &mut self,
        caller: Organization,
        samples: &[(Number, Vec<Number>)],
    ) -> Outcome<String> {
        for (sample, managers) in samples {
            self.own_managers(caller, managers)?;
            if self.samples.contains_key(sample) {
                return Err(CONFLICT);
            }
            let mut once = Vec::new();
            for manager in managers {
                if !once.contains(manager) {
                    once.push(*manager);
                }
            }
            self.samples.insert(*sample, (caller, once.clone()));
            self.tell(format!("CREATED sample {sample} {once:?}"));
        }
        if !samples.is_empty() {
            self.registered_owner(caller)?;
        }
        Ok("ok".into())
    }

    /// core/DS-11 … DS-14.
    fn link_samples(
        &mut self,
        caller: Organization,
        samples: &[Number],
        managers: &[Number],
    ) -> Outcome<String> {
        if samples.is_empty() {
            return Err(INVALID);
        }
        self.own_managers(caller, managers)?;
        for sample in samples {
            let (owner, linked) = self.samples.get_mut(sample).ok_or(NOT_FOUND)?;
            if *owner != caller {
                return Err(DENIED);
            }
            for manager in managers {
                if !linked.contains(manager) {
                    linked.push(*manager);
                }
            }
            let event = format!("UPDATED sample {sample} {linked:?}");
            self.tell(event);
        }
        Ok("ok".into())
    }

    /// compute/FUNC-5.
    fn register_function(
        &mut self,
        caller: Organization,
        number: Number,
        grant: &Grant,
        address: Number,
    ) -> Outcome<String> {
        if self.functions.contains_key(&number) {
            return Err(CONFLICT);
        }
        let process = self.grant(grant, caller)?;
        self.claim(address)?;
        self.registered_owner(caller)?;
        self.functions
            .insert(number, Function { owner: caller, process, build: Build::Waiting, image: None });
        self.tell_function("CREATED", number, "")
    }

    fn tell_function(&mut self, what: &str, number: Number, reason: &str) -> Outcome<String> {
        let function = &self.functions[&number];
        let image = if function.image.is_some() { " image" } else { "" };
        let reason = if reason.is_empty() { String::new() } else { format!(" {{{reason}}}") };
        self.tell(format!("{what} function {number} {:?}{image}{reason}", function.build));
        Ok("ok".into())
    }

    fn own_function(&self, caller: Organization, number: Number) -> Outcome<&Function> {
        let function = self.functions.get(&number).ok_or(NOT_FOUND)?;
        if function.owner == caller { Ok(function) } else { Err(DENIED) }
    }

    /// compute/FUNC-21 … FUNC-25, DEF-6, DEF-10.
    fn set_image(
        &mut self,
        caller: Organization,
        number: Number,
        address: Option<Number>,
    ) -> Outcome<String> {
        let function = self.own_function(caller, number)?.clone();
        if function.build == Build::Ready && function.image.is_none() && address.is_none() {
            return Err(INVALID);
        }
        if let Some(address) = address
            && function.image != Some(address)
        {
            self.claim(address)?;
            if let Some(before) = function.image {
                self.addresses.remove(&before);
            }
            self.functions.insert(number, Function { image: Some(address), ..function });
        }
        self.tell_function("UPDATED", number, "")
    }

    /// compute/FSM-2 … FSM-5, then CASC-5 … CASC-8.
    fn act_on_function(&mut self, number: Number, action: BuildStep, reason: &str) -> Outcome<String> {
        let build = match (self.functions[&number].build, action) {
            (Build::Waiting, BuildStep::Building) => Build::Building,
            (Build::Building, BuildStep::Ready) => Build::Ready,
            (Build::Building, BuildStep::Failed) => Build::Failed,
            (Build::Waiting | Build::Building, BuildStep::Canceled) => Build::Canceled,
            _ => return Err(BAD),
        };
        if let Some(function) = self.functions.get_mut(&number) {
            function.build = build;
        }
        self.tell_function("UPDATED", number, reason)?;
        let tasks: Vec<Number> =
            self.tasks.iter().filter(|task| task.task.function == number).map(|task| task.number).collect();
        for task in tasks {
            self.follow_function(task, number, action, reason);
        }
        Ok("ok".into())
    }

    fn follow_function(&mut self, task: Number, function: Number, action: BuildStep, reason: &str) {
        let status = self.find(task).status;
        match (action, status) {
            (BuildStep::Building, Status::WaitingForBuilderSlot) => {
                self.move_task(task, Status::Building, reason);
            }
            (BuildStep::Ready, Status::Building) => {
                let done = self.parents(task).iter().all(|parent| self.find(*parent).status == Status::Done);
                let next = if done { Status::WaitingForExecutorSlot } else { Status::WaitingForParentTasks };
                self.move_task(task, next, &format!("Function f{function} finished building"));
            }
            (BuildStep::Failed, Status::Building) => {
                self.move_task(task, Status::Failed, reason);
                self.fail_plan_of(task);
            }
            (BuildStep::Canceled, Status::Building | Status::WaitingForBuilderSlot) => {
                self.move_task(task, Status::Canceled, reason);
            }
            _ => {}
        }
    }

    fn register_plan(&mut self, caller: Organization, number: Number) -> Outcome<String> {
        if self.plans.contains_key(&number) {
            return Err(CONFLICT);
        }
        self.registered_owner(caller)?;
        self.plans.insert(number, Plan { owner: caller, ..Plan::default() });
        self.tell_plan("CREATED", number)
    }

    fn tell_plan(&mut self, what: &str, number: Number) -> Outcome<String> {
        // compute/PLAN-11: a canceled plan never shows a failure date.
        let plan = &self.plans[&number];
        let over = if plan.canceled {
            " canceled"
        } else if plan.failed {
            " failed"
        } else {
            ""
        };
        self.tell(format!("{what} plan {number}{over}"));
        Ok("ok".into())
    }

    fn own_plan(&self, caller: Organization, number: Number) -> Outcome<&Plan> {
        let plan = self.plans.get(&number).ok_or(NOT_FOUND)?;
        if plan.owner == caller { Ok(plan) } else { Err(DENIED) }
    }

    /// compute/PLAN-30.
    fn cancel_plan(&mut self, caller: Organization, number: Number) -> Outcome<String> {
        let plan = self.own_plan(caller, number)?;
        if plan.canceled || plan.failed {
            return Err(OVER);
        }
        if let Some(plan) = self.plans.get_mut(&number) {
            plan.canceled = true;
        }
        self.tell_plan("UPDATED", number)
    }

    /// compute/PLAN-51.
    fn is_plan_running(&self, number: Number) -> Outcome<String> {
        let plan = self.plans.get(&number).ok_or(NOT_FOUND)?;
        let tasks: Vec<Status> =
            self.tasks.iter().filter(|task| task.task.plan == number).map(|task| task.status).collect();
        let broken = tasks.iter().any(|status| matches!(status, Status::Canceled | Status::Failed));
        let unfinished = tasks.iter().any(|status| *status != Status::Done);
        let running = !plan.canceled && !plan.failed && !broken && unfinished;
        Ok(running.to_string())
    }

    /// compute/PLAN-40.
    fn fail_plan_of(&mut self, task: Number) {
        let plan = self.find(task).task.plan;
        if let Some(plan) = self.plans.get_mut(&plan) {
            plan.failed |= !plan.canceled;
        }
    }

    fn find(&self, number: Number) -> &Registered {
        self.tasks.iter().find(|task| task.number == number).expect("a registered task")
    }

    fn task(&self, number: Number) -> Outcome<&Registered> {
        self.tasks.iter().find(|task| task.number == number).ok_or(NOT_FOUND)
    }

    fn parents(&self, number: Number) -> Vec<Number> {
        parents_of(&self.find(number).task)
    }

    fn move_task(&mut self, number: Number, status: Status, reason: &str) {
        for task in &mut self.tasks {
            if task.number == number {
                task.status = status;
            }
        }
        self.tell(format!("UPDATED task {number} {status:?} {{{reason}}}"));
    }

    /// compute/TASK-1 … TASK-32.
    fn register_tasks(&mut self, caller: Organization, tasks: &[Task]) -> Outcome<String> {
        if tasks.iter().any(|task| self.task(task.task).is_ok()) {
            return Err(CONFLICT);
        }
        let twins =
            tasks.iter().enumerate().any(|(i, task)| tasks[..i].iter().any(|other| other.task == task.task));
        if twins {
            return Err(CONFLICT);
        }
        for task in self.in_order(tasks)? {
            let registered = self.judge(caller, task)?;
            self.tell(format!(
                "CREATED task {} {:?} rank {} worker {} logs {} {:?}",
                registered.number,
                registered.status,
                registered.rank,
                registered.worker,
                registered.logs.public,
                registered.logs.to.iter().collect::<BTreeSet<_>>()
            ));
            self.tasks.push(registered);
        }
        Ok("ok".into())
    }

    /// compute/TASK-6, TASK-7: rounds of whatever has no parent left to wait for, one task at a time from a queue.
    fn in_order<'t>(&self, tasks: &'t [Task]) -> Outcome<Vec<&'t Task>> {
        let in_batch = |number: Number| tasks.iter().any(|task| task.task == number);
        let parents =
            |task: &Task| parents_of(task).into_iter().filter(|parent| in_batch(*parent)).collect::<Vec<_>>();
        if tasks.iter().flat_map(parents_of).any(|parent| !in_batch(parent) && self.task(parent).is_err()) {
            return Err(INVALID);
        }
        let mut queue: Vec<&Task> = tasks.iter().filter(|task| parents(task).is_empty()).collect();
        let mut taken = 0;
        while taken < queue.len() {
            let done: Vec<Number> = queue[..=taken].iter().map(|task| task.task).collect();
            for task in tasks {
                let queued = queue.iter().any(|other| other.task == task.task);
                if !queued && parents(task).iter().all(|parent| done.contains(parent)) {
                    queue.push(task);
                }
            }
            taken += 1;
        }
        if queue.len() == tasks.len() { Ok(queue) } else { Err(INVALID) }
    }

    /// The ladder of compute/TASK-10 … TASK-20.
    fn judge(&self, caller: Organization, task: &Task) -> Outcome<Registered> {
        self.own_plan(caller, task.plan)?;
        let parents: Vec<&Registered> =
            parents_of(task).into_iter().map(|parent| self.find(parent)).collect();
        let function = self.functions.get(&task.function).ok_or(NOT_FOUND)?;
        if !allows(&function.process, caller) {
            return Err(DENIED);
        }
        for (parent, output) in &task.parents {
            let disabled =
                |model: &&Model| model.task == *parent && model.output == *output && model.address.is_none();
            if self.find(*parent).status == Status::Done && self.models.iter().any(|model| disabled(&model)) {
                return Err(INVALID);
            }
        }
        let mut outputs = BTreeMap::new();
        if !task.without_outputs {
            for (name, ..) in shape::outputs(task.function) {
                outputs.insert(*name, self.grant(&task.grant, caller)?);
            }
        }
        let manager = self.manager_of(task)?;
        let worker = match (manager, task.worker) {
            (Some(manager), None) => manager.owner,
            (Some(manager), Some(named)) if named == manager.owner => named,
            (Some(_), Some(_)) | (None, None) => return Err(BAD),
            (None, Some(named)) => named,
        };
        if !self.organizations.contains(&worker) {
            return Err(NOT_FOUND);
        }
        let logs = match manager {
            Some(manager) => manager.logs.clone(),
            None => parents
                .iter()
                .fold(Grant { public: false, to: vec![caller] }, |logs, parent| union(&logs, &parent.logs)),
        };
        self.judge_inputs(caller, task, manager, worker)?;
        self.judge_outputs(task, &outputs)?;
        let status = first_status(function.build, &parents);
        let rank = parents.iter().map(|parent| parent.rank + 1).max().unwrap_or(0);
        Ok(Registered {
            number: task.task,
            task: task.clone(),
            owner: caller,
            worker,
            rank,
            status,
            logs,
            outputs,
        })
    }

    /// The opener is only given to a function that declares one; elsewhere it is an undeclared input, before the worker is looked at.
    fn manager_of(&self, task: &Task) -> Outcome<Option<&Manager>> {
        let declares = |name: &str| shape::inputs(task.function).iter().any(|(input, ..)| *input == name);
        match task.manager {
            Some(number) if declares("opener") => Ok(Some(self.managers.get(&number).ok_or(NOT_FOUND)?)),
            Some(_) => Err(INVALID),
            None if !task.samples.is_empty() && !declares("samples") => Err(INVALID),
            None => Ok(None),
        }
    }

    /// compute/TASK-18, TASK-19. Inputs are given in the order opener, samples, parents, models.
    fn judge_inputs(
        &self,
        caller: Organization,
        task: &Task,
        manager: Option<&Manager>,
        worker: Organization,
    ) -> Outcome<()> {
        let declares = |name: &str| shape::inputs(task.function).iter().any(|(input, ..)| *input == name);
        if let Some(manager) = manager {
            if !task.samples.is_empty() && !declares("samples") {
                return Err(INVALID);
            }
            if !allows(&manager.process, caller) {
                return Err(DENIED);
            }
            for sample in &task.samples {
                let (_, managers) = self.samples.get(sample).ok_or(NOT_FOUND)?;
                if !managers.iter().any(|linked| Some(*linked) == task.manager) {
                    return Err(INVALID);
                }
            }
        }
        let single =
            !shape::inputs(task.function).iter().any(|(name, _, multiple, _)| *name == "model" && *multiple);
        let mut models_given = 0;
        for (parent, output) in &task.parents {
            models_given += 1;
            if single && models_given > 1 {
                return Err(INVALID);
            }
            self.judge_parent_output(*parent, output, single, worker)?;
        }
        for model in &task.models {
            models_given += 1;
            if single && models_given > 1 {
                return Err(INVALID);
            }
            let model = self.models.iter().find(|found| found.number == *model).ok_or(NOT_FOUND)?;
            if !allows(&model.process, worker) {
                return Err(DENIED);
            }
            if model.address.is_none() {
                return Err(INVALID);
            }
        }
        for (name, _, _, optional) in shape::inputs(task.function) {
            let given = match *name {
                "opener" => task.manager.is_some(),
                "samples" => !task.samples.is_empty(),
                _ => models_given > 0,
            };
            if !given && !optional {
                return Err(INVALID);
            }
        }
        Ok(())
    }

    fn judge_parent_output(
        &self,
        parent: Number,
        output: &str,
        single: bool,
        worker: Organization,
    ) -> Outcome<()> {
        let parent = self.find(parent);
        let declared = shape::outputs(parent.task.function).iter().find(|(name, ..)| *name == output);
        let (_, kind, multiple) = declared.ok_or(INVALID)?;
        if *kind != Kind::Model || (*multiple && single) {
            return Err(INVALID);
        }
        let granted = parent.outputs.get(output).ok_or(INVALID)?;
        if allows(granted, worker) { Ok(()) } else { Err(DENIED) }
    }

    /// compute/TASK-20.
    fn judge_outputs(&self, task: &Task, outputs: &BTreeMap<&'static str, Grant>) -> Outcome<()> {
        for (name, kind, _) in shape::outputs(task.function) {
            let Some(granted) = outputs.get(name) else {
                return Err(INVALID);
            };
            if *kind == Kind::Performance && (!granted.public || task.transient) {
                return Err(INVALID);
            }
        }
        Ok(())
    }

    /// compute/TASK-50 … TASK-54.
    fn act_on_task(&mut self, caller: Organization, number: Number, action: Step) -> Outcome<String> {
        let task = self.task(number)?;
        let may = match action {
            Step::Executing | Step::Done => task.worker == caller,
            Step::Canceled | Step::Failed => task.worker == caller || task.owner == caller,
        };
        if !may {
            return Err(DENIED);
        }
        match (action, task.status) {
            (Step::Executing, Status::WaitingForExecutorSlot) => {
                self.move_task(number, Status::Executing, USER_ACTION);
            }
            (Step::Done, Status::Executing) => {
                self.move_task(number, Status::Done, USER_ACTION);
                self.wake_children(number);
            }
            (Step::Canceled, status) if !status.is_final() => {
                self.move_task(number, Status::Canceled, USER_ACTION);
            }
            (Step::Failed, status) if !status.is_final() => {
                self.move_task(number, Status::Failed, USER_ACTION);
                self.fail_plan_of(number);
            }
            _ => return Err(BAD),
        }
        Ok("ok".into())
    }

    /// compute/CASC-1, CASC-2.
    fn wake_children(&mut self, done: Number) {
        let mut ready: Vec<(usize, Number)> = Vec::new();
        for task in self.tasks.iter().filter(|task| task.status == Status::WaitingForParentTasks) {
            let parents = parents_of(&task.task);
            let all_done = parents.iter().all(|parent| self.find(*parent).status == Status::Done);
            if let Some(place) = parents.iter().position(|parent| *parent == done)
                && all_done
            {
                ready.push((place, task.number));
            }
        }
        ready.sort_by_key(|(place, _)| *place);
        for (_, child) in ready {
            self.move_task(child, Status::WaitingForExecutorSlot, &format!("Last parent task t{done} done"));
        }
    }

    fn executing_worker(&self, caller: Organization, number: Number) -> Outcome<&Registered> {
        let task = self.task(number)?;
        if task.worker != caller {
            return Err(DENIED);
        }
        if task.status == Status::Executing { Ok(task) } else { Err(BAD) }
    }

    fn output_kind(&self, task: &Registered, output: &str) -> Outcome<(Kind, bool)> {
        if !task.outputs.contains_key(output) {
            return Err(NO_OUTPUT);
        }
        let declared = shape::outputs(task.task.function).iter().find(|(name, ..)| *name == output);
        declared.map(|(_, kind, multiple)| (*kind, *multiple)).ok_or(NO_OUTPUT)
    }

    /// compute/MODEL-3 … MODEL-7.
    fn register_models(
        &mut self,
        caller: Organization,
        number: Number,
        models: &[(Number, &'static str, Number)],
    ) -> Outcome<String> {
        self.task(number)?;
        for (model, output, address) in models {
            let task = self.executing_worker(caller, number)?;
            let (kind, multiple) = self.output_kind(task, output)?;
            if kind != Kind::Model {
                return Err(OTHER_KIND);
            }
            let process = task.outputs[output].clone();
            let before =
                self.models.iter().filter(|model| model.task == number && model.output == *output).count();
            if !multiple && before > 0 || self.models.iter().any(|found| found.number == *model) {
                return Err(CONFLICT);
            }
            self.claim(*address)?;
            self.models.push(Model {
                number: *model,
                task: number,
                output,
                address: Some(*address),
                process,
            });
            self.tell(format!("CREATED model {model} address"));
            self.tell(format!("CREATED output {number} {output} m{model}"));
        }
        Ok("ok".into())
    }

    /// compute/PERF-2, PERF-5.
    fn register_performance(
        &mut self,
        caller: Organization,
        number: Number,
        output: &'static str,
    ) -> Outcome<String> {
        let task = self.executing_worker(caller, number)?;
        if self.output_kind(task, output)?.0 != Kind::Performance {
            return Err(OTHER_KIND);
        }
        if self.performances.contains(&(number, output)) {
            return Err(CONFLICT);
        }
        self.performances.push((number, output));
        self.tell(format!("CREATED performance {number} {output}"));
        self.tell(format!("CREATED output {number} {output} performance"));
        Ok("ok".into())
    }

    /// compute/TASK-70 … TASK-73, DEF-15, DEF-16.
    fn disable_output(&mut self, caller: Organization, number: Number, output: &str) -> Outcome<String> {
        let task = self.task(number)?;
        if task.worker != caller {
            return Err(DENIED);
        }
        let of_output = |model: &Model| model.task == number && model.output == output;
        let children: Vec<&Registered> =
            self.tasks.iter().filter(|child| parents_of(&child.task).contains(&number)).collect();
        let uses = |user: &Registered| {
            self.models.iter().any(|model| of_output(model) && user.task.models.contains(&model.number))
        };
        let disposable = task.status.is_final()
            && task.outputs.contains_key(output)
            && task.task.transient
            && self.models.iter().any(of_output)
            && !children.is_empty()
            && children.iter().all(|child| child.status.is_final())
            && self.tasks.iter().filter(|user| uses(user)).all(|user| user.status.is_final());
        if !disposable {
            return Err(NOT_DISABLED);
        }
        let mut events = Vec::new();
        for model in self.models.iter_mut().filter(|model| of_output(model)) {
            if let Some(address) = model.address.take() {
                self.addresses.remove(&address);
                events.push(format!("DISABLED model {}", model.number));
            }
        }
        self.events.extend(events);
        Ok("ok".into())
    }

    /// compute/FAIL-10, FAIL-12, FAIL-13.
    fn report_task_failure(
        &mut self,
        caller: Organization,
        number: Number,
        address: Number,
    ) -> Outcome<String> {
        self.executing_worker(caller, number)?;
        self.move_task(number, Status::Failed, "failure report registered");
        self.fail_plan_of(number);
        self.claim(address)?;
        self.tell(format!("CREATED report t{number}"));
        Ok("ok".into())
    }

    /// compute/FAIL-11 … FAIL-13.
    fn report_function_failure(
        &mut self,
        caller: Organization,
        number: Number,
        address: Number,
    ) -> Outcome<String> {
        self.own_function(caller, number)?;
        self.act_on_function(number, BuildStep::Failed, "failure report registered")?;
        self.claim(address)?;
        self.tell(format!("CREATED report f{number}"));
        Ok("ok".into())
    }

    /// compute/TASK-60, TASK-61.
    fn task_inputs(&self, number: Number) -> Outcome<String> {
        let task = self.task(number)?;
        if !matches!(task.status, Status::WaitingForExecutorSlot | Status::Executing | Status::Failed) {
            return Err(BAD);
        }
        let mut assets: Vec<String> = task.task.manager.iter().map(|manager| format!("g{manager}")).collect();
        assets.extend(task.task.samples.iter().map(|sample| format!("s{sample}")));
        for (parent, output) in &task.task.parents {
            let made = self.models.iter().filter(|model| model.task == *parent && model.output == *output);
            assets.extend(made.map(|model| format!("m{}", model.number)));
        }
        assets.extend(task.task.models.iter().map(|model| format!("m{model}")));
        Ok(assets.join(" "))
    }
}

/// compute/TASK-5.
fn parents_of(task: &Task) -> Vec<Number> {
    let mut parents = Vec::new();
    for (parent, _) in &task.parents {
        if !parents.contains(parent) {
            parents.push(*parent);
        }
    }
    parents
}

/// compute/TASK-30.
fn first_status(build: Build, parents: &[&Registered]) -> Status {
    if parents.iter().any(|parent| matches!(parent.status, Status::Failed | Status::Canceled)) {
        return Status::Canceled;
    }
    match build {
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

/// core/PERM-6.
fn union(x: &Grant, y: &Grant) -> Grant {
    if x.public || y.public {
        return Grant { public: true, to: Vec::new() };
    }
    let all: BTreeSet<Organization> = x.to.iter().chain(&y.to).copied().collect();
    Grant { public: false, to: all.into_iter().collect() }
}
