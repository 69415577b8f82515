//! Registering tasks: one or many, depending on each other and on stored ones, all or nothing (compute/TASK-1 … TASK-33).
//!
//! The ladder of checks stands in `Registrar::register`; each rung is a method below it, in the same order. Tasks are judged, stored,
//! announced and returned in the order of [`super::order`], so each finds its parents registered.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::iter;
use std::sync::Arc;

use uuid::Uuid;

use crate::caller::OrganizationId;
use crate::change::Change;
use crate::command::{Call, Command, Decision};
use crate::compute_task::inquiry::needs_of_asset_inputs;
use crate::compute_task::order::order;
use crate::compute_task::{ComputeTask, ComputeTaskStatus, InputSource, TaskInput, TaskOutput, parents_of};
use crate::data_manager::DataManager;
use crate::event::AssetKind;
use crate::facts::{Facts, Needs};
use crate::footprint::Footprint;
use crate::function::{Function, FunctionInput, FunctionStatus};
use crate::key::{ComputePlanKey, ComputeTaskKey, DataManagerKey, DataSampleKey, FunctionKey, Key, ModelKey};
use crate::limits::{TASKS_BYTES, TASKS_BYTES_PER_REQUEST_BYTE};
use crate::metadata::Metadata;
use crate::permission::{NewPermissions, Permission, Permissions};
use crate::refusal::{Code, Refusal};
use crate::validation::{Policy, Violations};

/// A registration as it was asked for.
#[derive(Clone, Debug, Default)]
pub struct NewComputeTask {
    /// Required, strict form.
    pub key: String,
    /// Required, strict form.
    pub function_key: String,
    /// Required, strict form.
    pub compute_plan_key: String,
    /// Who shall run it; empty if the data manager decides.
    pub worker: String,
    /// Free annotations.
    pub metadata: Metadata,
    /// Its inputs.
    pub inputs: Vec<NewTaskInput>,
    /// Its outputs by identifier.
    pub outputs: BTreeMap<String, NewTaskOutput>,
}

/// An input as it was asked for.
#[derive(Clone, Debug, Default)]
pub struct NewTaskInput {
    /// Required.
    pub identifier: String,
    /// Required.
    pub source: Option<NewInputSource>,
}

/// What shall go into a task.
#[derive(Clone, Debug)]
pub enum NewInputSource {
    /// The key of an asset.
    AssetKey(String),
    /// An output of a parent.
    ParentOutput {
        /// Required, strict form.
        parent_task_key: String,
        /// Required.
        output_identifier: String,
    },
}

/// An output as it was asked for.
#[derive(Clone, Debug, Default)]
pub struct NewTaskOutput {
    /// Required, perhaps empty.
    pub permissions: Option<NewPermissions>,
    /// Whether it may be disabled later.
    pub transient: bool,
}

#[derive(Debug)]
struct ValidTask {
    key: ComputeTaskKey,
    function_key: FunctionKey,
    compute_plan_key: ComputePlanKey,
    worker: Option<OrganizationId>,
    metadata: Metadata,
    inputs: Vec<TaskInput>,
    outputs: BTreeMap<String, ValidOutput>,
}

#[derive(Debug)]
struct ValidOutput {
    permissions: NewPermissions,
    transient: bool,
}

/// Registers tasks that the caller will own.
#[derive(Debug)]
pub struct RegisterComputeTasks {
    tasks: Vec<ValidTask>,
    keys: HashSet<ComputeTaskKey>,
    /// What the tasks may take.
    bytes_max: usize,
}

impl RegisterComputeTasks {
    /// Validates the tasks; the first that is not valid, in request order, decides (compute/TASK-2, compute/VAL-8).
    ///
    /// # Errors
    /// OE0003 for no task (compute/TASK-1), then OE0101.
    pub fn new(requests: Vec<NewComputeTask>, policy: Policy) -> Result<Self, Refusal> {
        if requests.is_empty() {
            return Err(Refusal::bad_request("no task to register"));
        }
        let tasks: Vec<ValidTask> =
            requests.into_iter().map(|request| validate(request, policy)).collect::<Result<_, _>>()?;
        let keys = tasks.iter().map(|task| task.key).collect();
        Ok(Self { tasks, keys, bytes_max: TASKS_BYTES })
    }

