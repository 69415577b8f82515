//! Facts: the part of a channel's state that the calls at hand need, in memory.
//!
//! [`Needs`] says what to load, [`Facts`] holds what was loaded; both have one field for each access path of the rules. Facts know the
//! difference between "not there" and "not asked for". [`Facts::apply`] lays the changes of accepted calls over what was loaded, so
//! that the next call of a batch sees the state after them. A new access path is a field in both, a line in [`Needs::retain_missing`], and a
//! query in each store.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::caller::OrganizationId;
use crate::change::Change;
use crate::compute_plan::ComputePlan;
use crate::compute_task::{ComputeTask, ComputeTaskStatus};
use crate::data_manager::DataManager;
use crate::data_sample::DataSample;
use crate::failure_report::FailureReport;
use crate::footprint::Footprint;
use crate::function::Function;
use crate::key::{
    ComputePlanKey, ComputeTaskKey, DataManagerKey, DataSampleKey, FailedAssetKey, FunctionKey, Key, ModelKey,
};
use crate::model::Model;
use crate::organization::Organization;
use crate::output_asset::OutputAsset;
use crate::refusal::Refusal;

/// What has to be loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// All organizations registered in the channel: a few dozen at most, since the channel's configuration names them.
    pub organizations: bool,
    /// Data managers by key.
    pub data_managers: BTreeSet<DataManagerKey>,
    /// Data samples by key.
    pub data_samples: BTreeSet<DataSampleKey>,
    /// Functions by key.
    pub functions: BTreeSet<FunctionKey>,
    /// Compute plans by key.
    pub compute_plans: BTreeSet<ComputePlanKey>,
    /// Compute tasks by key.
    pub compute_tasks: BTreeSet<ComputeTaskKey>,
    /// Only the status of these compute tasks.
    pub task_statuses: BTreeSet<ComputeTaskKey>,
    /// The children of these compute tasks, as whole tasks.
    pub children: BTreeSet<ComputeTaskKey>,
    /// The tasks of these functions that still wait for the build or its end, as whole tasks.
    pub unbuilt_tasks: BTreeSet<FunctionKey>,
    /// The assets registered for the outputs of these tasks, with their models.
    pub output_assets: BTreeSet<ComputeTaskKey>,
    /// Models by key.
    pub models: BTreeSet<ModelKey>,
    /// The tasks that name these models as input by asset key, with their statuses.
    pub model_users: BTreeSet<ModelKey>,
    /// Failure reports by the key of the failed asset.
    pub failure_reports: BTreeSet<FailedAssetKey>,
    /// Which of these storage addresses are in use in the channel.
    pub addresses: BTreeSet<String>,
    /// The keys of the samples linked to these data managers.
    pub samples_of_managers: BTreeSet<DataManagerKey>,
    /// Which statuses occur among the tasks of these compute plans.
    pub statuses_in_plans: BTreeSet<ComputePlanKey>,
}

/// What is known about the asset with one key.
#[derive(Clone, Debug)]
pub enum Slot<A> {
    /// No asset has this key, in any channel.
    Absent,
    /// The asset, in this channel.
    Here(Arc<A>),
    /// An asset of another channel has this key. Only "the key is taken" may ever be told (core/CHN-6).
    Elsewhere,
}

/// The assets of one kind that were asked for by key.
#[derive(Clone, Debug)]
pub struct ByKey<K, A> {
    slots: HashMap<K, Slot<A>>,
    /// What the assets take.
    bytes: usize,
}

impl<K, A> Default for ByKey<K, A> {
    fn default() -> Self {
        Self { slots: HashMap::new(), bytes: 0 }
    }
}

impl<K: Key, A: Footprint> ByKey<K, A> {
    /// Records the asset with this key.
    pub fn put(&mut self, key: K, asset: Arc<A>) {
        self.replace(key, Slot::Here(asset));
    }

    /// Records that the key belongs to another channel.
    pub fn put_elsewhere(&mut self, key: K) {
        self.replace(key, Slot::Elsewhere);
    }

    fn replace(&mut self, key: K, slot: Slot<A>) {
        let bytes = |slot: &Slot<A>| match slot {
            Slot::Here(asset) => asset.footprint(),
            Slot::Elsewhere | Slot::Absent => 0,
        };
        self.bytes += bytes(&slot);
        self.bytes -= self.slots.insert(key, slot).as_ref().map_or(0, bytes);
    }
}

impl<K: Key, A> ByKey<K, A> {
    /// Records that each of these keys is free, unless something is known about it.
    fn put_absent(&mut self, keys: &BTreeSet<K>) {
        for key in keys {
            self.slots.entry(*key).or_insert(Slot::Absent);
        }
    }

