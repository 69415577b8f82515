//! Who may call what on whose asset, under which permissions, and who may be named as worker.
//!
//! Alder owns functions, a plan and tasks; Birch works on the tasks and owns a data manager and a sample; Cedar is a member that permissions may
//! name; Dogwood is one that they never name; Elm is a member that has not registered. Each cell is tried in a fresh [`Estate`].

use std::collections::BTreeMap;

use asset::compute_plan::{
    ApplyComputePlanAction, ComputePlanAction, GetComputePlan, IsComputePlanRunning, NewComputePlan,
    RegisterComputePlan, RenameComputePlan,
};
use asset::compute_task::action::{ApplyComputeTaskAction, ComputeTaskAction};
use asset::compute_task::inquiry::{GetComputeTask, GetTaskInputAssets};
use asset::compute_task::output::DisableOutput;
use asset::compute_task::registration::{
    NewComputeTask, NewInputSource, NewTaskInput, NewTaskOutput, RegisterComputeTasks,
};
use asset::data_manager::{
    GetDataManager, GetDataset, NewDataManager, RegisterDataManager, RenameDataManager,
};
use asset::data_sample::{GetDataSample, LinkDataSamples, NewDataSample, RegisterDataSamples};
use asset::failure_report::{
    ErrorType, FailedAssetKind, GetFailureReport, NewFailureReport, RegisterFailureReport,
};
use asset::function::GetFunction;
use asset::function::build::{ApplyFunctionAction, FunctionAction};
use asset::function::registration::{NewFunction, NewFunctionInput, NewFunctionOutput, RegisterFunction};
use asset::function::update::UpdateFunction;
use asset::model::{GetModel, GetTaskOutputModels, NewModel, RegisterModels};
use asset::organization::RegisterOrganization;
use asset::performance::RegisterPerformance;
use asset::permission::NewPermissions;
use asset::profiling_step::RegisterProfilingStep;
use asset::{AssetKind, Command, Inquiry, OrganizationId, Policy, Refusal};

use crate::table;
use crate::world::{World, key, public};

const MEMBERS: [&str; 5] = ["Alder", "Birch", "Cedar", "Dogwood", "Elm"];

/// Makes flour, a model, of grist, any number of models.
const MILL: u32 = 0xf0;
/// Makes flour of a data manager's samples; public.
const SIEVE: u32 = 0xf1;
/// Measures the weight of grist; public.
const SCALE: u32 = 0xf2;
/// Like the mill, not built yet.
const NEW_MILL: u32 = 0xf3;
const SILO: u32 = 0xd0;
const GRAIN: u32 = 0xd1;
const PLAN: u32 = 0xa0;
const MILLING: u32 = 1;
const WEIGHING: u32 = 2;
/// Done, and so is its only child.
const MILLED: u32 = 3;
const CHILD: u32 = 4;
const BROKEN: u32 = 5;
const FLOUR: u32 = 0xe0;
const NEW: u32 = 0x99;

const PERMISSIONS: [&str; 3] = ["private", "for Cedar", "public"];

fn permissions(name: &str) -> Option<NewPermissions> {
    let authorized_ids = if name == "for Cedar" { vec![OrganizationId::new("Cedar")] } else { Vec::new() };
    Some(NewPermissions { public: name == "public", authorized_ids })
}

/// Assets of Alder and Birch, all with the same permissions unless they must be public.
struct Estate {
    world: World,
    permissions: Option<NewPermissions>,
}

impl Estate {
    fn new(permissions: Option<NewPermissions>) -> Self {
        let mut estate = Self { world: World::new(), permissions };
        for number in [MILL, SIEVE, SCALE, NEW_MILL] {
            let function = estate.new_function(number);
            estate.call("Alder", RegisterFunction::new(function, Policy::default())).unwrap();
        }
        for number in [MILL, SIEVE, SCALE] {
            estate.world.build(number, FunctionAction::Building).unwrap();
            estate.world.build(number, FunctionAction::Ready).unwrap();
        }
        let silo = estate.new_data_manager(SILO);
        estate.call("Birch", RegisterDataManager::new(silo, Policy::default())).unwrap();
        estate.call("Birch", Ok(sample(GRAIN, &[SILO]))).unwrap();
        for (number, owner) in (PLAN..).zip(["Alder", "Birch", "Cedar", "Dogwood"]) {
            estate.call(owner, plan(number)).unwrap();
        }
        estate.run_tasks();
        estate
    }