    /// Lets the tasks of a large request, of so many bytes, take more.
    #[must_use]
    pub fn of_request(mut self, request_bytes: usize) -> Self {
        self.bytes_max = self.bytes_max.max(request_bytes.saturating_mul(TASKS_BYTES_PER_REQUEST_BYTE));
        self
    }

    /// How many tasks the batch holds.
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }
}

fn validate(request: NewComputeTask, policy: Policy) -> Result<ValidTask, Refusal> {
    let mut violations = Violations::new("computetask", policy);
    violations.without_nul("worker", &request.worker);
    let worker = Some(request.worker).filter(|worker| !worker.is_empty()).map(OrganizationId::new);
    let task = ValidTask {
        key: violations.key("key", &request.key),
        function_key: violations.key("function_key", &request.function_key),
        compute_plan_key: violations.key("compute_plan_key", &request.compute_plan_key),
        worker,
        metadata: violations.metadata(request.metadata),
        inputs: request.inputs.into_iter().map(|input| validate_input(input, &mut violations)).collect(),
        outputs: validate_outputs(request.outputs, &mut violations),
    };
    violations.finish()?;
    Ok(task)
}

fn validate_input(request: NewTaskInput, violations: &mut Violations) -> TaskInput {
    violations.require("inputs.identifier", !request.identifier.is_empty(), "cannot be blank");
    violations.without_nul("inputs.identifier", &request.identifier);
    let source = match request.source {
        Some(NewInputSource::AssetKey(key)) => {
            InputSource::Asset(violations.key::<ModelKey>("inputs.asset_key", &key).uuid())
        }
        Some(NewInputSource::ParentOutput { parent_task_key, output_identifier }) => {
            violations.require("inputs.output_identifier", !output_identifier.is_empty(), "cannot be blank");
            violations.without_nul("inputs.output_identifier", &output_identifier);
            let parent_task_key = violations.key("inputs.parent_task_key", &parent_task_key);
            InputSource::ParentOutput { parent_task_key, output_identifier }
        }
        None => {
            violations.add("inputs", "an asset key or a parent task output is required");
            InputSource::Asset(Uuid::nil())
        }
    };
    TaskInput { identifier: request.identifier, source }
}

fn validate_outputs(
    requests: BTreeMap<String, NewTaskOutput>,
    violations: &mut Violations,
) -> BTreeMap<String, ValidOutput> {
    let mut outputs = BTreeMap::new();
    for (identifier, request) in requests {
        violations.require("outputs", !identifier.is_empty(), "identifier cannot be blank");
        violations.without_nul("outputs", &identifier);
        let permissions = violations.permissions("outputs.permissions", request.permissions);
        outputs.insert(identifier, ValidOutput { permissions, transient: request.transient });
    }
    outputs
}

impl Command for RegisterComputeTasks {
    type Answer = Vec<Arc<ComputeTask>>;