    /// Forgets which of these keys are free.
    fn forget_absent(&mut self, keys: &BTreeSet<K>) {
        for key in keys {
            if matches!(self.slots.get(key), Some(Slot::Absent)) {
                self.slots.remove(key);
            }
        }
    }

    /// Whether this key was asked for.
    pub fn knows(&self, key: K) -> bool {
        self.slots.contains_key(&key)
    }

    /// The asset, if it exists in this channel.
    pub fn get(&self, key: K) -> Option<&Arc<A>> {
        match self.slots.get(&key) {
            Some(Slot::Here(asset)) => Some(asset),
            _ => None,
        }
    }

    /// The asset, which must exist in this channel.
    ///
    /// # Errors
    /// OE0002, worded alike for a key that nobody has and one of another channel (core/CHN-6).
    pub fn require(&self, key: K) -> Result<&Arc<A>, Refusal> {
        self.get(key).ok_or_else(|| Refusal::not_found(key))
    }

    /// The key must not be in use in any channel.
    ///
    /// # Errors
    /// OE0006, worded alike whichever channel holds the key (core/CHN-6).
    pub fn require_free(&self, key: K) -> Result<(), Refusal> {
        match self.slots.get(&key) {
            Some(Slot::Here(_) | Slot::Elsewhere) => Err(Refusal::key_in_use(key)),
            Some(Slot::Absent) | None => Ok(()),
        }
    }
}

/// What was loaded, and what the accepted calls made of it since.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The registered organizations, once asked for.
    pub organizations: Option<BTreeMap<OrganizationId, Arc<Organization>>>,
    /// Data managers by key.
    pub data_managers: ByKey<DataManagerKey, DataManager>,
    /// Data samples by key.
    pub data_samples: ByKey<DataSampleKey, DataSample>,
    /// Functions by key.
    pub functions: ByKey<FunctionKey, Function>,
    /// Compute plans by key.
    pub compute_plans: ByKey<ComputePlanKey, ComputePlan>,
    /// Compute tasks by key.
    pub compute_tasks: ByKey<ComputeTaskKey, ComputeTask>,
    /// Statuses of tasks that are not needed whole.
    pub task_statuses: HashMap<ComputeTaskKey, ComputeTaskStatus>,
    /// Keys of the children of a task, in order of registration; the children themselves are in `compute_tasks`.
    pub children: HashMap<ComputeTaskKey, Vec<ComputeTaskKey>>,
    /// Keys of the tasks of a function that wait for its build; the tasks themselves are in `compute_tasks`.
    pub unbuilt_tasks: HashMap<FunctionKey, Vec<ComputeTaskKey>>,
    /// The output assets of a task, by identifier and position; their models are in `models`.
    pub output_assets: HashMap<ComputeTaskKey, Vec<Arc<OutputAsset>>>,
    /// Models by key.
    pub models: ByKey<ModelKey, Model>,
    /// Keys of the tasks that use a model by its key; their statuses are in `task_statuses`.
    pub model_users: HashMap<ModelKey, Vec<ComputeTaskKey>>,
    /// Failure reports by failed asset.
    pub failure_reports: ByKey<FailedAssetKey, FailureReport>,
    /// Whether an address is in use.
    pub addresses: HashMap<String, bool>,
    /// Keys of the samples of a manager, by creation date and key (core/DST-2).
    pub samples_of_managers: HashMap<DataManagerKey, Vec<DataSampleKey>>,
    /// Statuses that occur in a plan.
    pub statuses_in_plans: HashMap<ComputePlanKey, HashSet<ComputeTaskStatus>>,
}

impl Needs {
    /// Whether nothing has to be loaded.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what somebody else needs.
    pub fn extend(&mut self, other: Self) {
        self.organizations |= other.organizations;
        self.data_managers.extend(other.data_managers);
        self.data_samples.extend(other.data_samples);
        self.functions.extend(other.functions);
        self.compute_plans.extend(other.compute_plans);
        self.compute_tasks.extend(other.compute_tasks);
        self.task_statuses.extend(other.task_statuses);
        self.children.extend(other.children);
        self.unbuilt_tasks.extend(other.unbuilt_tasks);
        self.output_assets.extend(other.output_assets);
        self.models.extend(other.models);
        self.model_users.extend(other.model_users);
        self.failure_reports.extend(other.failure_reports);
        self.addresses.extend(other.addresses);
        self.samples_of_managers.extend(other.samples_of_managers);
        self.statuses_in_plans.extend(other.statuses_in_plans);
    }

