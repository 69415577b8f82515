//! Functions: the programs that tasks run, and the life cycle of their build.
//!
//! This file owns what a function is and where its build can stand. A function declares its inputs and outputs; tasks must fit them.
//! [`registration`] judges new functions, [`update`] renames them and takes their images, [`build`] lets their owners tell how the build goes; the tasks that
//! this moves stand in [`crate::compute_task::cascade`].

pub mod build;
pub mod registration;
pub mod update;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::addressable::Addressable;
use crate::caller::OrganizationId;
use crate::command::Inquiry;
use crate::event::AssetKind;
use crate::facts::{Facts, Needs};
use crate::function::build::FunctionAction;
use crate::key::{FunctionKey, Key};
use crate::metadata::Metadata;
use crate::permission::Permissions;
use crate::refusal::{Code, Refusal};
use crate::time::Timestamp;

/// A declared input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionInput {
    /// What goes in.
    pub kind: AssetKind,
    /// A task may give it more than once.
    pub multiple: bool,
    /// A task may leave it out.
    pub optional: bool,
}

/// A declared output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionOutput {
    /// What comes out.
    pub kind: AssetKind,
    /// A task may register more than one asset for it.
    pub multiple: bool,
}

/// Where the build stands. The numbers are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FunctionStatus {
    /// A function of an old version; no transition leaves this (compute/DEF-70).
    Unknown = 0,
    /// Nobody builds it yet.
    Waiting = 1,
    /// It is being built.
    Building = 2,
    /// Its tasks can run.
    Ready = 3,
    /// Its owner gave it up.
    Canceled = 4,
    /// It could not be built.
    Failed = 5,
}

impl FunctionStatus {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Unknown, Self::Waiting, Self::Building, Self::Ready, Self::Canceled, Self::Failed];

    /// The number on the wire and in the stores.
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// The status with this number.
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.number() == number)
    }

    /// The name on the wire; part of messages that clients match (compute, table 11.3).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "FUNCTION_STATUS_UNKNOWN",
            Self::Waiting => "FUNCTION_STATUS_WAITING",
            Self::Building => "FUNCTION_STATUS_BUILDING",
            Self::Ready => "FUNCTION_STATUS_READY",
            Self::Canceled => "FUNCTION_STATUS_CANCELED",
            Self::Failed => "FUNCTION_STATUS_FAILED",
        }
    }

    /// The status after `action` (compute/FSM-2 … FSM-5).
    ///
    /// # Errors
    /// OE0003 for everything that is not in the table of the contract.
    pub fn apply(self, action: FunctionAction) -> Result<Self, Refusal> {
        match (self, action) {
            (Self::Waiting, FunctionAction::Building) => Ok(Self::Building),
            (Self::Building, FunctionAction::Ready) => Ok(Self::Ready),
            (Self::Building, FunctionAction::Failed) => Ok(Self::Failed),
            (Self::Waiting | Self::Building, FunctionAction::Canceled) => Ok(Self::Canceled),
            _ => Err(Refusal::illegal_transition(action.transition(), self.as_str())),
        }
    }
}

/// A registered function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its key.
    pub key: FunctionKey,
    /// Its name.
    pub name: String,
    /// Who registered it, and builds it.
    pub owner: OrganizationId,
    /// Who may use it in a task.
    pub permissions: Permissions,
    /// The description file.
    pub description: Addressable,
    /// The archive of its source.
    pub archive: Addressable,
    /// The built image, once there is one (compute/FUNC-6).
    pub image: Option<Addressable>,
    /// The declared inputs by identifier.
    pub inputs: BTreeMap<String, FunctionInput>,
    /// The declared outputs by identifier.
    pub outputs: BTreeMap<String, FunctionOutput>,
    /// Free annotations.
    pub metadata: Metadata,
    /// Where its build stands.
    pub status: FunctionStatus,
    /// When it was registered.
    pub creation_date: Timestamp,
}

impl Function {
    /// # Errors
    /// OE0102 if `caller` is not the owner.
    pub fn require_owner(&self, caller: &OrganizationId) -> Result<(), Refusal> {
        if self.owner == *caller { Ok(()) } else { Err(Refusal::not_owner(self.key)) }
    }

    /// The declared output, which must be of this kind.
    ///
    /// # Errors
    /// OE0106 if the function declares no such output, OE0107 if it is of another kind.
    pub(crate) fn require_output(
        &self,
        identifier: &str,
        kind: AssetKind,
    ) -> Result<&FunctionOutput, Refusal> {
        let output = self.outputs.get(identifier).ok_or_else(|| {
            Refusal::new(
                Code::MissingTaskOutput,
                format!("function {} has no output {identifier:?}", self.key),
            )
        })?;
        if output.kind != kind {
            let message = format!("output {identifier:?} of function {} is of another kind", self.key);
            return Err(Refusal::new(Code::IncompatibleOutputKind, message));
        }
        Ok(output)
    }
}

/// Looks a function up (compute/FUNC-10).
#[derive(Debug)]
pub struct GetFunction(FunctionKey);

impl GetFunction {
    /// # Errors
    /// OE0101 if the key is no UUID.
    pub fn new(key: &str) -> Result<Self, Refusal> {
        Ok(Self(FunctionKey::look_up(key)?))
    }
}

impl Inquiry for GetFunction {
    type Answer = Arc<Function>;

    fn needs(&self, _facts: &Facts, needs: &mut Needs) {
        needs.functions.insert(self.0);
    }

    fn answer(&self, facts: &Facts) -> Result<Self::Answer, Refusal> {
        facts.functions.require(self.0).cloned()
    }
}
