//! The reference: the rules of the contract in the plainest form, without batches, stores or cleverness.
//!
//! It is written from the contract alone and shares no code with the domain. Everything is looked up by walking lists. An answer is a text;
//! a refusal is a code and the rule that refuses; events are texts. Start at [`Reference::call`]; each asset has a file of its own, and
//! `crate::universe` puts what the stores have into the same words.

mod action;
mod data;
mod function;
mod list;
mod output;
mod plan;
mod task;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::operation::{
    BuildStep, Call, Channel as ChannelNumber, Failing, Grant, Kind, MALFORMED, Number, Operation,
    Organization, Task,
};

/// A refusal: its code, and the rule that asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Refused {
    pub(crate) code: &'static str,
    pub(crate) rule: &'static str,
}

pub(crate) type Outcome<T> = Result<T, Refused>;

const NOT_FOUND: &str = "OE0002";
const BAD: &str = "OE0003";
const CONFLICT: &str = "OE0006";
const UNIMPLEMENTED: &str = "OE0010";
const INVALID: &str = "OE0101";
const DENIED: &str = "OE0102";
const NO_OUTPUT: &str = "OE0106";
const OTHER_KIND: &str = "OE0107";
const NOT_DISABLED: &str = "OE0108";
const OVER: &str = "OE0109";

fn no<T>(code: &'static str, rule: &'static str) -> Outcome<T> {
    Err(Refused { code, rule })
}

fn require(holds: bool, code: &'static str, rule: &'static str) -> Outcome<()> {
    if holds { Ok(()) } else { no(code, rule) }
}

/// What calls about an asset do not say.
const OK: &str = "ok";
const USER_ACTION: &str = "User action";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    Waiting,
    Building,
    Ready,
    Canceled,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        matches!(self, Self::Done | Self::Canceled | Self::Failed)
    }
}

#[derive(Clone, Debug)]
struct Manager {
    number: Number,
    name: Number,
    owner: Organization,
    process: Grant,
    logs: Grant,
    description: Number,
    opener: Number,
    born: u32,
}

#[derive(Clone, Debug)]
struct Sample {
    number: Number,
    owner: Organization,
    managers: Vec<Number>,
    born: u32,
}

#[derive(Clone, Debug)]
struct Function {
    number: Number,
    name: Number,
    owner: Organization,
    process: Grant,
    build: Build,
    description: Number,
    archive: Number,
    image: Option<Number>,
    born: u32,
}

#[derive(Clone, Debug)]
struct Plan {
    number: Number,
    name: Number,
    owner: Organization,
    canceled: bool,
    failed: bool,
    born: u32,
}

/// A registered task: what was asked for, with the permissions of its outputs as granted.
#[derive(Clone, Debug)]
struct Registered {
    task: Task,
    owner: Organization,
    worker: Organization,
    rank: u32,
    status: Status,
    logs: Grant,
    born: u32,
}

#[derive(Clone, Debug)]
struct Model {
    number: Number,
    owner: Organization,
    task: Number,
    output: &'static str,
    position: usize,
    address: Option<Number>,
    process: Grant,
    born: u32,
}

#[derive(Clone, Debug)]
struct Performance {
    task: Number,
    output: &'static str,
    halves: Number,
    born: u32,
}

#[derive(Clone, Debug)]
struct Report {
    of: Failing,
    number: Number,
    owner: Organization,
    logs: Option<Number>,
}

/// What somebody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Event {
    what: &'static str,
    /// The key of the asset, if it is one of a kind that is looked up.
    about: Option<(Kind, Number)>,
    is_of_task: bool,
    text: String,
    reason: Option<String>,
}

impl Event {
    fn text(&self) -> String {
        let reason = self.reason.as_ref().map(|reason| format!(" {{{reason}}}")).unwrap_or_default();
        format!("{} {}{reason}", self.what, self.text)
    }
}

/// All there is in a channel, in order of registration.
#[derive(Clone, Debug, Default)]
struct Channel {
    organizations: Vec<Organization>,
    managers: Vec<Manager>,
    samples: Vec<Sample>,
    functions: Vec<Function>,
    plans: Vec<Plan>,
    tasks: Vec<Registered>,
    models: Vec<Model>,
    performances: Vec<Performance>,
    reports: Vec<Report>,
    addresses: BTreeSet<Number>,
    events: Vec<Arc<Event>>,
    /// The keys of the other channel.
    elsewhere: BTreeSet<(Kind, Number)>,
    /// How many calls there were.
    now: u32,
}