    /// Forgets what `facts` hold already.
    pub fn retain_missing(&mut self, facts: &Facts) {
        self.organizations &= facts.organizations.is_none();
        self.data_managers.retain(|key| !facts.data_managers.knows(*key));
        self.data_samples.retain(|key| !facts.data_samples.knows(*key));
        self.functions.retain(|key| !facts.functions.knows(*key));
        self.compute_plans.retain(|key| !facts.compute_plans.knows(*key));
        self.compute_tasks.retain(|key| !facts.compute_tasks.knows(*key));
        self.task_statuses.retain(|key| facts.task_status(*key).is_none());
        self.children.retain(|key| !facts.children.contains_key(key));
        self.unbuilt_tasks.retain(|key| !facts.unbuilt_tasks.contains_key(key));
        self.output_assets.retain(|key| !facts.output_assets.contains_key(key));
        self.models.retain(|key| !facts.models.knows(*key));
        self.model_users.retain(|key| !facts.model_users.contains_key(key));
        self.failure_reports.retain(|key| !facts.failure_reports.knows(*key));
        self.addresses.retain(|address| !facts.addresses.contains_key(address));
        self.samples_of_managers.retain(|key| !facts.samples_of_managers.contains_key(key));
        self.statuses_in_plans.retain(|key| !facts.statuses_in_plans.contains_key(key));
    }
}

impl Facts {
    /// How many assets, links and answers are held: a measure of the memory they take, where no asset is large.
    pub fn len(&self) -> usize {
        fn listed<K, V>(lists: &HashMap<K, Vec<V>>) -> usize {
            lists.values().map(|list| 1 + list.len()).sum()
        }
        let by_key = self.data_managers.slots.len()
            + self.data_samples.slots.len()
            + self.functions.slots.len()
            + self.compute_plans.slots.len()
            + self.compute_tasks.slots.len()
            + self.models.slots.len()
            + self.failure_reports.slots.len();
        let links = listed(&self.children)
            + listed(&self.unbuilt_tasks)
            + listed(&self.output_assets)
            + listed(&self.model_users)
            + listed(&self.samples_of_managers);
        let organizations = self.organizations.as_ref().map_or(0, BTreeMap::len);
        let answers = self.task_statuses.len() + self.addresses.len() + self.statuses_in_plans.len();
        organizations + by_key + links + answers
    }

    /// About how many bytes the assets take that were asked for by key: no others can be large.
    pub fn bytes(&self) -> usize {
        self.data_managers.bytes
            + self.data_samples.bytes
            + self.functions.bytes
            + self.compute_plans.bytes
            + self.compute_tasks.bytes
            + self.models.bytes
            + self.failure_reports.bytes
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Records that everything asked for is absent, unless it is known: a store calls this first and then puts what it finds.
    pub fn put_absent(&mut self, needs: &Needs) {
        if needs.organizations {
            self.organizations.get_or_insert_default();
        }
        self.data_managers.put_absent(&needs.data_managers);
        self.data_samples.put_absent(&needs.data_samples);
        self.functions.put_absent(&needs.functions);
        self.compute_plans.put_absent(&needs.compute_plans);
        self.compute_tasks.put_absent(&needs.compute_tasks);
        self.models.put_absent(&needs.models);
        self.failure_reports.put_absent(&needs.failure_reports);
        put_default(&mut self.children, &needs.children);
        put_default(&mut self.unbuilt_tasks, &needs.unbuilt_tasks);
        put_default(&mut self.output_assets, &needs.output_assets);
        put_default(&mut self.model_users, &needs.model_users);
        put_default(&mut self.addresses, &needs.addresses);
        put_default(&mut self.samples_of_managers, &needs.samples_of_managers);
        put_default(&mut self.statuses_in_plans, &needs.statuses_in_plans);
    }

    /// Forgets which of the keys asked for were free: that holds for a batch only, since other channels take keys, too (core/CHN-6).
    pub fn forget_absent(&mut self, needs: &Needs) {
        self.data_managers.forget_absent(&needs.data_managers);
        self.data_samples.forget_absent(&needs.data_samples);
        self.functions.forget_absent(&needs.functions);
        self.compute_plans.forget_absent(&needs.compute_plans);
        self.compute_tasks.forget_absent(&needs.compute_tasks);
        self.models.forget_absent(&needs.models);
        self.failure_reports.forget_absent(&needs.failure_reports);
    }

    /// Whether the organization is registered in the channel (core/CHN-3).
    pub fn is_registered(&self, id: &OrganizationId) -> bool {
        self.organizations.as_ref().is_some_and(|organizations| organizations.contains_key(id))
    }

    /// The caller must be registered to own anything (core/DM-8).
    ///
    /// # Errors
    /// OE0003.
    pub fn require_registered_owner(&self, owner: &OrganizationId) -> Result<(), Refusal> {
        if self.is_registered(owner) { Ok(()) } else { Err(Refusal::unregistered_owner(owner)) }
    }

    /// None of the addresses may be in use in the channel, and none may be named twice (core/DM-7).
    ///
    /// # Errors
    /// OE0006.
    pub fn require_free_addresses<'a>(
        &self,
        addresses: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), Refusal> {
        let mut named = HashSet::new();
        for address in addresses {
            let in_use = self.addresses.get(address).copied().unwrap_or_default();
            if in_use || !named.insert(address) {
                return Err(Refusal::address_in_use(address));
            }
        }
        Ok(())
    }

