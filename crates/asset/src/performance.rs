//! Performances: the figures that tasks measure (compute/PERF-1 … PERF-6).

use std::sync::Arc;

use crate::caller::OrganizationId;
use crate::change::Change;
use crate::command::{Call, Command, Decision};
use crate::event::AssetKind;
use crate::facts::{Facts, Needs};
use crate::key::ComputeTaskKey;
use crate::output_asset::OutputAsset;
use crate::refusal::{Code, Refusal};
use crate::time::Timestamp;
use crate::validation::{Policy, Violations};

/// A registered performance.
#[derive(Clone, Debug, PartialEq)]
pub struct Performance {
    /// The task that measured it.
    pub compute_task_key: ComputeTaskKey,
    /// The output it was measured for.
    pub identifier: String,
    /// Any 32-bit float, NaN and infinities included (compute/PERF-3).
    pub value: f32,
    /// When it was registered.
    pub creation_date: Timestamp,
}

impl Performance {
    /// The key: task key, a vertical bar, output identifier (compute/PERF-4); up to 137 bytes.
    pub fn key(&self) -> String {
        format!("{}|{}", self.compute_task_key, self.identifier)
    }
}

/// Registers a performance of a task that the caller executes.
#[derive(Debug)]
pub struct RegisterPerformance {
    compute_task_key: ComputeTaskKey,
    identifier: String,
    value: f32,
}

impl RegisterPerformance {
    /// Validates the request (compute/PERF-2).
    ///
    /// # Errors
    /// OE0101.
    pub fn new(
        compute_task_key: &str,
        identifier: String,
        value: f32,
        policy: Policy,
    ) -> Result<Self, Refusal> {
        let mut violations = Violations::new("performance", policy);
        let compute_task_key = violations.key("compute_task_key", compute_task_key);
        violations.require("compute_task_output_identifier", !identifier.is_empty(), "cannot be blank");
        violations.without_nul("compute_task_output_identifier", &identifier);
        violations.finish()?;
        Ok(Self { compute_task_key, identifier, value })
    }
}

impl Command for RegisterPerformance {
    type Answer = Arc<Performance>;

    fn needs(&self, _caller: &OrganizationId, facts: &Facts, needs: &mut Needs) {
        needs.compute_tasks.insert(self.compute_task_key);
        needs.output_assets.insert(self.compute_task_key);
        if let Some(task) = facts.compute_tasks.get(self.compute_task_key) {
            needs.functions.insert(task.function_key);
        }
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<Self::Answer>, Refusal> {
        let task = facts.compute_tasks.require(self.compute_task_key)?;
        task.require_executing_worker(&call.caller)?;
        task.require_output(&self.identifier)?;
        facts
            .functions
            .require(task.function_key)?
            .require_output(&self.identifier, AssetKind::Performance)?;
        let stored = facts.output_assets.get(&task.key).map(Vec::as_slice).unwrap_or_default();
        let performance = Arc::new(Performance {
            compute_task_key: task.key,
            identifier: self.identifier.clone(),
            value: self.value,
            creation_date: call.now,
        });
        if stored.iter().any(|asset| asset.identifier == self.identifier) {
            let message = format!("performance with key {:?} already exists", performance.key());
            return Err(Refusal::new(Code::Conflict, message));
        }
        let output_asset = OutputAsset {
            compute_task_key: task.key,
            identifier: self.identifier.clone(),
            position: 1,
            kind: AssetKind::Performance,
            asset_key: performance.key(),
        };
        let changes = vec![
            Change::PerformanceRegistered(Arc::clone(&performance)),
            Change::OutputAssetRegistered(Arc::new(output_asset)),
        ];
        Ok(Decision { changes, answer: performance })
    }
}
