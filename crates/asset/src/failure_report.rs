//! Failure reports: why a task or a function failed, and where its logs lie (compute/FAIL-1 … FAIL-20).
//!
//! Reporting a failure makes the asset fail, with all that follows from it, and keeps the report. An asset gets at most one.

use std::sync::Arc;

use crate::addressable::Addressable;
use crate::caller::OrganizationId;
use crate::change::Change;
use crate::command::{Call, Command, Decision, Inquiry};
use crate::compute_task::{ComputeTaskTransition, cascade};
use crate::facts::{Facts, Needs};
use crate::function::build::FunctionAction;
use crate::key::{ComputeTaskKey, FailedAssetKey, FunctionKey, Key};
use crate::refusal::Refusal;
use crate::time::Timestamp;
use crate::validation::{Policy, Violations};

/// Where it went wrong. The numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    /// While the function was built.
    Build = 1,
    /// While the task ran.
    Execution = 2,
    /// In the worker itself; there are no logs to show.
    Internal = 3,
}

/// What failed. The numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedAssetKind {
    /// A compute task.
    ComputeTask = 1,
    /// A function.
    Function = 2,
}

impl ErrorType {
    /// The number on the wire and in the stores.
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// The type with this number.
    pub fn from_number(number: i16) -> Option<Self> {
        [Self::Build, Self::Execution, Self::Internal].into_iter().find(|kind| kind.number() == number)
    }
}

impl FailedAssetKind {
    /// The number on the wire and in the stores.
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// The kind with this number.
    pub fn from_number(number: i16) -> Option<Self> {
        [Self::ComputeTask, Self::Function].into_iter().find(|kind| kind.number() == number)
    }

    /// What a stored number says: 0 is kept for reports that do not tell. `None` if it has no meaning.
    pub fn from_stored_number(number: i16) -> Option<Option<Self>> {
        if number == 0 { Some(None) } else { Self::from_number(number).map(Some) }
    }
}

/// A registered failure report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureReport {
    /// The key of the task or function that failed.
    pub asset_key: FailedAssetKey,
    /// Which of the two; reports that an old version of Substra orchestrator kept do not tell.
    pub asset_type: Option<FailedAssetKind>,
    /// Where it went wrong.
    pub error_type: ErrorType,
    /// The logs; absent for internal errors.
    pub logs_address: Option<Addressable>,
    /// Who reported it.
    pub owner: OrganizationId,
    /// When it was reported.
    pub creation_date: Timestamp,
}

impl FailureReport {
    /// The number of the asset type on the wire and in the stores; 0 for a report that does not tell.
    pub fn asset_type_number(&self) -> i16 {
        self.asset_type.map_or(0, FailedAssetKind::number)
    }
}

/// A report as it was asked for. `None` stands for a number that the wire does not define, or for its zero value.
#[derive(Clone, Debug, Default)]
pub struct NewFailureReport {
    /// Required, strict form.
    pub asset_key: String,
    /// Required to be task or function; judged after validation (compute/FAIL-3).
    pub asset_type: Option<FailedAssetKind>,
    /// Whether the number of the asset type is one the wire defines, zero included.
    pub asset_type_defined: bool,
    /// Required.
    pub error_type: Option<ErrorType>,
    /// Required for build and execution errors, absent otherwise.
    pub logs_address: Option<Addressable>,
}

/// Reports that a task or function failed.
#[derive(Debug)]
pub struct RegisterFailureReport {
    asset_key: FailedAssetKey,
    asset_type: FailedAssetKind,
    error_type: ErrorType,
    logs_address: Option<Addressable>,
}

/// The reason of the status changes that a report causes (compute, table 11.3).
const REASON_FAILURE_REPORT: &str = "failure report registered";

