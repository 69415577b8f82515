//! The rows that a batch of changes comes to: what is new, and the last state of what changed.
//!
//! Each change carries the whole asset after it, so many changes of one asset in a batch are one row. Stores write a set with one
//! statement for each table and kind of write; in which order the tables are written does not matter.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use asset::key::Key;
use asset::{
    Change, ComputePlan, ComputeTask, ComputeTaskKey, DataManager, DataManagerKey, DataSample, DataSampleKey,
    FailureReport, Function, Model, ModelKey, Organization, OutputAsset, Performance,
};

/// A sample is offered through a manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleLink {
    /// The sample.
    pub data_sample_key: DataSampleKey,
    /// The manager.
    pub data_manager_key: DataManagerKey,
    /// The manager's place in the sample's list, from 0 on.
    pub position: usize,
}

/// Everything that a batch writes beside its events.
#[derive(Clone, Debug, Default)]
pub struct WriteSet {
    /// New organizations.
    pub organizations: Vec<Arc<Organization>>,
    /// New data managers.
    pub data_managers: Vec<Arc<DataManager>>,
    /// Data managers with another name.
    pub renamed_data_managers: Vec<Arc<DataManager>>,
    /// New data samples; their links are in `sample_links`.
    pub data_samples: Vec<Arc<DataSample>>,
    /// New links of new and old samples.
    pub sample_links: Vec<SampleLink>,
    /// New functions.
    pub functions: Vec<Arc<Function>>,
    /// Functions with another name, image or status.
    pub updated_functions: Vec<Arc<Function>>,
    /// New compute plans.
    pub compute_plans: Vec<Arc<ComputePlan>>,
    /// Compute plans with another name, cancelation date or failure date.
    pub updated_compute_plans: Vec<Arc<ComputePlan>>,
    /// New compute tasks.
    pub compute_tasks: Vec<Arc<ComputeTask>>,
    /// Which new tasks name which models by their key; each pair once.
    pub model_uses: Vec<(ModelKey, ComputeTaskKey)>,
    /// Compute tasks with another status.
    pub updated_compute_tasks: Vec<Arc<ComputeTask>>,
    /// New models.
    pub models: Vec<Arc<Model>>,
    /// Models that have lost their address.
    pub disabled_models: Vec<Arc<Model>>,
    /// New performances.
    pub performances: Vec<Arc<Performance>>,
    /// New output assets.
    pub output_assets: Vec<Arc<OutputAsset>>,
    /// New failure reports.
    pub failure_reports: Vec<Arc<FailureReport>>,
    /// Storage addresses that are in use from now on and were free before the batch.
    pub claimed_addresses: Vec<String>,
    /// Storage addresses that were in use before the batch and are free from now on.
    pub released_addresses: Vec<String>,
}

impl WriteSet {
    /// Folds the changes of a batch, in their order.
    pub fn of<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let mut fold = Fold::default();
        for change in changes {
            fold.addresses(change);
            fold.rows(change);
        }
        fold.finish()
    }
}

/// The assets of one kind, in order of first appearance: whether each is new, and its last state.
struct Rows<K, A> {
    rows: Vec<(bool, Arc<A>)>,
    index: HashMap<K, usize>,
}

impl<K, A> Default for Rows<K, A> {
    fn default() -> Self {
        Self { rows: Vec::new(), index: HashMap::new() }
    }
}

impl<K: Key, A> Rows<K, A> {
    fn put(&mut self, key: K, is_new: bool, asset: &Arc<A>) {
        match self.index.get(&key) {
            Some(row) => self.rows[*row].1 = Arc::clone(asset),
            None => {
                self.index.insert(key, self.rows.len());
                self.rows.push((is_new, Arc::clone(asset)));
            }
        }
    }

    /// The new ones, and the changed ones.
    fn split(self) -> (Vec<Arc<A>>, Vec<Arc<A>>) {
        let (new, changed): (Vec<_>, Vec<_>) = self.rows.into_iter().partition(|(is_new, _)| *is_new);
        let assets = |rows: Vec<(bool, Arc<A>)>| rows.into_iter().map(|(_, asset)| asset).collect();
        (assets(new), assets(changed))
    }
}

