//! Random calls, mostly about what there is.
//!
//! Strategies know nothing of what has happened: a number from [`KNOWN`] on stands for one of the tasks that there are by then. Of the calls that
//! they propose for a step, [`Step::choose`] takes one that leads somewhere: that the reference accepts, or that it refuses by a rule that was
//! rarely asked. Start at [`steps`].

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::operation::{
    BuildStep, Call, Channel, Failing, Grant, Kind, List, MALFORMED, NewModel, Number, Operation,
    Organization, Source, Step as TaskStep, Task,
};
use crate::reference::{Known, Reference};
use crate::shape::{self, Content};

/// How often each operation came out in which way: accepted with so many events, or refused by which rule.
pub(crate) type Reached = BTreeMap<(String, String), u32>;

/// Calls of one kind, of which one is made.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    calls: Vec<Call>,
    /// Of 10: below 5 the first call that is accepted is taken, below 9 the one whose way is the rarest, else the first.
    mood: u8,
}

/// In which way a call comes out.
pub(crate) fn way(reference: &Reference, call: &Call) -> (String, String) {
    let mut after = reference.clone();
    let is_registration = matches!(call.operation, Operation::RegisterTasks { .. });
    let way = match after.call(call) {
        Ok(answer) if answer == "true" || answer == "false" => format!("ok, {answer}"),
        // A task that is over from the start does not end its plan (compute/PLAN-42, PLAN-51).
        Ok(answer) if is_registration && answer.contains("Failed") => "ok, born failed".to_owned(),
        Ok(_) => format!("ok, {} events", after.count_news(reference, call.channel).min(4)),
        Err(refused) => refused.rule.to_owned(),
    };
    (call.operation.name(), way)
}

impl Step {
    pub(crate) fn choose(&self, reference: &Reference, reached: &mut Reached) -> Call {
        let calls: Vec<Call> = self.calls.iter().map(|call| settle(call, reference)).collect();
        let ways: Vec<_> = calls.iter().map(|call| way(reference, call)).collect();
        let count = |place: &usize| reached.get(&ways[*place]).copied().unwrap_or_default();
        let mut places = 0..calls.len();
        let chosen = match self.mood {
            0..5 => places.find(|place| ways[*place].1.starts_with("ok")),
            5..9 => places.min_by_key(count),
            _ => None,
        };
        let chosen = chosen.unwrap_or(0);
        *reached.entry(ways[chosen].clone()).or_default() += 1;
        calls[chosen].clone()
    }
}

/// The call with what there is in place of numbers from [`KNOWN`] on.
fn settle(call: &Call, reference: &Reference) -> Call {
    let known = reference.known(call.channel, call.caller);
    let mut call = call.clone();
    match &mut call.operation {
        Operation::RegisterTasks { tasks } => tasks.iter_mut().for_each(|task| settle_task(task, &known)),
        Operation::RegisterModels { models } => {
            models
                .iter_mut()
                .for_each(|model| settle_output(&mut model.task, &mut model.output, &known.executing));
        }
        Operation::RegisterPerformance { task, output, .. } => settle_output(task, output, &known.executing),
        Operation::DisableOutput { task, output } => settle_output(task, output, &known.outputs),
        Operation::TaskAction { task, .. }
        | Operation::TaskInputs { task }
        | Operation::TaskModels { task }
        | Operation::ReportFailure { of: Failing::Task, number: task, .. } => {
            settle_output(task, &mut "", &known.outputs);
        }
        Operation::FunctionAction { function, .. } | Operation::ReportFailure { number: function, .. } => {
            settle_number(function, &known.functions);
        }
        _ => {}
    }
    call
}

/// One of the numbers that there are; without any, the first that there could be.
fn settle_number(number: &mut Number, known: &[Number]) {
    if *number >= KNOWN {
        *number = known.get(usize::from(*number) % known.len().max(1)).copied().unwrap_or_default();
    }
}