impl RegisterFailureReport {
    /// Validates the request (compute/FAIL-1), then looks at the asset type (compute/FAIL-3).
    ///
    /// # Errors
    /// OE0101, then OE0003.
    pub fn new(request: NewFailureReport, policy: Policy) -> Result<Self, Refusal> {
        let mut violations = Violations::new("failurereport", policy);
        let asset_key = violations.key("asset_key", &request.asset_key);
        violations.require("asset_type", request.asset_type_defined, "is unknown");
        violations.require(
            "error_type",
            request.error_type.is_some(),
            "must be build, execution or internal",
        );
        let logs_address = match request.error_type {
            Some(ErrorType::Build | ErrorType::Execution) => {
                Some(violations.addressable("logs_address", request.logs_address))
            }
            Some(ErrorType::Internal) | None => {
                violations.require("logs_address", request.logs_address.is_none(), "must be absent");
                None
            }
        };
        violations.finish()?;
        let unsupported = || Refusal::bad_request("unsupported asset type of a failure report");
        Ok(Self {
            asset_key,
            asset_type: request.asset_type.ok_or_else(unsupported)?,
            error_type: request.error_type.ok_or_else(unsupported)?,
            logs_address,
        })
    }

    fn task_key(&self) -> ComputeTaskKey {
        ComputeTaskKey::from_uuid(self.asset_key.uuid())
    }

    fn function_key(&self) -> FunctionKey {
        FunctionKey::from_uuid(self.asset_key.uuid())
    }

    /// The failure itself, with its cascade: compute/FAIL-10 for a task, FAIL-11 for a function.
    fn fail(&self, call: &Call, facts: &Facts) -> Result<Vec<Change>, Refusal> {
        match self.asset_type {
            FailedAssetKind::ComputeTask => {
                let task = facts.compute_tasks.require(self.task_key())?;
                task.require_executing_worker(&call.caller)?;
                cascade::task_moved(task, ComputeTaskTransition::Failed, REASON_FAILURE_REPORT, call, facts)
            }
            FailedAssetKind::Function => {
                let function = facts.functions.require(self.function_key())?;
                function.require_owner(&call.caller)?;
                function.act(FunctionAction::Failed, REASON_FAILURE_REPORT, call, facts)
            }
        }
    }
}

impl Command for RegisterFailureReport {
    type Answer = Arc<FailureReport>;

    fn needs(&self, _caller: &OrganizationId, facts: &Facts, needs: &mut Needs) {
        needs.failure_reports.insert(self.asset_key);
        needs.addresses.extend(self.logs_address.iter().map(|address| address.storage_address.clone()));
        match self.asset_type {
            FailedAssetKind::ComputeTask => {
                cascade::needs_of_task_transition(
                    self.task_key(),
                    ComputeTaskTransition::Failed,
                    facts,
                    needs,
                );
            }
            FailedAssetKind::Function => {
                needs.functions.insert(self.function_key());
                cascade::needs_of_function_action(self.function_key(), FunctionAction::Failed, facts, needs);
            }
        }
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<Self::Answer>, Refusal> {
        let mut changes = self.fail(call, facts)?;
        // A task and a function may have the same key, and there is one report for a key.
        facts.failure_reports.require_free(self.asset_key)?;
        let address = self.logs_address.as_ref().map(|address| address.storage_address.as_str());
        facts.require_free_addresses(address)?;
        let report = Arc::new(FailureReport {
            asset_key: self.asset_key,
            asset_type: Some(self.asset_type),
            error_type: self.error_type,
            logs_address: self.logs_address.clone(),
            owner: call.caller.clone(),
            creation_date: call.now,
        });
        changes.push(Change::FailureReportRegistered(Arc::clone(&report)));
        Ok(Decision { changes, answer: report })
    }
}

/// Looks a failure report up by the key of what failed (compute/FAIL-20).
#[derive(Debug)]
pub struct GetFailureReport(FailedAssetKey);

impl GetFailureReport {
    /// # Errors
    /// OE0101 if the key is no UUID.
    pub fn new(key: &str) -> Result<Self, Refusal> {
        Ok(Self(FailedAssetKey::look_up(key)?))
    }
}

impl Inquiry for GetFailureReport {
    type Answer = Arc<FailureReport>;

    fn needs(&self, _facts: &Facts, needs: &mut Needs) {
        needs.failure_reports.insert(self.0);
    }

    fn answer(&self, facts: &Facts) -> Result<Self::Answer, Refusal> {
        facts.failure_reports.require(self.0).cloned()
    }
}
