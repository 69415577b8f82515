//! Models: what tasks make and other tasks use; the orchestrator keeps their addresses (compute/MODEL-1 … MODEL-11).
//!
//! A worker registers the models of one executing task in a batch, all or nothing; the first model that fails decides. A model that is disabled
//! keeps its record and loses its address.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::addressable::Addressable;
use crate::caller::OrganizationId;
use crate::change::Change;
use crate::command::{Call, Command, Decision, Inquiry};
use crate::compute_task::ComputeTask;
use crate::event::AssetKind;
use crate::facts::{Facts, Needs};
use crate::function::Function;
use crate::key::{ComputeTaskKey, Key, ModelKey};
use crate::output_asset::OutputAsset;
use crate::permission::Permissions;
use crate::refusal::{Code, Refusal};
use crate::time::Timestamp;
use crate::validation::{Policy, Violations};

/// A registered model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Its key.
    pub key: ModelKey,
    /// The task that made it.
    pub compute_task_key: ComputeTaskKey,
    /// Where it lies; `None` once it is disabled.
    pub address: Option<Addressable>,
    /// Who may use it: those of the task's output.
    pub permissions: Permissions,
    /// The worker that made it.
    pub owner: OrganizationId,
    /// When it was registered.
    pub creation_date: Timestamp,
}

impl Model {
    /// Whether it can no longer be fetched.
    pub fn is_disabled(&self) -> bool {
        self.address.is_none()
    }

    /// # Errors
    /// OE0101 if it is disabled; clients look for the words (core/ERR-7).
    pub(crate) fn require_enabled(&self) -> Result<(), Refusal> {
        if self.is_disabled() {
            return Err(Refusal::invalid(format!("model {} has been disabled", self.key)));
        }
        Ok(())
    }
}

/// A registration as it was asked for.
#[derive(Clone, Debug, Default)]
pub struct NewModel {
    /// Required, strict form.
    pub key: String,
    /// Required, strict form; the same for all models of a batch.
    pub compute_task_key: String,
    /// Required.
    pub compute_task_output_identifier: String,
    /// Required.
    pub address: Option<Addressable>,
}

#[derive(Debug)]
struct ValidModel {
    key: ModelKey,
    identifier: String,
    address: Addressable,
}

/// Registers the models of one task.
#[derive(Debug)]
pub struct RegisterModels {
    compute_task_key: ComputeTaskKey,
    models: Vec<Result<ValidModel, Refusal>>,
}

impl RegisterModels {
    /// Takes the task from the first model and validates each; what is wrong with one is told in its turn (compute/MODEL-4).
    ///
    /// # Errors
    /// OE0003 for no model (compute/MODEL-2), OE0101 if the first task key is no key (compute/MODEL-3).
    pub fn new(requests: Vec<NewModel>, policy: Policy) -> Result<Self, Refusal> {
        let first = requests.first().ok_or_else(|| Refusal::bad_request("no model to register"))?;
        let compute_task_key = ComputeTaskKey::parse(&first.compute_task_key)
            .ok_or_else(|| Refusal::invalid("model is not valid: compute_task_key: must be a valid UUID"))?;
        let models =
            requests.into_iter().map(|request| validate(request, compute_task_key, policy)).collect();
        Ok(Self { compute_task_key, models })
    }

    fn valid(&self) -> impl Iterator<Item = &ValidModel> {
        self.models.iter().filter_map(|model| model.as_ref().ok())
    }
}

fn validate(request: NewModel, task_key: ComputeTaskKey, policy: Policy) -> Result<ValidModel, Refusal> {
    if request.compute_task_key != task_key.to_string() {
        return Err(Refusal::bad_request("all models of a batch must belong to one task"));
    }
    let mut violations = Violations::new("model", policy);
    let key = violations.key("key", &request.key);
    let identifier = request.compute_task_output_identifier;
    violations.require("compute_task_output_identifier", !identifier.is_empty(), "cannot be blank");
    violations.without_nul("compute_task_output_identifier", &identifier);
    let address = violations.addressable("address", request.address);
    violations.finish()?;
    Ok(ValidModel { key, identifier, address })
}

/// What has been registered so far for the outputs of one task, stored and in this batch.
struct Registered<'a> {
    task: &'a ComputeTask,
    function: &'a Function,
    /// How many assets each output has.
    counts: HashMap<String, u32>,
    /// The keys and addresses of this batch.
    keys: HashSet<ModelKey>,
    addresses: HashSet<String>,
}

impl<'a> Registered<'a> {
    fn stored(task: &'a ComputeTask, facts: &'a Facts) -> Result<Self, Refusal> {
        let function = facts.functions.require(task.function_key)?;
        let mut counts: HashMap<String, u32> = HashMap::new();
        for asset in facts.output_assets.get(&task.key).into_iter().flatten() {
            *counts.entry(asset.identifier.clone()).or_default() += 1;
        }
        Ok(Self { task, function, counts, keys: HashSet::new(), addresses: HashSet::new() })
    }

    fn count(&self, identifier: &str) -> u32 {
        self.counts.get(identifier).copied().unwrap_or_default()
    }

