//! What the organizations of a model check may do: calls about a small universe of names, so that they meet often.

use proptest::prelude::*;

/// An organization: 0 Alder, 1 Birch, 2 Cedar.
pub(crate) type Organization = u8;
/// A function: its number also tells its shape, see [`crate::shape`].
pub(crate) type Number = u8;

/// A call.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    RegisterOrganization,
    RegisterManager { manager: Number, grant: Grant, address: Number },
    RegisterSamples { samples: Vec<(Number, Vec<Number>)> },
    LinkSamples { samples: Vec<Number>, managers: Vec<Number> },
    RegisterFunction { function: Number, grant: Grant, address: Number },
    SetImage { function: Number, address: Option<Number> },
    FunctionAction { function: Number, action: BuildStep },
    RegisterPlan { plan: Number },
    RenamePlan { plan: Number },
    CancelPlan { plan: Number },
    IsPlanRunning { plan: Number },
    RegisterTasks { tasks: Vec<Task> },
    TaskAction { task: Number, action: Step },
    RegisterModels { task: Number, models: Vec<(Number, &'static str, Number)> },
    RegisterPerformance { task: Number, output: &'static str },
    DisableOutput { task: Number, output: &'static str },
    ReportTaskFailure { task: Number, address: Number },
    ReportFunctionFailure { function: Number, address: Number },
    GetTaskInputs { task: Number },
}

/// Whom an asset is granted to, besides its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) public: bool,
    pub(crate) to: Vec<Organization>,
}

/// What a function's owner can do to its build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BuildStep {
    Building,
    Ready,
    Failed,
    Canceled,
}

/// What a member can do to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Executing,
    Done,
    Canceled,
    Failed,
}

/// A task to be registered.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) task: Number,
    pub(crate) function: Number,
    pub(crate) plan: Number,
    pub(crate) worker: Option<Organization>,
    pub(crate) manager: Option<Number>,
    pub(crate) samples: Vec<Number>,
    /// Outputs of parents that go in as models.
    pub(crate) parents: Vec<(Number, &'static str)>,
    /// Models that go in by their key.
    pub(crate) models: Vec<Number>,
    pub(crate) grant: Grant,
    pub(crate) transient: bool,
    /// Whether the outputs are left out.
    pub(crate) without_outputs: bool,
}

fn grant() -> impl Strategy<Value = Grant> {
    let to = prop::collection::vec(0..3u8, 0..3);
    (prop::bool::weighted(0.8), to).prop_map(|(public, to)| Grant { public, to })
}

fn output() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["model", "model", "model", "performance", "head", "parts", "dust"])
}

/// A task that mostly fits its function: what is wrong with the others is wrong in many ways.
fn task() -> impl Strategy<Value = Task> {
    let function = prop::sample::select(vec![0, 1, 1, 1, 2, 3]);
    let about = (5..12u8, function, prop::bool::weighted(0.9), prop::sample::select(vec![0, 0, 1]));
    let samples = prop::collection::vec(prop::sample::select(vec![0, 0, 1, 1, 2]), 1..3);
    let data = (
        prop::sample::select(vec![0, 0, 0, 1]),
        samples,
        prop::option::weighted(0.9, prop::sample::select(vec![0, 1, 1, 2])),
    );
    let parents = prop_oneof![2 => Just(Vec::new()), 3 => prop::collection::vec((0..8u8, output()), 1..3)];
    let models = prop::collection::vec(0..4u8, 0..2);
    let outputs = (grant(), any::<bool>(), prop::bool::weighted(0.03));
    let models = (parents, prop_oneof![5 => Just(Vec::new()), 1 => models]);
    (about, data, models, outputs).prop_map(
        |(
            (task, function, fits, plan),
            (manager, samples, worker),
            (parents, models),
            (grant, transient, without_outputs),
        )| {
            let with_data = (function == 0) == fits;
            Task {
                task,
                function,
                plan,
                worker: worker.filter(|_| !(with_data && fits)),
                manager: with_data.then_some(manager),
                samples: if with_data { samples } else { Vec::new() },
                parents,
                models,
                grant,
                transient,
                without_outputs,
            }
        },
    )
}