    /// All tasks but one are Birch's to work on.
    fn run_tasks(&mut self) {
        let tasks = [(MILLING, MILL), (WEIGHING, SCALE), (MILLED, MILL), (BROKEN, MILL)];
        let mut tasks =
            tasks.map(|(number, function)| self.new_task(number, function, "Birch", vec![])).to_vec();
        tasks.push(self.new_task(CHILD, SCALE, "Alder", vec![flour_of(MILLED)]));
        self.call("Alder", RegisterComputeTasks::new(tasks, Policy::default())).unwrap();
        for number in [MILLING, WEIGHING, MILLED, BROKEN] {
            self.act("Birch", number, ComputeTaskAction::Executing).unwrap();
        }
        self.register_model("Birch", MILLED, FLOUR).unwrap();
        self.act("Birch", MILLED, ComputeTaskAction::Done).unwrap();
        self.act("Alder", CHILD, ComputeTaskAction::Canceled).unwrap();
        self.report("Birch", BROKEN, FailedAssetKind::ComputeTask).unwrap();
    }

    fn call<C: Command>(&mut self, caller: &str, command: Result<C, Refusal>) -> Result<(), Refusal> {
        self.world.call(caller, &command?).map(drop)
    }

    /// No inquiry even knows who asks: reads are not restricted (core/ID-17, compute/PRM-4).
    fn ask<I: Inquiry>(&mut self, inquiry: Result<I, Refusal>) -> Result<(), Refusal> {
        self.world.inquire(&inquiry?).map(drop)
    }

    fn act(&mut self, caller: &str, task: u32, action: ComputeTaskAction) -> Result<(), Refusal> {
        self.world.act(caller, task, action).map(drop)
    }

    fn build(&mut self, caller: &str, function: u32, action: FunctionAction) -> Result<(), Refusal> {
        self.call(caller, ApplyFunctionAction::new(&key(function), Some(action)))
    }

    fn report(&mut self, caller: &str, number: u32, kind: FailedAssetKind) -> Result<(), Refusal> {
        let report = NewFailureReport {
            asset_key: key(number),
            asset_type: Some(kind),
            asset_type_defined: true,
            error_type: Some(ErrorType::Execution),
            logs_address: Some(self.world.address()),
        };
        self.call(caller, RegisterFailureReport::new(report, Policy::default()))
    }

    fn register_model(&mut self, caller: &str, task: u32, number: u32) -> Result<(), Refusal> {
        let model = NewModel {
            key: key(number),
            compute_task_key: key(task),
            compute_task_output_identifier: "flour".into(),
            address: Some(self.world.address()),
        };
        self.call(caller, RegisterModels::new(vec![model], Policy::default()))
    }

    fn new_function(&mut self, number: u32) -> NewFunction {
        let (inputs, output) = match number {
            SIEVE => (
                vec![
                    input("opener", AssetKind::DataManager, false),
                    input("grain", AssetKind::DataSample, true),
                ],
                output("flour", AssetKind::Model),
            ),
            SCALE => (vec![input("grist", AssetKind::Model, true)], output("weight", AssetKind::Performance)),
            _ => (vec![input("grist", AssetKind::Model, true)], output("flour", AssetKind::Model)),
        };
        let public = if matches!(number, SIEVE | SCALE) { public() } else { None };
        NewFunction {
            key: key(number),
            name: "function".into(),
            description: Some(self.world.address()),
            archive: Some(self.world.address()),
            new_permissions: public.or_else(|| self.permissions.clone()),
            inputs: inputs.into_iter().collect(),
            outputs: BTreeMap::from([output]),
            ..NewFunction::default()
        }
    }

    fn new_data_manager(&mut self, number: u32) -> NewDataManager {
        NewDataManager {
            key: key(number),
            name: "silo".into(),
            new_permissions: self.permissions.clone(),
            logs_permission: self.permissions.clone(),
            description: Some(self.world.address()),
            opener: Some(self.world.address()),
            ..NewDataManager::default()
        }
    }

    /// A task in the plan of Alder.
    fn new_task(
        &self,
        number: u32,
        function: u32,
        worker: &str,
        inputs: Vec<NewTaskInput>,
    ) -> NewComputeTask {
        let output = match function {
            SCALE => ("weight", NewTaskOutput { permissions: public(), transient: false }),
            _ => ("flour", NewTaskOutput { permissions: self.permissions.clone(), transient: true }),
        };
        NewComputeTask {
            key: key(number),
            function_key: key(function),
            compute_plan_key: key(PLAN),
            worker: worker.into(),
            inputs,
            outputs: BTreeMap::from([(output.0.to_owned(), output.1)]),
            ..NewComputeTask::default()
        }
    }

    /// A task in a plan of the caller, which Elm cannot have.
    fn register_own_task(
        &mut self,
        caller: &str,
        function: u32,
        worker: &str,
        inputs: Vec<NewTaskInput>,
    ) -> Result<(), Refusal> {
        let plan = (PLAN..).zip(MEMBERS).find(|(_, owner)| *owner == caller).unwrap().0;
        let task =
            NewComputeTask { compute_plan_key: key(plan), ..self.new_task(NEW, function, worker, inputs) };
        self.call(caller, RegisterComputeTasks::new(vec![task], Policy::default()))
    }
}