/// A task that there is and one of its outputs; now and then another output.
fn settle_output(task: &mut Number, output: &mut &'static str, known: &[(Number, &'static str)]) {
    if *task >= KNOWN {
        let place = usize::from(*task) % known.len().max(1);
        let (found, its_output) = known.get(place).copied().unwrap_or((0, *output));
        *output = if *task % 16 == 15 { *output } else { its_output };
        *task = found;
    }
}

/// The caller's plan, a function of the same shape, and what there is to go in; inputs of what there is not are left out.
fn settle_task(task: &mut Task, known: &Known) {
    let shape = task.function % 4;
    let functions: Vec<Number> =
        known.functions.iter().copied().filter(|function| function % 4 == shape).collect();
    settle_number(&mut task.function, &functions);
    settle_number(&mut task.plan, &known.plans);
    if known.outputs.is_empty() {
        task.inputs.retain(|(_, source)| !matches!(source, Source::Output(KNOWN.., _)));
    }
    if known.models.is_empty() {
        task.inputs.retain(|(_, source)| !matches!(source, Source::Asset(Kind::Model, KNOWN..)));
    }
    let mut samples: &[Number] = &[];
    for (_, source) in &mut task.inputs {
        match source {
            Source::Output(parent, output) => settle_output(parent, output, &known.outputs),
            Source::Asset(Kind::Manager, manager) if *manager >= KNOWN => {
                let found = known.data.get(usize::from(*manager) % known.data.len().max(1));
                (*manager, samples) =
                    found.map(|(manager, samples)| (*manager, samples.as_slice())).unwrap_or_default();
            }
            Source::Asset(Kind::Sample, sample) => settle_number(sample, samples),
            Source::Asset(_, number) => settle_number(number, &known.models),
        }
    }
}

/// Numbers from here on stand for something that there is.
const KNOWN: Number = 128;

/// Something that there is, more often than not.
fn known_number(most: Number) -> impl Strategy<Value = Number> {
    prop_oneof![6 => KNOWN..=Number::MAX, 1 => number(most)]
}

/// Of how many calls one is chosen.
const CANDIDATES: usize = 16;

const ALDER: Organization = 0;
const BIRCH: Organization = 1;
const CEDAR: Organization = 2;

/// Numbers of each kind, by how many there are; a few are beyond what anybody registers.
const MANAGERS: Number = 4;
const SAMPLES: Number = 6;
const FUNCTIONS: Number = 14;
pub(crate) const PLANS: Number = 6;
pub(crate) const TASKS: Number = 28;
const MODELS: Number = 20;
const ADDRESSES: Number = 24;

const OUTPUTS: [&str; 5] = ["model", "performance", "head", "parts", "dust"];

/// A number below `most`, or one that stands for no key.
fn number(most: Number) -> impl Strategy<Value = Number> {
    prop_oneof![80 => 0..most, 1 => Just(MALFORMED)]
}

fn numbers(most: Number, count: usize) -> impl Strategy<Value = Vec<Number>> {
    prop::collection::vec(number(most), 0..count)
}

fn organization() -> impl Strategy<Value = Organization> {
    prop::sample::select(vec![ALDER, ALDER, ALDER, BIRCH, BIRCH, BIRCH, CEDAR, CEDAR, 3])
}

fn grant() -> impl Strategy<Value = Grant> {
    let member = prop_oneof![10 => ALDER..=CEDAR, 1 => Just(3)];
    let to = prop::collection::vec(member, 0..3);
    (prop::bool::weighted(0.5), to).prop_map(|(public, to)| Grant { public, to })
}

fn output() -> impl Strategy<Value = &'static str> {
    prop::sample::select(OUTPUTS.to_vec())
}

fn asset_kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Manager, Kind::Sample, Kind::Model])
}

/// Anything at all as an input.
fn stray_input() -> impl Strategy<Value = (&'static str, Source)> {
    let name = prop::sample::select(vec!["model", "opener", "samples", "stray"]);
    let asset = (asset_kind(), 0..MODELS).prop_map(|(kind, number)| Source::Asset(kind, number));
    let parent = (0..TASKS, output()).prop_map(|(parent, output)| Source::Output(parent, output));
    (name, prop_oneof![asset, parent])
}

