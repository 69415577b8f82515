//! Compute plans: the brackets around tasks that belong to one experiment (compute/PLAN-1 … PLAN-51).
//!
//! A plan never starts or stops anything by itself: canceling it only sets a date (compute/PLAN-33), and workers are expected to look. It
//! is over once it has either date.

use std::collections::HashSet;
use std::sync::Arc;

use crate::caller::OrganizationId;
use crate::change::Change;
use crate::command::{Call, Command, Decision, Inquiry};
use crate::compute_task::ComputeTaskStatus;
use crate::facts::{Facts, Needs};
use crate::key::{ComputePlanKey, Key};
use crate::limits::TAG_BYTES_MAX;
use crate::metadata::Metadata;
use crate::refusal::{Code, Refusal};
use crate::time::Timestamp;
use crate::validation::{Policy, Violations};

/// A registered compute plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComputePlan {
    /// Its key.
    pub key: ComputePlanKey,
    /// Its name.
    pub name: String,
    /// A free mark, perhaps empty.
    pub tag: String,
    /// Who registered it, and may add tasks to it.
    pub owner: OrganizationId,
    /// Free annotations.
    pub metadata: Metadata,
    /// When it was registered.
    pub creation_date: Timestamp,
    /// When its owner canceled it.
    pub cancelation_date: Option<Timestamp>,
    /// When the first of its tasks failed.
    pub failure_date: Option<Timestamp>,
}

impl ComputePlan {
    /// Whether it was canceled or has failed.
    pub fn is_terminated(&self) -> bool {
        self.cancelation_date.is_some() || self.failure_date.is_some()
    }

    /// # Errors
    /// OE0102 if `caller` is not the owner.
    pub fn require_owner(&self, caller: &OrganizationId) -> Result<(), Refusal> {
        if self.owner == *caller { Ok(()) } else { Err(Refusal::not_owner(self.key)) }
    }

    /// The change when one of its tasks fails: none if it is over already (compute/PLAN-40).
    pub(crate) fn fail(&self, now: Timestamp) -> Option<Change> {
        let failed = || Self { failure_date: Some(now), ..self.clone() };
        (!self.is_terminated()).then(|| Change::ComputePlanFailed(Arc::new(failed())))
    }
}

/// A registration as it was asked for.
#[derive(Clone, Debug, Default)]
pub struct NewComputePlan {
    /// Required, strict form.
    pub key: String,
    /// Required.
    pub name: String,
    /// Perhaps empty.
    pub tag: String,
    /// Free annotations.
    pub metadata: Metadata,
}

/// Registers an empty compute plan that the caller will own.
#[derive(Debug)]
pub struct RegisterComputePlan {
    key: ComputePlanKey,
    name: String,
    tag: String,
    metadata: Metadata,
}

impl RegisterComputePlan {
    /// Validates the request (compute/PLAN-2).
    ///
    /// # Errors
    /// OE0101.
    pub fn new(request: NewComputePlan, policy: Policy) -> Result<Self, Refusal> {
        let mut violations = Violations::new("computeplan", policy);
        let valid = Self {
            key: violations.key("key", &request.key),
            name: violations.name("name", request.name),
            tag: violations.text("tag", request.tag, TAG_BYTES_MAX),
            metadata: violations.metadata(request.metadata),
        };
        violations.finish()?;
        Ok(valid)
    }
}

impl Command for RegisterComputePlan {
    type Answer = Arc<ComputePlan>;

    fn needs(&self, _caller: &OrganizationId, _facts: &Facts, needs: &mut Needs) {
        needs.organizations = true;
        needs.compute_plans.insert(self.key);
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<Self::Answer>, Refusal> {
        facts.compute_plans.require_free(self.key)?;
        facts.require_registered_owner(&call.caller)?;
        let plan = Arc::new(ComputePlan {
            key: self.key,
            name: self.name.clone(),
            tag: self.tag.clone(),
            owner: call.caller.clone(),
            metadata: self.metadata.clone(),
            creation_date: call.now,
            cancelation_date: None,
            failure_date: None,
        });
        Ok(Decision { changes: vec![Change::ComputePlanRegistered(Arc::clone(&plan))], answer: plan })
    }
}

/// Gives a compute plan another name, terminated or not (compute/PLAN-22).
#[derive(Debug)]
pub struct RenameComputePlan {
    key: ComputePlanKey,
    name: String,
}

impl RenameComputePlan {
    /// Validates the request (compute/PLAN-20).
    ///
    /// # Errors
    /// OE0101.
    pub fn new(key: &str, name: String, policy: Policy) -> Result<Self, Refusal> {
        let mut violations = Violations::new("computeplan", policy);
        let valid = Self { key: violations.key("key", key), name: violations.name("name", name) };
        violations.finish()?;
        Ok(valid)
    }
}

impl Command for RenameComputePlan {
    type Answer = ();