fn input(name: &str, kind: AssetKind, multiple: bool) -> (String, NewFunctionInput) {
    (name.to_owned(), NewFunctionInput { kind: Some(kind), multiple, optional: multiple })
}

fn output(name: &str, kind: AssetKind) -> (String, NewFunctionOutput) {
    (name.to_owned(), NewFunctionOutput { kind: Some(kind), multiple: false })
}

fn sample(number: u32, managers: &[u32]) -> RegisterDataSamples {
    let data_manager_keys = managers.iter().map(|manager| key(*manager)).collect();
    let request = NewDataSample { key: key(number), data_manager_keys, checksum: "0".repeat(64) };
    RegisterDataSamples::new(vec![request], Policy::default())
}

fn plan(number: u32) -> Result<RegisterComputePlan, Refusal> {
    let request = NewComputePlan { key: key(number), name: "plan".into(), ..NewComputePlan::default() };
    RegisterComputePlan::new(request, Policy::default())
}

fn by_key(identifier: &str, number: u32) -> NewTaskInput {
    NewTaskInput { identifier: identifier.into(), source: Some(NewInputSource::AssetKey(key(number))) }
}

fn flour_of(parent: u32) -> NewTaskInput {
    let source =
        NewInputSource::ParentOutput { parent_task_key: key(parent), output_identifier: "flour".into() };
    NewTaskInput { identifier: "grist".into(), source: Some(source) }
}

fn data() -> Vec<NewTaskInput> {
    vec![by_key("opener", SILO), by_key("grain", GRAIN)]
}