    /// Neither key nor address is in use, stored or in this batch (compute/DEF-21).
    fn require_free(&mut self, request: &ValidModel, facts: &Facts) -> Result<(), Refusal> {
        facts.models.require_free(request.key)?;
        if !self.keys.insert(request.key) {
            return Err(Refusal::key_in_use(request.key));
        }
        let address = request.address.storage_address.as_str();
        facts.require_free_addresses([address])?;
        if !self.addresses.insert(address.to_owned()) {
            return Err(Refusal::address_in_use(address));
        }
        Ok(())
    }

    /// The checks of compute/MODEL-4 that look at the output, in its order.
    fn require_room(&self, identifier: &str) -> Result<(), Refusal> {
        self.task.require_output(identifier)?;
        let output = self.function.require_output(identifier, AssetKind::Model)?;
        if !output.multiple && self.count(identifier) > 0 {
            let message = format!("output {identifier:?} of task {} already has an asset", self.task.key);
            return Err(Refusal::new(Code::Conflict, message));
        }
        Ok(())
    }
}

impl Command for RegisterModels {
    type Answer = Vec<Arc<Model>>;

    fn needs(&self, _caller: &OrganizationId, facts: &Facts, needs: &mut Needs) {
        needs.compute_tasks.insert(self.compute_task_key);
        needs.output_assets.insert(self.compute_task_key);
        needs.models.extend(self.valid().map(|model| model.key));
        needs.addresses.extend(self.valid().map(|model| model.address.storage_address.clone()));
        if let Some(task) = facts.compute_tasks.get(self.compute_task_key) {
            needs.functions.insert(task.function_key);
        }
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<Self::Answer>, Refusal> {
        let task = facts.compute_tasks.require(self.compute_task_key)?;
        let mut registered = Registered::stored(task, facts)?;
        let mut changes = Vec::with_capacity(2 * self.models.len());
        let mut models = Vec::with_capacity(self.models.len());
        for request in &self.models {
            let request = request.as_ref().map_err(Refusal::clone)?;
            task.require_executing_worker(&call.caller)?;
            registered.require_room(&request.identifier)?;
            registered.require_free(request, facts)?;
            let (model, output_asset) = request.make(&mut registered, call)?;
            changes.push(Change::ModelRegistered(Arc::clone(&model)));
            changes.push(Change::OutputAssetRegistered(Arc::new(output_asset)));
            models.push(model);
        }
        Ok(Decision { changes, answer: models })
    }
}

impl ValidModel {
    fn make(
        &self,
        registered: &mut Registered<'_>,
        call: &Call,
    ) -> Result<(Arc<Model>, OutputAsset), Refusal> {
        let task = registered.task;
        let model = Arc::new(Model {
            key: self.key,
            compute_task_key: task.key,
            address: Some(self.address.clone()),
            permissions: task.require_output(&self.identifier)?.permissions.clone(),
            owner: call.caller.clone(),
            creation_date: call.now,
        });
        let count = registered.counts.entry(self.identifier.clone()).or_default();
        *count += 1;
        let output_asset = OutputAsset {
            compute_task_key: task.key,
            identifier: self.identifier.clone(),
            position: *count,
            kind: AssetKind::Model,
            asset_key: self.key.to_string(),
        };
        Ok((model, output_asset))
    }
}

/// Looks a model up (compute/MODEL-10).
#[derive(Debug)]
pub struct GetModel(ModelKey);

impl GetModel {
    /// # Errors
    /// OE0101 if the key is no UUID.
    pub fn new(key: &str) -> Result<Self, Refusal> {
        Ok(Self(ModelKey::look_up(key)?))
    }
}

impl Inquiry for GetModel {
    type Answer = Arc<Model>;

    fn needs(&self, _facts: &Facts, needs: &mut Needs) {
        needs.models.insert(self.0);
    }

    fn answer(&self, facts: &Facts) -> Result<Self::Answer, Refusal> {
        facts.models.require(self.0).cloned()
    }
}

/// All models of a task, over all outputs, disabled ones included (compute/MODEL-11).
#[derive(Debug)]
pub struct GetTaskOutputModels(ComputeTaskKey);

impl GetTaskOutputModels {
    /// # Errors
    /// OE0101 if the key is no UUID.
    pub fn new(key: &str) -> Result<Self, Refusal> {
        Ok(Self(ComputeTaskKey::look_up(key)?))
    }
}

impl Inquiry for GetTaskOutputModels {
    type Answer = Vec<Arc<Model>>;

    fn needs(&self, _facts: &Facts, needs: &mut Needs) {
        needs.compute_tasks.insert(self.0);
        needs.output_assets.insert(self.0);
    }

    fn answer(&self, facts: &Facts) -> Result<Self::Answer, Refusal> {
        if facts.compute_tasks.get(self.0).is_none() {
            return Ok(Vec::new()); // an unknown task has no models; that is no error
        }
        let mut found: Vec<(&Arc<OutputAsset>, &Arc<Model>)> = facts.output_models(self.0).collect();
        found.sort_by_key(|(asset, model)| (model.creation_date, asset.identifier.as_str(), asset.position));
        Ok(found.into_iter().map(|(_, model)| Arc::clone(model)).collect())
    }
}