/// What there is to begin something with: the caller's own plans, and whatever else anybody has.
pub(crate) struct Known {
    pub(crate) plans: Vec<Number>,
    pub(crate) functions: Vec<Number>,
    /// Tasks, each with one of its outputs.
    pub(crate) outputs: Vec<(Number, &'static str)>,
    /// Those of tasks that are executing.
    pub(crate) executing: Vec<(Number, &'static str)>,
    pub(crate) models: Vec<Number>,
    /// Data managers, each with its samples.
    pub(crate) data: Vec<(Number, Vec<Number>)>,
}

/// Both channels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reference([Channel; 2]);

impl Reference {
    /// Carries out a call: all of it, or nothing.
    pub(crate) fn call(&mut self, call: &Call) -> Outcome<String> {
        let elsewhere = self.0[usize::from(1 - call.channel)].keys();
        let channel = &mut self.0[usize::from(call.channel)];
        let before = channel.clone();
        channel.elsewhere = elsewhere;
        channel.now += 1;
        let outcome = channel.carry_out(call.caller, &call.operation);
        if outcome.is_err() {
            *channel = before;
        }
        outcome
    }

    /// What happened in a channel, in order.
    pub(crate) fn events(&self, channel: ChannelNumber) -> Vec<String> {
        self.0[usize::from(channel)].events.iter().map(|event| event.text()).collect()
    }

    /// What there is in a channel for an organization to begin something with.
    pub(crate) fn known(&self, channel: ChannelNumber, caller: Organization) -> Known {
        let channel = &self.0[usize::from(channel)];
        let outputs_of = |task: &Registered| {
            let task = task.task.clone();
            task.outputs.into_iter().map(move |(output, ..)| (task.task, output))
        };
        let samples_of = |manager: Number| {
            let samples = channel.samples.iter().filter(move |sample| sample.managers.contains(&manager));
            samples.map(|sample| sample.number).collect()
        };
        let executing = channel.tasks.iter().filter(|task| task.status == Status::Executing);
        Known {
            plans: channel.plans.iter().filter(|plan| plan.owner == caller).map(Asset::number).collect(),
            functions: channel.functions.iter().map(Asset::number).collect(),
            outputs: channel.tasks.iter().flat_map(outputs_of).collect(),
            executing: executing.flat_map(outputs_of).collect(),
            models: channel.models.iter().map(Asset::number).collect(),
            data: channel
                .managers
                .iter()
                .map(|manager| (manager.number, samples_of(manager.number)))
                .collect(),
        }
    }

    /// How many events there are that there were not before.
    pub(crate) fn count_news(&self, before: &Self, channel: ChannelNumber) -> usize {
        let count = |reference: &Self| reference.0[usize::from(channel)].events.len();
        count(self) - count(before)
    }
}

/// What has a key.
trait Asset {
    const KIND: Kind;
    fn number(&self) -> Number;
    fn born(&self) -> u32;
    fn text(&self) -> String;
}

/// core/VAL-16, compute/COM-10: a key that is none, and one that nobody has in this channel.
fn find<A: Asset>(assets: &[A], number: Number) -> Outcome<&A> {
    require(number != MALFORMED, INVALID, "core/VAL-16")?;
    assets
        .iter()
        .find(|asset| asset.number() == number)
        .ok_or(Refused { code: NOT_FOUND, rule: "compute/COM-10" })
}

/// What was found before.
fn found<A: Asset>(assets: &mut [A], number: Number) -> &mut A {
    assets.iter_mut().find(|asset| asset.number() == number).expect("it was found before")
}

fn allows(grant: &Grant, organization: Organization) -> bool {
    grant.public || grant.to.contains(&organization)
}

/// A permission as a text: who is listed, with a plus if it is for everybody.
fn grant_text(grant: &Grant) -> String {
    format!("{}{:?}", if grant.public { "+" } else { "" }, grant.to)
}

/// core/PERM-6.
fn union(x: &Grant, y: &Grant) -> Grant {
    if x.public || y.public {
        return Grant { public: true, to: Vec::new() };
    }
    let mut to = Vec::new();
    for organization in x.to.iter().chain(&y.to) {
        if !to.contains(organization) {
            to.push(*organization);
        }
    }
    Grant { public: false, to }
}

impl Channel {
    fn carry_out(&mut self, caller: Organization, operation: &Operation) -> Outcome<String> {
        use Operation as O;
        match operation {
            O::RegisterOrganization => self.register_organization(caller),
            O::Organizations => Ok(format!("{:?}", self.organizations)),
            O::RegisterManager { manager, grant, logs, description, opener } => {
                self.register_manager(caller, *manager, grant, logs, *description, *opener)
            }
            O::RenameManager { manager, name } => self.rename_manager(caller, *manager, *name),
            O::RegisterSamples { samples } => self.register_samples(caller, samples),
            O::LinkSamples { samples, managers } => self.link_samples(caller, samples, managers),
            O::Dataset { manager } => self.dataset(*manager),
            O::RegisterFunction { function, grant, description, archive } => {
                self.register_function(caller, *function, grant, *description, *archive)
            }
            O::UpdateFunction { function, name, image } => {
                self.update_function(caller, *function, *name, *image)
            }
            O::FunctionAction { function, action } => self.function_action(caller, *function, *action),
            O::ProfilingStep { function } => self.profiling_step(caller, *function),
            O::RegisterPlan { plan } => self.register_plan(caller, *plan),
            O::RenamePlan { plan, name } => self.rename_plan(caller, *plan, *name),
            O::PlanAction { plan, cancel } => self.plan_action(caller, *plan, *cancel),
            O::IsPlanRunning { plan } => self.is_plan_running(*plan),
            O::RegisterTasks { tasks } => self.register_tasks(caller, tasks),
            O::TaskAction { task, action, log } => self.task_action(caller, *task, *action, *log),
            O::TaskInputs { task } => self.task_inputs(*task),
            O::TaskModels { task } => self.task_models(*task),
            O::RegisterModels { models } => self.register_models(caller, models),
            O::RegisterPerformance { task, output, halves } => {
                self.register_performance(caller, *task, output, *halves)
            }
            O::DisableOutput { task, output } => self.disable_output(caller, *task, output),
            O::ReportFailure { of, number, logs } => self.report_failure(caller, *of, *number, *logs),
            O::Get { kind, number } => self.get(*kind, *number),
            O::List { list, page_size } => Ok(self.list(list, *page_size)),
        }
    }

    fn keys(&self) -> BTreeSet<(Kind, Number)> {
        fn of<A: Asset>(assets: &[A]) -> impl Iterator<Item = (Kind, Number)> {
            assets.iter().map(|asset| (A::KIND, asset.number()))
        }
        let data = of(&self.managers).chain(of(&self.samples));
        data.chain(of(&self.functions))
            .chain(of(&self.plans))
            .chain(of(&self.tasks))
            .chain(of(&self.models))
            .collect()
    }

    fn tell<A: Asset>(&mut self, what: &'static str, asset: &A, reason: Option<&str>) -> String {
        self.tell_text(what, Some((A::KIND, asset.number())), asset.text(), reason)
    }

    /// Returns the text, which is often the answer, too.
    fn tell_text(
        &mut self,
        what: &'static str,
        about: Option<(Kind, Number)>,
        text: String,
        reason: Option<&str>,
    ) -> String {
        let is_of_task = text.starts_with("task ");
        let reason = reason.map(str::to_owned);
        self.events.push(Arc::new(Event { what, about, is_of_task, text: text.clone(), reason }));
        text
    }

    /// core/VAL-4, then CHN-6: the key of a new asset is one, and nobody has it in any channel.
    fn require_free<A: Asset>(&self, assets: &[A], number: Number) -> Outcome<()> {
        require(number != MALFORMED, INVALID, "core/VAL-4")?;
        require(assets.iter().all(|asset| asset.number() != number), CONFLICT, "core/DM-2")?;
        require(!self.elsewhere.contains(&(A::KIND, number)), CONFLICT, "core/CHN-6")
    }

    /// core/PERM-1, PERM-3.
    fn grant(&self, grant: &Grant, owner: Organization) -> Outcome<Grant> {
        let registered = grant.to.iter().all(|named| self.organizations.contains(named));
        require(grant.public || registered, BAD, "core/PERM-3")?;
        let mut granted = grant.clone();
        if !granted.to.contains(&owner) {
            granted.to.push(owner);
        }
        Ok(granted)
    }

    /// core/DM-7.
    fn claim(&mut self, address: Number) -> Outcome<()> {
        require(self.addresses.insert(address), CONFLICT, "core/DM-7")
    }

    /// core/DM-8.
    fn require_registered(&self, owner: Organization) -> Outcome<()> {
        require(self.organizations.contains(&owner), BAD, "core/DM-8")
    }

    fn register_organization(&mut self, caller: Organization) -> Outcome<String> {
        require(!self.organizations.contains(&caller), CONFLICT, "core/ORG-3")?;
        self.organizations.push(caller);
        Ok(self.tell_text("CREATED", None, format!("organization {caller}"), None))
    }
}