    fn needs(&self, _caller: &OrganizationId, facts: &Facts, needs: &mut Needs) {
        needs.organizations = true;
        for task in &self.tasks {
            needs.compute_tasks.insert(task.key);
            needs.compute_plans.insert(task.compute_plan_key);
            needs.functions.insert(task.function_key);
            if let Some(function) = facts.functions.get(task.function_key) {
                needs_of_asset_inputs(&task.inputs, function, needs);
            }
            for parent in parents_of(&task.inputs).into_iter().filter(|parent| !self.keys.contains(parent)) {
                needs.compute_tasks.insert(parent);
                needs.output_assets.insert(parent);
                needs.functions.extend(facts.compute_tasks.get(parent).map(|stored| stored.function_key));
            }
        }
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<Self::Answer>, Refusal> {
        self.require_new_keys(facts)?;
        let ordered = self.require_order(facts)?;
        let registered = HashMap::with_capacity(self.tasks.len());
        let mut registrar = Registrar { call, facts, registered, bytes: 0, required_inputs: HashMap::new() };
        let mut tasks = Vec::with_capacity(self.tasks.len());
        for index in ordered {
            tasks.push(registrar.register(&self.tasks[index])?);
            if registrar.bytes > self.bytes_max {
                return Err(Refusal::invalid("the tasks are too large together"));
            }
        }
        let changes = tasks.iter().flat_map(|task| {
            let used = models_by_key(task, facts).into_iter();
            let used = used.map(|model| Change::ModelUsed { model, compute_task: task.key });
            iter::once(Change::ComputeTaskRegistered(Arc::clone(task))).chain(used)
        });
        Ok(Decision { changes: changes.collect(), answer: tasks })
    }
}

/// The models that a task names by their key, each once.
fn models_by_key(task: &ComputeTask, facts: &Facts) -> BTreeSet<ModelKey> {
    let Some(function) = facts.functions.get(task.function_key) else { return BTreeSet::new() };
    let is_model = |identifier: &str| {
        function.inputs.get(identifier).is_some_and(|declared| declared.kind == AssetKind::Model)
    };
    let keys = task.inputs.iter().filter_map(|input| match input.source {
        InputSource::Asset(key) if is_model(&input.identifier) => Some(ModelKey::from_uuid(key)),
        _ => None,
    });
    keys.collect()
}

impl RegisterComputeTasks {
    /// No key is stored (compute/TASK-3), and none stands twice in the batch (compute/TASK-4).
    fn require_new_keys(&self, facts: &Facts) -> Result<(), Refusal> {
        for task in &self.tasks {
            facts.compute_tasks.require_free(task.key)?;
        }
        let mut seen = HashSet::with_capacity(self.tasks.len());
        match self.tasks.iter().find(|task| !seen.insert(task.key)) {
            Some(twin) => Err(Refusal::key_in_use(twin.key)),
            None => Ok(()),
        }
    }

    /// The order of compute/TASK-7; one refusal covers cycles and unknown parents (compute/TASK-6).
    fn require_order(&self, facts: &Facts) -> Result<Vec<usize>, Refusal> {
        let graph: Vec<_> = self.tasks.iter().map(|task| (task.key, parents_of(&task.inputs))).collect();
        let mut parents = graph.iter().flat_map(|(_, parents)| parents);
        let known = parents.all(|key| self.keys.contains(key) || facts.compute_tasks.get(*key).is_some());
        let ordered = if known { order(&graph) } else { None };
        ordered.ok_or_else(|| {
            Refusal::invalid(
                "cyclic dependency in compute plan graph or missing dependency among inModels IDs",
            )
        })
    }
}

/// Judges the tasks of one batch, one after the other.
struct Registrar<'a> {
    call: &'a Call,
    facts: &'a Facts,
    registered: HashMap<ComputeTaskKey, Arc<ComputeTask>>,
    /// What they take: a task inherits more than its request says.
    bytes: usize,
    /// The inputs that must be given, of each function once: it may declare a great many that need not.
    required_inputs: HashMap<FunctionKey, Vec<&'a str>>,
}

