//! What the organizations of a model check may do: every call of the API, about a small universe of numbers instead of keys, so that they meet
//! often.

/// An organization: 0 Alder, 1 Birch, 2 Cedar, 3 Dogwood.
pub(crate) type Organization = u8;
/// A channel: 0 is the busy one, 1 the other one.
pub(crate) type Channel = u8;
/// What stands for a key, an address or a name. Numbers of different kinds have nothing to do with each other, but the same number of one kind is
/// the same key in every channel. A function's number also tells its shape, see [`crate::shape`].
pub(crate) type Number = u8;

/// The number that stands for a text that is no key at all.
pub(crate) const MALFORMED: Number = 99;

/// Who does what where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) channel: Channel,
    pub(crate) caller: Organization,
    pub(crate) operation: Operation,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    RegisterOrganization,
    Organizations,
    RegisterManager { manager: Number, grant: Grant, logs: Grant, description: Number, opener: Number },
    RenameManager { manager: Number, name: Number },
    RegisterSamples { samples: Vec<(Number, Vec<Number>)> },
    LinkSamples { samples: Vec<Number>, managers: Vec<Number> },
    Dataset { manager: Number },
    RegisterFunction { function: Number, grant: Grant, description: Number, archive: Number },
    UpdateFunction { function: Number, name: Number, image: Option<Number> },
    FunctionAction { function: Number, action: Option<BuildStep> },
    ProfilingStep { function: Number },
    RegisterPlan { plan: Number },
    RenamePlan { plan: Number, name: Number },
    PlanAction { plan: Number, cancel: bool },
    IsPlanRunning { plan: Number },
    RegisterTasks { tasks: Vec<Task> },
    TaskAction { task: Number, action: Option<Step>, log: bool },
    TaskInputs { task: Number },
    TaskModels { task: Number },
    RegisterModels { models: Vec<NewModel> },
    RegisterPerformance { task: Number, output: &'static str, halves: Number },
    DisableOutput { task: Number, output: &'static str },
    ReportFailure { of: Failing, number: Number, logs: Option<Number> },
    Get { kind: Kind, number: Number },
    List { list: List, page_size: u32 },
}

/// Whom an asset is granted to, besides its owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    pub(crate) task: Number,
    pub(crate) function: Number,
    pub(crate) plan: Number,
    pub(crate) worker: Option<Organization>,
    pub(crate) inputs: Vec<(&'static str, Source)>,
    /// Identifier, permissions, whether it is transient; each identifier once.
    pub(crate) outputs: Vec<(&'static str, Grant, bool)>,
}

/// What goes into a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Asset(Kind, Number),
    Output(Number, &'static str),
}

/// A model to be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewModel {
    pub(crate) model: Number,
    pub(crate) task: Number,
    pub(crate) output: &'static str,
    pub(crate) address: Number,
}

/// What a failure report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failing {
    Task,
    Function,
}

/// Kinds of assets that are looked up by a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Manager,
    Sample,
    Function,
    Plan,
    Task,
    Model,
    ReportOfTask,
    ReportOfFunction,
}

/// A list, with what narrows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Managers,
    Samples {
        among: Vec<Number>,
    },
    Functions {
        plan: Option<Number>,
    },
    Plans {
        owner: Option<Organization>,
    },
    Tasks {
        worker: Option<Organization>,
        done: bool,
        plan: Option<Number>,
        function: Option<Number>,
    },
    Performances {
        task: Option<Number>,
        output: Option<&'static str>,
    },
    Events {
        about: Option<(Kind, Number)>,
        tasks_only: bool,
        updates_only: bool,
        by_user: bool,
        descending: bool,
    },
}

impl Operation {
    /// Its name.
    pub(crate) fn name(&self) -> String {
        let text = format!("{self:?}");
        text.split([' ', '{']).next().unwrap_or_default().to_owned()
    }

    /// The same with one thing less in a batch, for each thing in it.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        fn without_one<T: Clone>(batch: &[T]) -> impl Iterator<Item = Vec<T>> {
            (0..batch.len()).map(|left_out| [&batch[..left_out], &batch[left_out + 1..]].concat())
        }
        match self {
            Self::RegisterSamples { samples } => {
                without_one(samples).map(|samples| Self::RegisterSamples { samples }).collect()
            }
            Self::RegisterTasks { tasks } => {
                without_one(tasks).map(|tasks| Self::RegisterTasks { tasks }).collect()
            }
            Self::RegisterModels { models } => {
                without_one(models).map(|models| Self::RegisterModels { models }).collect()
            }
            _ => Vec::new(),
        }
    }
}
