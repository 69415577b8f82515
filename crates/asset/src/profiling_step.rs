//! Profiling steps: how long a stage of a function's build or of a task took (compute/PROF-1 … PROF-3).
//!
//! A step leaves nothing but its event. Only the owner of a function of the channel may report one: an event about an unknown key would stop
//! the event consumers of all others (compute/DEF-60).

use std::sync::Arc;

use crate::caller::OrganizationId;
use crate::change::Change;
use crate::command::{Call, Command, Decision};
use crate::facts::{Facts, Needs};
use crate::key::FunctionKey;
use crate::refusal::Refusal;
use crate::validation::{Policy, Violations};

/// A measured step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfilingStep {
    /// The function that the step belongs to.
    pub asset_key: FunctionKey,
    /// The name of the step.
    pub step: String,
    /// How long it took, in microseconds as the known backend counts; 1 to 2³² − 1.
    pub duration: u32,
}

/// Tells everybody how long a step took.
#[derive(Debug)]
pub struct RegisterProfilingStep(Arc<ProfilingStep>);

impl RegisterProfilingStep {
    /// Validates the request (compute/PROF-1).
    ///
    /// # Errors
    /// OE0101.
    pub fn new(asset_key: &str, step: String, duration: u32, policy: Policy) -> Result<Self, Refusal> {
        let mut violations = Violations::new("profiling_step", policy);
        let asset_key = violations.key("asset_key", asset_key);
        let step = violations.name("step", step);
        violations.require("duration", duration > 0, "cannot be blank");
        violations.finish()?;
        Ok(Self(Arc::new(ProfilingStep { asset_key, step, duration })))
    }
}

impl Command for RegisterProfilingStep {
    type Answer = ();

    fn needs(&self, _caller: &OrganizationId, _facts: &Facts, needs: &mut Needs) {
        needs.functions.insert(self.0.asset_key);
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<()>, Refusal> {
        facts.functions.require(self.0.asset_key)?.require_owner(&call.caller)?;
        Ok(Decision { changes: vec![Change::ProfilingStepRecorded(Arc::clone(&self.0))], answer: () })
    }
}