    fn needs(&self, _caller: &OrganizationId, _facts: &Facts, needs: &mut Needs) {
        needs.compute_plans.insert(self.key);
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let plan = facts.compute_plans.require(self.key)?;
        plan.require_owner(&call.caller)?;
        let renamed = ComputePlan { name: self.name.clone(), ..ComputePlan::clone(plan) };
        Ok(Decision { changes: vec![Change::ComputePlanRenamed(Arc::new(renamed))], answer: () })
    }
}

/// What a plan's owner can do to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComputePlanAction {
    /// Give it up.
    Cancel,
}

/// Acts on a compute plan.
#[derive(Debug)]
pub struct ApplyComputePlanAction {
    key: ComputePlanKey,
    action: Option<ComputePlanAction>,
}

impl ApplyComputePlanAction {
    /// An unknown action (`None`) is judged after existence and ownership (compute/PLAN-30).
    ///
    /// # Errors
    /// OE0101 if the key is no UUID (compute/DEF-20).
    pub fn new(key: &str, action: Option<ComputePlanAction>) -> Result<Self, Refusal> {
        Ok(Self { key: ComputePlanKey::look_up(key)?, action })
    }
}

impl Command for ApplyComputePlanAction {
    type Answer = ();

    fn needs(&self, _caller: &OrganizationId, _facts: &Facts, needs: &mut Needs) {
        needs.compute_plans.insert(self.key);
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let plan = facts.compute_plans.require(self.key)?;
        plan.require_owner(&call.caller)?;
        let Some(ComputePlanAction::Cancel) = self.action else {
            return Err(Refusal::new(Code::Unimplemented, "unsupported compute plan action"));
        };
        if plan.is_terminated() {
            let message = format!("compute plan {} is already terminated", self.key);
            return Err(Refusal::new(Code::TerminatedComputePlan, message));
        }
        let canceled = ComputePlan { cancelation_date: Some(call.now), ..ComputePlan::clone(plan) };
        Ok(Decision { changes: vec![Change::ComputePlanCanceled(Arc::new(canceled))], answer: () })
    }
}

/// Looks a compute plan up (compute/PLAN-10).
#[derive(Debug)]
pub struct GetComputePlan(ComputePlanKey);

impl GetComputePlan {
    /// # Errors
    /// OE0101 if the key is no UUID.
    pub fn new(key: &str) -> Result<Self, Refusal> {
        Ok(Self(ComputePlanKey::look_up(key)?))
    }
}

impl Inquiry for GetComputePlan {
    type Answer = Arc<ComputePlan>;

    fn needs(&self, _facts: &Facts, needs: &mut Needs) {
        needs.compute_plans.insert(self.0);
    }

    fn answer(&self, facts: &Facts) -> Result<Self::Answer, Refusal> {
        facts.compute_plans.require(self.0).cloned()
    }
}

/// Asks whether a plan still has work to do (compute/PLAN-50, PLAN-51).
#[derive(Debug)]
pub struct IsComputePlanRunning(ComputePlanKey);

impl IsComputePlanRunning {
    /// # Errors
    /// OE0101 if the key is no UUID.
    pub fn new(key: &str) -> Result<Self, Refusal> {
        Ok(Self(ComputePlanKey::look_up(key)?))
    }
}

impl Inquiry for IsComputePlanRunning {
    type Answer = bool;

    fn needs(&self, _facts: &Facts, needs: &mut Needs) {
        needs.compute_plans.insert(self.0);
        needs.statuses_in_plans.insert(self.0);
    }

    fn answer(&self, facts: &Facts) -> Result<bool, Refusal> {
        let plan = facts.compute_plans.require(self.0)?;
        let none = HashSet::new();
        let statuses = facts.statuses_in_plans.get(&self.0).unwrap_or(&none);
        let broken = [ComputeTaskStatus::Canceled, ComputeTaskStatus::Failed]
            .iter()
            .any(|status| statuses.contains(status));
        let unfinished = statuses.iter().any(|status| *status != ComputeTaskStatus::Done);
        Ok(!plan.is_terminated() && !broken && unfinished)
    }
}