impl<'a> Registrar<'a> {
    /// The ladder (compute/TASK-10 … TASK-20): the first rung that breaks is what the caller hears.
    fn register(&mut self, task: &ValidTask) -> Result<Arc<ComputeTask>, Refusal> {
        self.require_own_plan(task)?;
        let parents: Vec<Arc<ComputeTask>> = parents_of(&task.inputs)
            .into_iter()
            .map(|key| self.task(key).cloned())
            .collect::<Result<_, _>>()?;
        let function = self.require_usable_function(task)?;
        self.require_enabled_models(task, &parents)?;
        let outputs = self.grant_outputs(task)?;
        let data_manager = self.find_data_manager(task, function)?;
        let worker = self.choose_worker(task, data_manager)?;
        let logs_permission = self.logs_permission(data_manager, &parents);
        self.judge_inputs(task, function, data_manager, &worker)?;
        self.require_inputs(task, function)?;
        self.judge_outputs(task, function)?;
        let registered = Arc::new(ComputeTask {
            key: task.key,
            function_key: task.function_key,
            compute_plan_key: task.compute_plan_key,
            owner: self.call.caller.clone(),
            worker,
            rank: parents.iter().map(|parent| parent.rank.saturating_add(1)).max().unwrap_or(0),
            status: initial_status(function, &parents)?,
            metadata: task.metadata.clone(),
            inputs: task.inputs.clone(),
            outputs,
            logs_permission,
            creation_date: self.call.now,
        });
        self.bytes += registered.footprint();
        self.registered.insert(task.key, Arc::clone(&registered));
        Ok(registered)
    }

    /// A task of this batch, or a stored one of any plan (compute/TASK-11).
    fn task(&self, key: ComputeTaskKey) -> Result<&Arc<ComputeTask>, Refusal> {
        self.registered.get(&key).map_or_else(|| self.facts.compute_tasks.require(key), Ok)
    }

    /// compute/TASK-10.
    fn require_own_plan(&self, task: &ValidTask) -> Result<(), Refusal> {
        self.facts.compute_plans.require(task.compute_plan_key)?.require_owner(&self.call.caller)
    }