/// What somebody tries: the name of the call, perhaps with what is called for, and the call.
type Attempt = (&'static str, fn(&mut Estate, &str) -> Result<(), Refusal>);

const CALLS: &[Attempt] = &[
    ("RegisterOrganization", |estate, caller| {
        let id = OrganizationId::new(caller);
        estate.call(caller, RegisterOrganization::new(String::new(), &id, Policy::default()))
    }),
    ("RegisterDataManager", |estate, caller| {
        let new = estate.new_data_manager(NEW);
        estate.call(caller, RegisterDataManager::new(new, Policy::default()))
    }),
    ("GetDataManager", |estate, _| estate.ask(GetDataManager::new(&key(SILO)))),
    ("GetDataset", |estate, _| estate.ask(GetDataset::new(&key(SILO)))),
    ("UpdateDataManager", |estate, caller| {
        estate.call(caller, RenameDataManager::new(&key(SILO), "barn".into(), Policy::default()))
    }),
    ("RegisterDataSamples without a data manager", |estate, caller| {
        estate.call(caller, Ok(sample(NEW, &[])))
    }),
    ("RegisterDataSamples with Birch's data manager", |estate, caller| {
        estate.call(caller, Ok(sample(NEW, &[SILO])))
    }),
    ("GetDataSample", |estate, _| estate.ask(GetDataSample::new(&key(GRAIN)))),
    ("UpdateDataSamples without a data manager", |estate, caller| {
        estate.call(caller, LinkDataSamples::new(&[key(GRAIN)], &[], Policy::default()))
    }),
    ("RegisterFunction", |estate, caller| {
        let new = estate.new_function(NEW);
        estate.call(caller, RegisterFunction::new(new, Policy::default()))
    }),
    ("GetFunction", |estate, _| estate.ask(GetFunction::new(&key(NEW_MILL)))),
    ("UpdateFunction", |estate, caller| {
        estate.call(caller, UpdateFunction::new(&key(NEW_MILL), "mill".into(), None, Policy::default()))
    }),
    ("ApplyFunctionAction BUILDING", |estate, caller| {
        estate.build(caller, NEW_MILL, FunctionAction::Building)
    }),
    ("RegisterFailureReport of a function", |estate, caller| {
        estate.build("Alder", NEW_MILL, FunctionAction::Building)?;
        estate.report(caller, NEW_MILL, FailedAssetKind::Function)
    }),
    ("RegisterProfilingStep", |estate, caller| {
        estate.call(caller, RegisterProfilingStep::new(&key(NEW_MILL), "step".into(), 1, Policy::default()))
    }),
    ("RegisterPlan", |estate, caller| estate.call(caller, plan(NEW))),
    ("GetPlan", |estate, _| estate.ask(GetComputePlan::new(&key(PLAN)))),
    ("IsPlanRunning", |estate, _| estate.ask(IsComputePlanRunning::new(&key(PLAN)))),
    ("UpdatePlan", |estate, caller| {
        estate.call(caller, RenameComputePlan::new(&key(PLAN), "harvest".into(), Policy::default()))
    }),
    ("ApplyPlanAction CANCELED", |estate, caller| {
        estate.call("Alder", plan(NEW))?;
        estate.call(caller, ApplyComputePlanAction::new(&key(NEW), Some(ComputePlanAction::Cancel)))
    }),
    ("ApplyPlanAction, unknown", |estate, caller| {
        estate.call(caller, ApplyComputePlanAction::new(&key(PLAN), None))
    }),
    ("RegisterTasks in Alder's plan", |estate, caller| {
        let task = estate.new_task(NEW, MILL, "Birch", vec![]);
        estate.call(caller, RegisterComputeTasks::new(vec![task], Policy::default()))
    }),
    ("RegisterTasks in an own plan, of Alder's function", |estate, caller| {
        estate.register_own_task(caller, MILL, "Birch", vec![])
    }),
    ("RegisterTasks in an own plan, on Birch's data", |estate, caller| {
        estate.register_own_task(caller, SIEVE, "", data())
    }),
    ("GetTask", |estate, _| estate.ask(GetComputeTask::new(&key(MILLING)))),
    ("GetTaskInputAssets", |estate, _| estate.ask(GetTaskInputAssets::new(&key(MILLING)))),
    ("ApplyTaskAction DONE", |estate, caller| estate.act(caller, MILLING, ComputeTaskAction::Done)),
    ("ApplyTaskAction CANCELED", |estate, caller| estate.act(caller, MILLING, ComputeTaskAction::Canceled)),
    ("ApplyTaskAction FAILED", |estate, caller| estate.act(caller, MILLING, ComputeTaskAction::Failed)),
    ("ApplyTaskAction, unknown", |estate, caller| {
        estate.call(caller, ApplyComputeTaskAction::new(&key(MILLING), None, String::new()))
    }),
    ("RegisterModels", |estate, caller| estate.register_model(caller, MILLING, NEW)),
    ("GetModel", |estate, _| estate.ask(GetModel::new(&key(FLOUR)))),
    ("GetComputeTaskOutputModels", |estate, _| estate.ask(GetTaskOutputModels::new(&key(MILLED)))),
    ("RegisterPerformance", |estate, caller| {
        estate.call(caller, RegisterPerformance::new(&key(WEIGHING), "weight".into(), 1.5, Policy::default()))
    }),
    ("DisableOutput", |estate, caller| estate.call(caller, DisableOutput::new(&key(MILLED), "flour".into()))),
    ("RegisterFailureReport of a task", |estate, caller| {
        estate.report(caller, MILLING, FailedAssetKind::ComputeTask)
    }),
    ("GetFailureReport", |estate, _| estate.ask(GetFailureReport::new(&key(BROKEN)))),
];

/// What the caller, one of the members, names as worker; Alder calls unless it says otherwise.
const WORKERS: &[Attempt] = &[
    ("without inputs", |estate, worker| estate.register_own_task("Alder", MILL, worker, vec![])),
    ("on Birch's data, called by Birch", |estate, worker| {
        estate.register_own_task("Birch", SIEVE, worker, data())
    }),
    ("on a model by its key", |estate, worker| {
        estate.register_own_task("Alder", MILL, worker, vec![by_key("grist", FLOUR)])
    }),
    ("on the output of a parent", |estate, worker| {
        estate.register_own_task("Alder", MILL, worker, vec![flour_of(MILLING)])
    }),
];

/// Each attempt by each member on an estate of its own, for each of the permissions; one line if these make no difference.
fn grid(attempts: &[Attempt]) -> Vec<String> {
    let cells = |attempt: fn(&mut Estate, &str) -> Result<(), Refusal>, granted: &str| {
        let outcomes = MEMBERS.map(|member| {
            let outcome = attempt(&mut Estate::new(permissions(granted)), member);
            outcome.map_or_else(|refusal| refusal.code.as_str(), |()| "ok")
        });
        outcomes.join(" | ")
    };
    let mut grid = Vec::new();
    for (name, attempt) in attempts {
        let rows = PERMISSIONS.map(|granted| cells(*attempt, granted));
        if rows.iter().all(|row| *row == rows[0]) {
            grid.push(format!("{name} | any | {}", rows[0]));
        } else {
            let lines =
                PERMISSIONS.iter().zip(rows).map(|(granted, row)| format!("{name} | {granted} | {row}"));
            grid.extend(lines);
        }
    }
    grid
}

#[test]
fn who_may_call_what_on_whose_asset() {
    table::check("callers", &grid(CALLS));
}

#[test]
fn who_may_be_the_worker_of_a_task() {
    // compute/TASK-15, TASK-16, TASK-18
    table::check("workers", &grid(WORKERS));
}