#[derive(Default)]
struct Fold {
    set: WriteSet,
    data_managers: Rows<DataManagerKey, DataManager>,
    functions: Rows<asset::FunctionKey, Function>,
    compute_plans: Rows<asset::ComputePlanKey, ComputePlan>,
    compute_tasks: Rows<asset::ComputeTaskKey, ComputeTask>,
    models: Rows<asset::ModelKey, Model>,
    /// Whether each address was in use before the batch, and is after it.
    address_use: BTreeMap<String, (bool, bool)>,
}

impl Fold {
    /// An address that is claimed was free before, and one that is released was in use: the first mention tells the state before.
    fn addresses(&mut self, change: &Change) {
        for address in change.released_addresses() {
            self.address_use.entry(address.to_owned()).or_insert((true, true)).1 = false;
        }
        for address in change.claimed_addresses() {
            self.address_use.entry(address.to_owned()).or_insert((false, false)).1 = true;
        }
    }

    fn rows(&mut self, change: &Change) {
        match change {
            Change::OrganizationRegistered(organization) => {
                self.set.organizations.push(Arc::clone(organization));
            }
            Change::DataManagerRegistered(manager) => self.data_managers.put(manager.key, true, manager),
            Change::DataManagerRenamed(manager) => self.data_managers.put(manager.key, false, manager),
            Change::DataSampleRegistered(sample) => {
                self.link(sample, &sample.data_manager_keys);
                self.set.data_samples.push(Arc::clone(sample));
            }
            Change::DataSampleLinked { sample, added } => self.link(sample, added),
            Change::FunctionRegistered(function) => self.functions.put(function.key, true, function),
            Change::FunctionUpdated { function, .. } | Change::FunctionStatusChanged { function, .. } => {
                self.functions.put(function.key, false, function);
            }
            Change::ComputePlanRegistered(plan) => self.compute_plans.put(plan.key, true, plan),
            Change::ComputePlanRenamed(plan)
            | Change::ComputePlanCanceled(plan)
            | Change::ComputePlanFailed(plan) => {
                self.compute_plans.put(plan.key, false, plan);
            }
            Change::ComputeTaskRegistered(task) => self.compute_tasks.put(task.key, true, task),
            Change::ComputeTaskStatusChanged { task, .. } => self.compute_tasks.put(task.key, false, task),
            Change::ModelRegistered(model) => self.models.put(model.key, true, model),
            Change::ModelDisabled { model, .. } => self.models.put(model.key, false, model),
            Change::PerformanceRegistered(performance) => self.set.performances.push(Arc::clone(performance)),
            Change::OutputAssetRegistered(output_asset) => {
                self.set.output_assets.push(Arc::clone(output_asset));
            }
            Change::FailureReportRegistered(report) => self.set.failure_reports.push(Arc::clone(report)),
            Change::ModelUsed { model, compute_task } => self.set.model_uses.push((*model, *compute_task)),
            Change::ProfilingStepRecorded(_) => {}
        }
    }

    fn link(&mut self, sample: &DataSample, managers: &[DataManagerKey]) {
        let new: HashSet<_> = managers.iter().collect();
        for (position, manager) in
            sample.data_manager_keys.iter().enumerate().filter(|(_, key)| new.contains(key))
        {
            let link = SampleLink { data_sample_key: sample.key, data_manager_key: *manager, position };
            self.set.sample_links.push(link);
        }
    }

    fn finish(self) -> WriteSet {
        let mut set = self.set;
        (set.data_managers, set.renamed_data_managers) = self.data_managers.split();
        (set.functions, set.updated_functions) = self.functions.split();
        (set.compute_plans, set.updated_compute_plans) = self.compute_plans.split();
        (set.compute_tasks, set.updated_compute_tasks) = self.compute_tasks.split();
        (set.models, set.disabled_models) = self.models.split();
        for (address, in_use) in self.address_use {
            match in_use {
                (false, true) => set.claimed_addresses.push(address),
                (true, false) => set.released_addresses.push(address),
                _ => {}
            }
        }
        set
    }
}