/// A model as an input: of a parent more often than by its key.
fn model_input() -> impl Strategy<Value = (&'static str, Source)> {
    let by_key = known_number(MODELS).prop_map(|model| Source::Asset(Kind::Model, model));
    let of_parent =
        (known_number(TASKS), output()).prop_map(|(parent, output)| Source::Output(parent, output));
    (Just("model"), prop_oneof![1 => by_key, 3 => of_parent])
}

/// A task that mostly fits the function, with something wrong now and then.
fn task() -> impl Strategy<Value = Task> {
    let about = (
        number(TASKS),
        known_number(FUNCTIONS),
        known_number(PLANS),
        prop::option::weighted(0.8, organization()),
    );
    let models = prop::collection::vec(model_input(), 0..3);
    let data = (known_number(MANAGERS), prop::collection::vec(known_number(SAMPLES), 1..3));
    let strays = prop_oneof![12 => Just(Vec::new()), 1 => prop::collection::vec(stray_input(), 1..3)];
    let outputs = (grant(), any::<bool>(), prop::option::weighted(0.1, (output(), any::<bool>())));
    (about, models, data, strays, any::<bool>(), outputs).prop_map(
        |(
            (task, function, plan, worker),
            models,
            data,
            strays,
            data_first,
            (grant, transient, odd_output),
        )| {
            let has_data = shape::input(function, "opener").is_some();
            let inputs = inputs_of(if has_data { Some(data) } else { None }, models, strays, data_first);
            let worker = worker.filter(|worker| !has_data || *worker == CEDAR);
            let outputs = outputs_of(function, &grant, transient, odd_output);
            Task { task, function, plan, worker, inputs, outputs }
        },
    )
}