    /// The status of a task, however it was loaded.
    pub fn task_status(&self, key: ComputeTaskKey) -> Option<ComputeTaskStatus> {
        self.compute_tasks.get(key).map(|task| task.status).or_else(|| self.task_statuses.get(&key).copied())
    }

    /// The models registered for the outputs of a task, each with its place among them.
    pub fn output_models(
        &self,
        task: ComputeTaskKey,
    ) -> impl Iterator<Item = (&Arc<OutputAsset>, &Arc<Model>)> {
        let output_assets = self.output_assets.get(&task).map(Vec::as_slice).unwrap_or_default();
        output_assets.iter().filter_map(|asset| {
            let key = ModelKey::parse(&asset.asset_key)?;
            Some((asset, self.models.get(key)?))
        })
    }

    /// Lays a change over the facts, so that they tell the state after it.
    ///
    /// What is new has nobody that refers to it yet, and that is known from then on. Two fields are left as they were loaded, since inquiries
    /// alone ask for them: [`Facts::samples_of_managers`] and [`Facts::statuses_in_plans`].
    pub fn apply(&mut self, change: &Change) {
        for address in change.released_addresses() {
            self.addresses.insert(address.to_owned(), false);
        }
        for address in change.claimed_addresses() {
            self.addresses.insert(address.to_owned(), true);
        }
        match change {
            Change::OrganizationRegistered(organization) => {
                if let Some(organizations) = &mut self.organizations {
                    organizations.insert(organization.id.clone(), Arc::clone(organization));
                }
            }
            Change::DataManagerRegistered(manager) | Change::DataManagerRenamed(manager) => {
                self.data_managers.put(manager.key, Arc::clone(manager));
            }
            Change::DataSampleRegistered(sample) | Change::DataSampleLinked { sample, .. } => {
                self.data_samples.put(sample.key, Arc::clone(sample));
            }
            Change::FunctionRegistered(function) => {
                self.functions.put(function.key, Arc::clone(function));
                self.unbuilt_tasks.entry(function.key).or_default();
            }
            Change::FunctionUpdated { function, .. } | Change::FunctionStatusChanged { function, .. } => {
                self.functions.put(function.key, Arc::clone(function));
            }
            Change::ComputePlanRegistered(plan)
            | Change::ComputePlanRenamed(plan)
            | Change::ComputePlanCanceled(plan)
            | Change::ComputePlanFailed(plan) => {
                self.compute_plans.put(plan.key, Arc::clone(plan));
            }
            Change::ComputeTaskRegistered(task) => self.apply_task_registered(task),
            Change::ComputeTaskStatusChanged { task, .. } => {
                self.compute_tasks.put(task.key, Arc::clone(task));
                self.task_statuses.insert(task.key, task.status);
            }
            Change::ModelRegistered(model) => {
                self.models.put(model.key, Arc::clone(model));
                self.model_users.entry(model.key).or_default();
            }
            Change::ModelDisabled { model, .. } => self.models.put(model.key, Arc::clone(model)),
            Change::OutputAssetRegistered(output_asset) => {
                if let Some(output_assets) = self.output_assets.get_mut(&output_asset.compute_task_key) {
                    output_assets.push(Arc::clone(output_asset));
                }
            }
            Change::FailureReportRegistered(report) => {
                self.failure_reports.put(report.asset_key, Arc::clone(report));
            }
            Change::ModelUsed { model, compute_task } => {
                if let Some(users) = self.model_users.get_mut(model) {
                    users.push(*compute_task);
                }
            }
            Change::PerformanceRegistered(_) | Change::ProfilingStepRecorded(_) => {}
        }
    }

    fn apply_task_registered(&mut self, task: &Arc<ComputeTask>) {
        self.compute_tasks.put(task.key, Arc::clone(task));
        for parent in task.parents() {
            if let Some(children) = self.children.get_mut(&parent) {
                children.push(task.key);
            }
        }
        if let Some(unbuilt) = self.unbuilt_tasks.get_mut(&task.function_key) {
            unbuilt.push(task.key);
        }
        self.children.entry(task.key).or_default();
        self.output_assets.entry(task.key).or_default();
    }
}

fn put_default<K: Clone + Eq + std::hash::Hash + Ord, V: Default>(
    known: &mut HashMap<K, V>,
    keys: &BTreeSet<K>,
) {
    for key in keys {
        known.entry(key.clone()).or_default();
    }
}
