//! Disabling an output: models that nobody needs any more lose their addresses (compute/TASK-70 … TASK-73).

use std::sync::Arc;

use crate::caller::OrganizationId;
use crate::change::Change;
use crate::command::{Call, Command, Decision};
use crate::compute_task::ComputeTask;
use crate::event::AssetKind;
use crate::facts::{Facts, Needs};
use crate::key::{ComputeTaskKey, Key};
use crate::model::Model;
use crate::refusal::{Code, Refusal};

/// Disables the models of one output of a task.
#[derive(Debug)]
pub struct DisableOutput {
    compute_task_key: ComputeTaskKey,
    identifier: String,
}

impl DisableOutput {
    /// # Errors
    /// OE0101 if the key is no UUID (compute/DEF-20).
    pub fn new(compute_task_key: &str, identifier: String) -> Result<Self, Refusal> {
        Ok(Self { compute_task_key: ComputeTaskKey::look_up(compute_task_key)?, identifier })
    }

    /// The models of the output, after the checks of compute/TASK-70 in their order.
    fn disposable<'a>(&self, task: &ComputeTask, facts: &'a Facts) -> Result<Vec<&'a Arc<Model>>, Refusal> {
        require(task.status.is_final(), "the task is not over")?;
        let output = task.outputs.get(&self.identifier);
        require(output.is_some(), "the task has no such output")?;
        require(output.is_some_and(|output| output.transient), "the output is not transient")?;
        let assets = facts.output_assets.get(&task.key).map(Vec::as_slice).unwrap_or_default();
        let mut assets = assets.iter().filter(|asset| asset.identifier == self.identifier).peekable();
        require(assets.peek().is_some(), "the output has no asset")?;
        require(assets.all(|asset| asset.kind == AssetKind::Model), "the output is not a model")?;
        self.require_finished_users(facts)?;
        let models = facts.output_models(task.key);
        Ok(models.filter(|(asset, _)| asset.identifier == self.identifier).map(|(_, model)| model).collect())
    }

    /// All children must be over, and there must be some; so must all tasks that use a model by its key (compute/DEF-16).
    fn require_finished_users(&self, facts: &Facts) -> Result<(), Refusal> {
        let is_final = |key: &ComputeTaskKey| facts.task_status(*key).is_none_or(|status| status.is_final());
        let children = facts.children.get(&self.compute_task_key).map(Vec::as_slice).unwrap_or_default();
        require(!children.is_empty(), "the task has no children")?;
        require(children.iter().all(is_final), "some child of the task is not over")?;
        let models = facts
            .output_models(self.compute_task_key)
            .filter(|(asset, _)| asset.identifier == self.identifier);
        let mut users = models.filter_map(|(_, model)| facts.model_users.get(&model.key)).flatten();
        require(users.all(is_final), "some task that uses a model of the output is not over")
    }
}

fn require(holds: bool, reason: &str) -> Result<(), Refusal> {
    if holds {
        Ok(())
    } else {
        Err(Refusal::new(Code::CannotDisableOutput, format!("cannot disable output: {reason}")))
    }
}

impl Command for DisableOutput {
    type Answer = ();

    fn needs(&self, _caller: &OrganizationId, facts: &Facts, needs: &mut Needs) {
        needs.compute_tasks.insert(self.compute_task_key);
        needs.output_assets.insert(self.compute_task_key);
        needs.children.insert(self.compute_task_key);
        needs.model_users.extend(facts.output_models(self.compute_task_key).map(|(_, model)| model.key));
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let task = facts.compute_tasks.require(self.compute_task_key)?;
        task.require_worker(&call.caller)?;
        let models = self.disposable(task, facts)?;
        // compute/DEF-15: repeating it is fine, and tells nobody.
        let disabled = models.into_iter().filter_map(|model| {
            let address_before = model.address.as_ref()?.storage_address.clone();
            let model = Arc::new(Model { address: None, ..Model::clone(model) });
            Some(Change::ModelDisabled { model, address_before })
        });
        Ok(Decision { changes: disabled.collect(), answer: () })
    }
}