type Inputs = Vec<(&'static str, Source)>;

fn inputs_of(
    data: Option<(Number, Vec<Number>)>,
    models: Inputs,
    strays: Inputs,
    data_first: bool,
) -> Inputs {
    let mut inputs = Inputs::new();
    if let Some((manager, samples)) = data {
        inputs.push(("opener", Source::Asset(Kind::Manager, manager)));
        inputs.extend(samples.into_iter().map(|sample| ("samples", Source::Asset(Kind::Sample, sample))));
    }
    let place = if data_first { inputs.len() } else { 0 };
    inputs.splice(place..place, models);
    inputs.splice(0..0, strays);
    inputs
}

/// The declared outputs, all granted alike; an odd one replaces the last, or is added.
fn outputs_of(
    function: Number,
    grant: &Grant,
    transient: bool,
    odd: Option<(&'static str, bool)>,
) -> Vec<(&'static str, Grant, bool)> {
    let mut outputs: Vec<_> = shape::outputs(function)
        .iter()
        .map(|(name, content, _)| match (content, odd) {
            (Content::Performance, None) => (*name, Grant { public: true, ..grant.clone() }, false),
            _ => (*name, grant.clone(), transient),
        })
        .collect();
    if let Some((name, replaces)) = odd {
        if replaces {
            outputs.pop();
        }
        if outputs.iter().all(|(given, ..)| *given != name) {
            outputs.push((name, grant.clone(), transient));
        }
    }
    outputs
}

fn new_models() -> impl Strategy<Value = Vec<NewModel>> {
    let model = (number(MODELS), output(), 0..ADDRESSES, prop::option::weighted(0.05, known_number(TASKS)));
    let models = prop_oneof![20 => prop::collection::vec(model, 1..4), 1 => Just(Vec::new())];
    let twins = (prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    (known_number(TASKS), models, twins).prop_map(|(task, models, (same_key, same_address))| {
        let first = models.first().copied();
        let model = |(model, output, address, other_task): (Number, _, Number, Option<Number>)| NewModel {
            model: first.filter(|_| same_key).map_or(model, |first| first.0),
            task: other_task.unwrap_or(task),
            output,
            address: first.filter(|_| same_address).map_or(address, |first| first.2),
        };
        models.into_iter().map(model).collect()
    })
}

fn build_step() -> impl Strategy<Value = Option<BuildStep>> {
    let steps =
        [BuildStep::Building, BuildStep::Building, BuildStep::Ready, BuildStep::Failed, BuildStep::Canceled];
    prop::option::weighted(0.95, prop::sample::select(steps.to_vec()))
}

fn task_step() -> impl Strategy<Value = Option<TaskStep>> {
    use TaskStep::{Canceled, Done, Executing, Failed};
    let steps = vec![Executing, Executing, Executing, Executing, Done, Done, Done, Done, Canceled, Failed];
    prop::option::weighted(0.98, prop::sample::select(steps))
}

fn list() -> impl Strategy<Value = List> {
    fn perhaps(most: Number) -> impl Strategy<Value = Option<Number>> {
        prop::option::of(0..most)
    }
    let about = (asset_kind(), 0..MODELS);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    prop_oneof![
        Just(List::Managers),
        prop::collection::vec(0..SAMPLES, 0..5).prop_map(|among| List::Samples { among }),
        perhaps(PLANS).prop_map(|plan| List::Functions { plan }),
        prop::option::of(organization()).prop_map(|owner| List::Plans { owner }),
        (prop::option::of(organization()), any::<bool>(), perhaps(PLANS), perhaps(FUNCTIONS))
            .prop_map(|(worker, done, plan, function)| List::Tasks { worker, done, plan, function }),
        (perhaps(TASKS), prop::option::of(output()))
            .prop_map(|(task, output)| List::Performances { task, output }),
        (prop::option::weighted(0.3, about), flags).prop_map(
            |(about, (tasks_only, updates_only, by_user, descending))| {
                List::Events { about, tasks_only, updates_only, by_user, descending }
            }
        ),
    ]
}

fn asset() -> impl Strategy<Value = Operation> {
    let kinds = [
        Kind::Manager,
        Kind::Sample,
        Kind::Function,
        Kind::Plan,
        Kind::Task,
        Kind::Model,
        Kind::ReportOfTask,
        Kind::ReportOfFunction,
    ];
    (prop::sample::select(kinds.to_vec()), number(TASKS))
        .prop_map(|(kind, number)| Operation::Get { kind, number })
}

/// All operations, each with how often it is wanted.
fn operations() -> Vec<(u32, BoxedStrategy<Operation>)> {
    use Operation as O;
    let addresses = || (0..ADDRESSES, 0..ADDRESSES);
    vec![
        (1, Just(O::RegisterOrganization).boxed()),
        (1, Just(O::Organizations).boxed()),
        (
            2,
            (number(MANAGERS), grant(), grant(), addresses())
                .prop_map(|(manager, grant, logs, (description, opener))| O::RegisterManager {
                    manager,
                    grant,
                    logs,
                    description,
                    opener,
                })
                .boxed(),
        ),
        (
            1,
            (number(MANAGERS), 0..3u8).prop_map(|(manager, name)| O::RenameManager { manager, name }).boxed(),
        ),
        (
            2,
            prop::collection::vec((number(SAMPLES), numbers(MANAGERS, 3)), 0..3)
                .prop_map(|samples| O::RegisterSamples { samples })
                .boxed(),
        ),
        (
            1,
            (numbers(SAMPLES, 3), numbers(MANAGERS, 3))
                .prop_map(|(samples, managers)| O::LinkSamples { samples, managers })
                .boxed(),
        ),
        (1, number(MANAGERS).prop_map(|manager| O::Dataset { manager }).boxed()),
        (
            4,
            (number(FUNCTIONS), grant(), addresses())
                .prop_map(|(function, grant, (description, archive))| O::RegisterFunction {
                    function,
                    grant,
                    description,
                    archive,
                })
                .boxed(),
        ),
        (
            2,
            (number(FUNCTIONS), 0..3u8, prop::option::of(0..ADDRESSES))
                .prop_map(|(function, name, image)| O::UpdateFunction { function, name, image })
                .boxed(),
        ),
        (
            5,
            (known_number(FUNCTIONS), build_step())
                .prop_map(|(function, action)| O::FunctionAction { function, action })
                .boxed(),
        ),
        (1, number(FUNCTIONS).prop_map(|function| O::ProfilingStep { function }).boxed()),
        (1, number(PLANS).prop_map(|plan| O::RegisterPlan { plan }).boxed()),
        (1, (number(PLANS), 0..3u8).prop_map(|(plan, name)| O::RenamePlan { plan, name }).boxed()),
        (
            1,
            (number(PLANS), prop::bool::weighted(0.7))
                .prop_map(|(plan, cancel)| O::PlanAction { plan, cancel })
                .boxed(),
        ),
        (2, number(PLANS).prop_map(|plan| O::IsPlanRunning { plan }).boxed()),
        (14, prop_oneof![20 => prop::collection::vec(task(), 1), 10 => prop::collection::vec(task(), 2..4), 1 => Just(Vec::new())].prop_map(|tasks| O::RegisterTasks { tasks }).boxed()),
        (
            20,
            (known_number(TASKS), task_step(), prop::bool::weighted(0.2))
                .prop_map(|(task, action, log)| O::TaskAction { task, action, log })
                .boxed(),
        ),
        (2, known_number(TASKS).prop_map(|task| O::TaskInputs { task }).boxed()),
        (1, known_number(TASKS).prop_map(|task| O::TaskModels { task }).boxed()),
        (12, new_models().prop_map(|models| O::RegisterModels { models }).boxed()),
        (
            4,
            (known_number(TASKS), output(), 0..5u8)
                .prop_map(|(task, output, halves)| O::RegisterPerformance { task, output, halves })
                .boxed(),
        ),
        (6, (known_number(TASKS), output()).prop_map(|(task, output)| O::DisableOutput { task, output }).boxed()),
        (
            3,
            (known_number(TASKS), prop::option::weighted(0.7, 0..ADDRESSES))
                .prop_map(|(number, logs)| O::ReportFailure { of: Failing::Task, number, logs })
                .boxed(),
        ),
        (
            2,
            (known_number(FUNCTIONS), prop::option::weighted(0.7, 0..ADDRESSES))
                .prop_map(|(number, logs)| O::ReportFailure { of: Failing::Function, number, logs })
                .boxed(),
        ),
        (4, asset().boxed()),
        (
            4,
            (list(), prop::sample::select(vec![0, 1, 2, 3, 7]))
                .prop_map(|(list, page_size)| O::List { list, page_size })
                .boxed(),
        ),
    ]
}

fn channel() -> impl Strategy<Value = Channel> {
    prop::sample::select(vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
}

/// A step whose calls are all of one operation.
fn step() -> impl Strategy<Value = Step> {
    let steps = operations().into_iter().map(|(weight, operation)| {
        let call = (channel(), organization(), operation).prop_map(|(channel, caller, operation)| Call {
            channel,
            caller,
            operation,
        });
        let step =
            (prop::collection::vec(call, CANDIDATES), 0..10u8).prop_map(|(calls, mood)| Step { calls, mood });
        (weight, step.boxed())
    });
    prop::strategy::Union::new_weighted(steps.collect())
}

/// So many steps.
pub(crate) fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), count)
}

/// Calls that bring the universe to life, so that random ones have something to do.
pub(crate) fn prologue() -> Vec<Call> {
    use Operation as O;
    let everybody = || Grant { public: true, to: Vec::new() };
    let mut calls = Vec::new();
    let mut call = |channel, caller, operation| calls.push(Call { channel, caller, operation });
    for (channel, members) in [(0, 0..3), (1, 0..2)] {
        members.for_each(|member| call(channel, member, O::RegisterOrganization));
    }
    let manager = |manager, description| O::RegisterManager {
        manager,
        grant: everybody(),
        logs: Grant::default(),
        description,
        opener: description + 1,
    };
    call(0, BIRCH, manager(0, 100));
    call(0, BIRCH, O::RegisterSamples { samples: vec![(0, vec![0]), (1, vec![0])] });
    call(0, ALDER, O::RegisterPlan { plan: 0 });
    call(0, BIRCH, O::RegisterPlan { plan: 1 });
    call(0, CEDAR, O::RegisterPlan { plan: 2 });
    call(1, ALDER, O::RegisterPlan { plan: 3 });
    call(0, ALDER, O::RegisterPlan { plan: 4 });
    for function in [0, 1, 2, 3, 4, 5, 7, 9, 13] {
        let (channel, description) = (u8::from(function == 5), 110 + 2 * function);
        let grant = everybody();
        call(channel, ALDER, O::RegisterFunction { function, grant, description, archive: description + 1 });
        let steps: &[BuildStep] = match function {
            3 | 9 => &[],
            13 => &[BuildStep::Building],
            _ => &[BuildStep::Building, BuildStep::Ready],
        };
        for action in steps {
            call(channel, ALDER, O::FunctionAction { function, action: Some(*action) });
        }
    }
    let task = |task, function, plan, inputs: Inputs| {
        let worker = (function != 0).then_some(BIRCH);
        Task { task, function, plan, worker, inputs, outputs: outputs_of(function, &everybody(), true, None) }
    };
    let data = inputs_of(Some((0, vec![0, 1])), vec![], vec![], true);
    let of_0_and_1 = [0, 1].map(|parent| ("model", Source::Output(parent, "model"))).to_vec();
    let of_2 = vec![("model", Source::Output(2, "model"))];
    let tasks = vec![
        task(0, 0, 0, data),
        task(1, 1, 0, vec![]),
        task(2, 1, 0, of_0_and_1),
        task(3, 2, 0, of_2.clone()),
        task(4, 3, 0, of_2),
        task(5, 1, 0, vec![("model", Source::Output(1, "model"))]),
        task(6, 1, 4, vec![]),
        task(7, 1, 4, vec![("model", Source::Output(6, "model"))]),
        task(8, 1, 0, vec![]),
        task(9, 2, 0, vec![("model", Source::Output(8, "model"))]),
        task(10, 2, 0, vec![("model", Source::Output(8, "model"))]),
        task(11, 7, 0, vec![("model", Source::Output(8, "model"))]),
    ];
    call(0, ALDER, O::RegisterTasks { tasks });
    call(1, ALDER, O::RegisterTasks { tasks: vec![task(TASKS - 1, 5, 3, vec![])] });
    let act = |task, action| O::TaskAction { task, action: Some(action), log: false };
    [0, 1].into_iter().for_each(|task| call(0, BIRCH, act(task, TaskStep::Executing)));
    // Whoever finishes task 1 wakes two children, and not in the order in which they were registered (compute/CASC-2).
    call(0, BIRCH, act(0, TaskStep::Done));
    call(1, BIRCH, act(TASKS - 1, TaskStep::Executing));
    call(1, BIRCH, act(TASKS - 1, TaskStep::Done));
    // A task that is done and whose model is disabled (compute/TASK-13), and one whose model is there.
    call(0, BIRCH, act(7, TaskStep::Canceled));
    for (task, model, address) in [(6, MODELS - 1, 140), (8, MODELS - 2, 141)] {
        call(0, BIRCH, act(task, TaskStep::Executing));
        call(
            0,
            BIRCH,
            O::RegisterModels { models: vec![NewModel { model, task, output: "model", address }] },
        );
        call(0, BIRCH, act(task, TaskStep::Done));
    }
    call(0, BIRCH, O::DisableOutput { task: 6, output: "model" });
    // A task whose performance is awaited, and one that may make several models.
    [9, 11].into_iter().for_each(|task| call(0, BIRCH, act(task, TaskStep::Executing)));
    calls
}