/// Calls that bring the universe to life, so that most random ones have something to do.
pub(crate) fn prologue() -> Vec<(Organization, Operation)> {
    use Operation as O;
    const ALDER: Organization = 0;
    const BIRCH: Organization = 1;
    let everybody = || Grant { public: true, to: Vec::new() };
    let build = |function, action| (ALDER, O::FunctionAction { function, action });
    let mut calls = vec![
        (ALDER, O::RegisterOrganization),
        (BIRCH, O::RegisterOrganization),
        (BIRCH, O::RegisterManager { manager: 0, grant: everybody(), address: 100 }),
        (BIRCH, O::RegisterSamples { samples: vec![(0, vec![0]), (1, vec![0])] }),
        (ALDER, O::RegisterPlan { plan: 0 }),
        (BIRCH, O::RegisterPlan { plan: 1 }),
    ];
    calls.extend((0..4).map(|function| {
        (ALDER, O::RegisterFunction { function, grant: everybody(), address: 101 + function })
    }));
    calls.extend([0, 1, 2].map(|function| build(function, BuildStep::Building)));
    calls.extend([0, 1, 2].map(|function| build(function, BuildStep::Ready)));
    let task = |task, function, parents: &[Number]| Task {
        task,
        function,
        plan: 0,
        worker: (function != 0).then_some(BIRCH),
        manager: (function == 0).then_some(0),
        samples: if function == 0 { vec![0] } else { Vec::new() },
        parents: parents.iter().map(|parent| (*parent, "model")).collect(),
        models: Vec::new(),
        grant: everybody(),
        transient: function == 1,
        without_outputs: false,
    };
    let tasks =
        vec![task(0, 0, &[]), task(1, 1, &[]), task(2, 1, &[0, 1]), task(3, 3, &[0]), task(4, 2, &[1])];
    calls.push((ALDER, O::RegisterTasks { tasks }));
    for task in [0, 1] {
        calls.push((BIRCH, O::TaskAction { task, action: Step::Executing }));
        calls.push((BIRCH, O::RegisterModels { task, models: vec![(task, "model", 110 + task)] }));
    }
    // A task that uses a model by its key, beside the children of the task that made it.
    let user = Task { models: vec![1], ..task(5, 1, &[]) };
    calls.push((ALDER, O::RegisterTasks { tasks: vec![user] }));
    calls.push((BIRCH, O::TaskAction { task: 0, action: Step::Done }));
    calls
}

/// A task that there is from the start, more often than not.
fn number() -> impl Strategy<Value = Number> {
    prop::sample::select(vec![0, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4, 5, 6, 7, 8])
}

/// Any call.
pub(crate) fn operation() -> impl Strategy<Value = Operation> {
    use Operation as O;
    let numbers = |most: usize| prop::collection::vec(0..3u8, 0..most);
    let model = (2..8u8, output(), 0..12u8);
    prop_oneof![
        1 => Just(O::RegisterOrganization),
        2 => (0..2u8, grant(), 0..12u8).prop_map(|(manager, grant, address)| O::RegisterManager { manager, grant, address }),
        2 => prop::collection::vec((0..3u8, prop::collection::vec(0..2u8, 0..3)), 0..3)
            .prop_map(|samples| O::RegisterSamples { samples }),
        1 => (numbers(3), prop::collection::vec(0..2u8, 0..3)).prop_map(|(samples, managers)| O::LinkSamples { samples, managers }),
        3 => (0..4u8, grant(), 0..12u8).prop_map(|(function, grant, address)| O::RegisterFunction { function, grant, address }),
        1 => (0..4u8, prop::option::of(0..12u8)).prop_map(|(function, address)| O::SetImage { function, address }),
        4 => (prop::sample::select(vec![0, 1, 2, 3, 3, 3, 3]), prop::sample::select(vec![
                BuildStep::Building, BuildStep::Building, BuildStep::Ready, BuildStep::Ready, BuildStep::Failed, BuildStep::Canceled,
            ])).prop_map(|(function, action)| O::FunctionAction { function, action }),
        2 => (0..2u8).prop_map(|plan| O::RegisterPlan { plan }),
        1 => (0..2u8).prop_map(|plan| O::RenamePlan { plan }),
        1 => (0..2u8).prop_map(|plan| O::CancelPlan { plan }),
        1 => (0..2u8).prop_map(|plan| O::IsPlanRunning { plan }),
        10 => prop::collection::vec(task(), 1..3).prop_map(|tasks| O::RegisterTasks { tasks }),
        30 => (number(), prop::sample::select(vec![
                Step::Executing, Step::Executing, Step::Executing, Step::Done, Step::Done, Step::Done, Step::Canceled, Step::Failed,
            ])).prop_map(|(task, action)| O::TaskAction { task, action }),
        16 => (number(), prop::collection::vec(model, 1..3)).prop_map(|(task, models)| O::RegisterModels { task, models }),
        5 => (number(), prop::sample::select(vec!["performance", "performance", "performance", "model"])).prop_map(|(task, output)| O::RegisterPerformance { task, output }),
        8 => (number(), output()).prop_map(|(task, output)| O::DisableOutput { task, output }),
        1 => (0..8u8, 0..12u8).prop_map(|(task, address)| O::ReportTaskFailure { task, address }),
        1 => (0..4u8, 0..12u8).prop_map(|(function, address)| O::ReportFunctionFailure { function, address }),
        2 => (0..8u8).prop_map(|task| O::GetTaskInputs { task }),
    ]
}

/// A call and who makes it.
pub(crate) fn call() -> impl Strategy<Value = (Organization, Operation)> {
    (prop::sample::select(vec![0, 0, 0, 1, 1, 1, 1, 1, 1, 2]), operation())
}