    /// compute/TASK-12.
    fn require_usable_function(&self, task: &ValidTask) -> Result<&'a Function, Refusal> {
        let function = self.facts.functions.require(task.function_key)?;
        if !function.permissions.process.allows(&self.call.caller) {
            return Err(Refusal::permission_denied(format!(
                "not authorized to process function {}",
                function.key
            )));
        }
        Ok(function)
    }

    /// compute/TASK-13, only for the outputs that this task refers to (compute/DEF-18).
    fn require_enabled_models(&self, task: &ValidTask, parents: &[Arc<ComputeTask>]) -> Result<(), Refusal> {
        let done: HashSet<_> = parents
            .iter()
            .filter(|parent| parent.status == ComputeTaskStatus::Done)
            .map(|parent| parent.key)
            .collect();
        for input in &task.inputs {
            let InputSource::ParentOutput { parent_task_key, output_identifier } = &input.source else {
                continue;
            };
            if !done.contains(parent_task_key) {
                continue;
            }
            let models = self.facts.output_models(*parent_task_key);
            for (_, model) in models.filter(|(asset, _)| asset.identifier == *output_identifier) {
                model.require_enabled()?;
            }
        }
        Ok(())
    }

    /// compute/TASK-14.
    fn grant_outputs(&self, task: &ValidTask) -> Result<BTreeMap<String, TaskOutput>, Refusal> {
        let grant = |(identifier, output): (&String, &ValidOutput)| {
            let permission = output.permissions.grant(&self.call.caller, self.facts)?;
            let output =
                TaskOutput { permissions: Permissions::both(permission), transient: output.transient };
            Ok((identifier.clone(), output))
        };
        task.outputs.iter().map(grant).collect()
    }

    /// The data manager among the inputs, if there is one (first half of compute/TASK-15).
    fn find_data_manager(
        &self,
        task: &ValidTask,
        function: &Function,
    ) -> Result<Option<&'a Arc<DataManager>>, Refusal> {
        for input in &task.inputs {
            if declared(function, &input.identifier)?.kind == AssetKind::DataManager {
                let InputSource::Asset(key) = input.source else {
                    return Err(Refusal::invalid("a data manager must be given by its key")); // compute/DEF-26
                };
                return self.facts.data_managers.require(DataManagerKey::from_uuid(key)).map(Some);
            }
        }
        Ok(None)
    }

    /// The data manager's owner, or the organization named (second half of compute/TASK-15, TASK-16).
    fn choose_worker(
        &self,
        task: &ValidTask,
        data_manager: Option<&Arc<DataManager>>,
    ) -> Result<OrganizationId, Refusal> {
        let worker = match (data_manager, &task.worker) {
            (Some(manager), None) => manager.owner.clone(),
            (Some(manager), Some(named)) if *named == manager.owner => named.clone(),
            (Some(_), Some(_)) => {
                return Err(Refusal::bad_request("the worker must be the owner of the data manager"));
            }
            (None, Some(named)) => named.clone(),
            (None, None) => {
                return Err(Refusal::bad_request("a task without a data manager must name its worker"));
            }
        };
        if self.facts.is_registered(&worker) {
            return Ok(worker);
        }
        Err(Refusal::nameless("organization", worker.as_str()))
    }

    /// compute/TASK-17.
    fn logs_permission(
        &self,
        data_manager: Option<&Arc<DataManager>>,
        parents: &[Arc<ComputeTask>],
    ) -> Permission {
        match data_manager {
            Some(manager) => manager.logs_permission.clone(),
            None => parents.iter().fold(Permission::private(&self.call.caller), |logs, parent| {
                logs.union(&parent.logs_permission)
            }),
        }
    }

    /// compute/TASK-18, then the inputs that are given (compute/TASK-19).
    fn judge_inputs(
        &self,
        task: &ValidTask,
        function: &Function,
        data_manager: Option<&Arc<DataManager>>,
        worker: &OrganizationId,
    ) -> Result<(), Refusal> {
        let mut given: HashSet<&str> = HashSet::new();
        for input in &task.inputs {
            let declared = declared(function, &input.identifier)?;
            if !given.insert(&input.identifier) && !declared.multiple {
                return Err(invalid_input(input, "must be given only once"));
            }
            match declared.kind {
                AssetKind::DataManager => self.judge_data(task, function, data_manager)?,
                AssetKind::Model => self.judge_model(input, declared, worker)?,
                _ => {} // samples are judged with their manager
            }
        }
        Ok(())
    }

    /// No input is missing (compute/TASK-19).
    fn require_inputs(&mut self, task: &ValidTask, function: &'a Function) -> Result<(), Refusal> {
        let required = self.required_inputs.entry(function.key).or_insert_with(|| {
            let required = function.inputs.iter().filter(|(_, declared)| !declared.optional);
            required.map(|(identifier, _)| identifier.as_str()).collect()
        });
        let given: HashSet<&str> = task.inputs.iter().map(|input| input.identifier.as_str()).collect();
        match required.iter().find(|identifier| !given.contains(*identifier)) {
            Some(identifier) => Err(Refusal::invalid(format!("computetask input {identifier:?} is missing"))),
            None => Ok(()),
        }
    }

    /// The data manager and all samples, which must belong to it.
    fn judge_data(
        &self,
        task: &ValidTask,
        function: &Function,
        data_manager: Option<&Arc<DataManager>>,
    ) -> Result<(), Refusal> {
        let mut samples = Vec::new();
        for input in &task.inputs {
            if declared(function, &input.identifier)?.kind == AssetKind::DataSample {
                let InputSource::Asset(key) = input.source else {
                    return Err(invalid_input(input, "a data sample must be given by its key"));
                };
                samples.push(DataSampleKey::from_uuid(key));
            }
        }
        let Some(manager) = data_manager else {
            return Ok(());
        };
        if !manager.permissions.process.allows(&self.call.caller) {
            return Err(Refusal::permission_denied(format!(
                "not authorized to process datamanager {}",
                manager.key
            )));
        }
        for key in samples {
            if !self.facts.data_samples.require(key)?.data_manager_keys.contains(&manager.key) {
                return Err(Refusal::invalid(format!(
                    "datasample {key} does not belong to datamanager {}",
                    manager.key
                )));
            }
        }
        Ok(())
    }

    fn judge_model(
        &self,
        input: &TaskInput,
        declared: &FunctionInput,
        worker: &OrganizationId,
    ) -> Result<(), Refusal> {
        match &input.source {
            InputSource::Asset(key) => {
                let model = self.facts.models.require(ModelKey::from_uuid(*key))?;
                if !model.permissions.process.allows(worker) {
                    return Err(Refusal::permission_denied(format!(
                        "worker is not authorized to process model {}",
                        model.key
                    )));
                }
                model.require_enabled() // compute/DEF-17
            }
            InputSource::ParentOutput { parent_task_key, output_identifier } => {
                let parent = self.task(*parent_task_key)?;
                let produced = self
                    .facts
                    .functions
                    .require(parent.function_key)?
                    .outputs
                    .get(output_identifier)
                    .ok_or_else(|| invalid_input(input, "the parent's function has no such output"))?;
                if produced.kind != declared.kind {
                    return Err(invalid_input(input, "the parent's output is of another kind"));
                }
                if produced.multiple && !declared.multiple {
                    return Err(invalid_input(input, "the parent's output is multiple, this input is not"));
                }
                let output = parent
                    .outputs
                    .get(output_identifier)
                    .ok_or_else(|| invalid_input(input, "the parent has no such output"))?;
                if output.permissions.process.allows(worker) {
                    return Ok(());
                }
                let message = format!(
                    "worker is not authorized to process output {output_identifier:?} of task {}",
                    parent.key
                );
                Err(Refusal::permission_denied(message))
            }
        }
    }

    /// compute/TASK-20.
    fn judge_outputs(&self, task: &ValidTask, function: &Function) -> Result<(), Refusal> {
        let invalid = |identifier: &str, reason: &str| {
            Err(Refusal::invalid(format!("computetask output {identifier:?} is not valid: {reason}")))
        };
        for (identifier, output) in &task.outputs {
            match function.outputs.get(identifier).map(|declared| declared.kind) {
                None => return invalid(identifier, "the function does not declare it"),
                Some(AssetKind::Performance) if !output.permissions.public => {
                    return invalid(identifier, "a performance must be public");
                }
                Some(AssetKind::Performance) if output.transient => {
                    return invalid(identifier, "a performance must not be transient");
                }
                Some(_) => {}
            }
        }
        match function.outputs.keys().find(|identifier| !task.outputs.contains_key(*identifier)) {
            Some(identifier) => invalid(identifier, "it is missing"),
            None => Ok(()),
        }
    }
}

