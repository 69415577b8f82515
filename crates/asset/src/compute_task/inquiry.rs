//! Questions about a task (compute/TASK-40, TASK-60 … TASK-62).

use std::sync::Arc;

use crate::command::Inquiry;
use crate::compute_task::{ComputeTask, ComputeTaskStatus, InputSource, TaskInput};
use crate::data_manager::DataManager;
use crate::data_sample::DataSample;
use crate::event::AssetKind;
use crate::facts::{Facts, Needs};
use crate::function::Function;
use crate::key::{ComputeTaskKey, DataManagerKey, DataSampleKey, Key, ModelKey};
use crate::model::Model;
use crate::refusal::{Code, Refusal};

/// Looks a task up (compute/TASK-40).
#[derive(Debug)]
pub struct GetComputeTask(ComputeTaskKey);

impl GetComputeTask {
    /// # Errors
    /// OE0101 if the key is no UUID.
    pub fn new(key: &str) -> Result<Self, Refusal> {
        Ok(Self(ComputeTaskKey::look_up(key)?))
    }
}

impl Inquiry for GetComputeTask {
    type Answer = Arc<ComputeTask>;

    fn needs(&self, _facts: &Facts, needs: &mut Needs) {
        needs.compute_tasks.insert(self.0);
    }

    fn answer(&self, facts: &Facts) -> Result<Self::Answer, Refusal> {
        facts.compute_tasks.require(self.0).cloned()
    }
}

/// An asset that goes into a task.
#[derive(Clone, Debug)]
pub struct InputAsset {
    /// The identifier of the input.
    pub identifier: String,
    /// What goes in.
    pub content: InputContent,
}

/// What goes into a task, as the asset itself.
#[derive(Clone, Debug)]
pub enum InputContent {
    /// A model, perhaps disabled.
    Model(Arc<Model>),
    /// A data manager.
    DataManager(Arc<DataManager>),
    /// A data sample.
    DataSample(Arc<DataSample>),
}

/// Asks for everything that goes into a task, in input order (compute/TASK-61).
#[derive(Debug)]
pub struct GetTaskInputAssets(ComputeTaskKey);

impl GetTaskInputAssets {
    /// # Errors
    /// OE0101 if the key is no UUID.
    pub fn new(key: &str) -> Result<Self, Refusal> {
        Ok(Self(ComputeTaskKey::look_up(key)?))
    }
}

impl Inquiry for GetTaskInputAssets {
    type Answer = Vec<InputAsset>;

    fn needs(&self, facts: &Facts, needs: &mut Needs) {
        needs.compute_tasks.insert(self.0);
        let Some(task) = facts.compute_tasks.get(self.0) else {
            return;
        };
        needs.functions.insert(task.function_key);
        needs.output_assets.extend(task.parents());
        if let Some(function) = facts.functions.get(task.function_key) {
            needs_of_asset_inputs(&task.inputs, function, needs);
        }
    }

    fn answer(&self, facts: &Facts) -> Result<Self::Answer, Refusal> {
        let task = facts.compute_tasks.require(self.0)?;
        use ComputeTaskStatus::{Executing, Failed, WaitingForExecutorSlot};
        if !matches!(task.status, WaitingForExecutorSlot | Executing | Failed) {
            let message = format!("inputs may not be defined in status {}", task.status.as_str());
            return Err(Refusal::bad_request(message));
        }
        let function = facts.functions.require(task.function_key)?;
        let mut assets = Vec::new();
        for input in &task.inputs {
            let contents = match &input.source {
                InputSource::Asset(_) => vec![asset_input(input, function, facts)?],
                InputSource::ParentOutput { parent_task_key, output_identifier } => {
                    parent_output(*parent_task_key, output_identifier, facts)?
                }
            };
            let identified = contents
                .into_iter()
                .map(|content| InputAsset { identifier: input.identifier.clone(), content });
            assets.extend(identified);
        }
        Ok(assets)
    }
}

/// Adds the assets that inputs name by key; only the function tells of which kind they are.
pub(super) fn needs_of_asset_inputs(inputs: &[TaskInput], function: &Function, needs: &mut Needs) {
    for input in inputs {
        let InputSource::Asset(key) = input.source else {
            continue;
        };
        match function.inputs.get(&input.identifier).map(|declared| declared.kind) {
            Some(AssetKind::DataManager) => {
                needs.data_managers.insert(DataManagerKey::from_uuid(key));
            }
            Some(AssetKind::DataSample) => {
                needs.data_samples.insert(DataSampleKey::from_uuid(key));
            }
            Some(AssetKind::Model) => {
                needs.models.insert(ModelKey::from_uuid(key));
            }
            _ => {}
        }
    }
}

fn asset_input(input: &TaskInput, function: &Function, facts: &Facts) -> Result<InputContent, Refusal> {
    let vanished = || Refusal::nameless("asset", &input.identifier);
    let InputSource::Asset(key) = input.source else {
        return Err(vanished());
    };
    let declared = function.inputs.get(&input.identifier).ok_or_else(vanished)?;
    match declared.kind {
        AssetKind::DataManager => facts
            .data_managers
            .require(DataManagerKey::from_uuid(key))
            .cloned()
            .map(InputContent::DataManager),
        AssetKind::DataSample => {
            facts.data_samples.require(DataSampleKey::from_uuid(key)).cloned().map(InputContent::DataSample)
        }
        AssetKind::Model => facts.models.require(ModelKey::from_uuid(key)).cloned().map(InputContent::Model),
        _ => Err(vanished()),
    }
}

/// What a parent has registered for an output so far, in that order: perhaps nothing.
fn parent_output(
    parent: ComputeTaskKey,
    identifier: &str,
    facts: &Facts,
) -> Result<Vec<InputContent>, Refusal> {
    let assets = facts.output_assets.get(&parent).map(Vec::as_slice).unwrap_or_default();
    let of_output = assets.iter().filter(|asset| asset.identifier == identifier);
    of_output
        .map(|asset| match (asset.kind, ModelKey::parse(&asset.asset_key)) {
            (AssetKind::Model, Some(key)) => facts.models.require(key).cloned().map(InputContent::Model),
            _ => Err(Refusal::new(Code::Unimplemented, "only models can go from one task into another")),
        })
        .collect()
}