fn declared<'f>(function: &'f Function, identifier: &str) -> Result<&'f FunctionInput, Refusal> {
    let undeclared =
        || Refusal::invalid(format!("function {} does not declare input {identifier:?}", function.key));
    function.inputs.get(identifier).ok_or_else(undeclared)
}

fn invalid_input(input: &TaskInput, reason: &str) -> Refusal {
    Refusal::new(
        Code::InvalidAsset,
        format!("computetask input {:?} is not valid: {reason}", input.identifier),
    )
}

/// The table of compute/TASK-30; a function of an old version cannot be used (compute/DEF-70).
fn initial_status(function: &Function, parents: &[Arc<ComputeTask>]) -> Result<ComputeTaskStatus, Refusal> {
    use ComputeTaskStatus as S;
    if parents.iter().any(|parent| matches!(parent.status, S::Failed | S::Canceled)) {
        return Ok(S::Canceled);
    }
    match function.status {
        FunctionStatus::Waiting => Ok(S::WaitingForBuilderSlot),
        FunctionStatus::Building => Ok(S::Building),
        FunctionStatus::Ready if parents.iter().all(|parent| parent.status == S::Done) => {
            Ok(S::WaitingForExecutorSlot)
        }
        FunctionStatus::Ready => Ok(S::WaitingForParentTasks),
        FunctionStatus::Failed => Ok(S::Failed),
        FunctionStatus::Canceled => Ok(S::Canceled),
        FunctionStatus::Unknown => {
            Err(Refusal::bad_request(format!("function {} has no known build status", function.key)))
        }
    }
}
