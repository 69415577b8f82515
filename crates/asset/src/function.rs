//! Functions: the programs that tasks run, and the life cycle of their build (compute/FUNC-1 … FUNC-33, FSM-1 … FSM-5).
//!
//! A function declares its inputs and outputs; tasks must fit them. Its owner builds it and tells the outcome, which moves the tasks that
//! wait for it: that cascade stands in [`crate::compute_task::cascade`].

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::addressable::Addressable;
use crate::caller::OrganizationId;
use crate::change::Change;
use crate::command::{Call, Command, Decision, Inquiry};
use crate::compute_task::cascade;
use crate::event::AssetKind;
use crate::facts::{Facts, Needs};
use crate::key::{FunctionKey, Key};
use crate::limits::{ADDRESS_CHARACTERS_MAX, CHECKSUM_DIGITS};
use crate::metadata::Metadata;
use crate::permission::{NewPermissions, Permissions};
use crate::refusal::{Code, Refusal};
use crate::time::Timestamp;
use crate::validation::{Policy, Violations};

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

/// What a function's owner can do to its build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionAction {
    /// The build begins.
    Building,
    /// The build is given up.
    Canceled,
    /// The build failed.
    Failed,
    /// The build is done.
    Ready,
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

impl FunctionAction {
    const fn transition(self) -> &'static str {
        match self {
            Self::Building => "transitionBuilding",
            Self::Canceled => "transitionCanceled",
            Self::Failed => "transitionFailed",
            Self::Ready => "transitionReady",
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

    /// The changes of `action`: the function's own, then those of the tasks that wait for it (compute/FUNC-32).
    ///
    /// # Errors
    /// OE0003 if the action is not legal in this status.
    pub(crate) fn act(
        &self,
        action: FunctionAction,
        reason: &str,
        call: &Call,
        facts: &Facts,
    ) -> Result<Vec<Change>, Refusal> {
        let status = self.status.apply(action)?;
        let function = Arc::new(Self { status, ..self.clone() });
        let mut changes = vec![Change::FunctionStatusChanged { function, reason: reason.to_owned() }];
        changes.extend(cascade::function_acted(self.key, action, reason, call, facts)?);
        Ok(changes)
    }
}

/// A registration as it was asked for. A kind of `None` is a number that the wire does not define, or its zero value.
#[derive(Clone, Debug, Default)]
pub struct NewFunction {
    /// Required, strict form.
    pub key: String,
    /// Required.
    pub name: String,
    /// Required.
    pub description: Option<Addressable>,
    /// Required.
    pub archive: Option<Addressable>,
    /// Required, perhaps empty.
    pub new_permissions: Option<NewPermissions>,
    /// Declared inputs by identifier: kind, multiple, optional.
    pub inputs: BTreeMap<String, NewFunctionInput>,
    /// Declared outputs by identifier.
    pub outputs: BTreeMap<String, NewFunctionOutput>,
    /// Free annotations.
    pub metadata: Metadata,
}

/// An input as it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct NewFunctionInput {
    /// The kind, if the number names one.
    pub kind: Option<AssetKind>,
    /// May be given more than once.
    pub multiple: bool,
    /// May be left out.
    pub optional: bool,
}

/// An output as it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct NewFunctionOutput {
    /// The kind, if the number names one.
    pub kind: Option<AssetKind>,
    /// May hold more than one asset.
    pub multiple: bool,
}

/// Registers a function that the caller will own.
#[derive(Debug)]
pub struct RegisterFunction {
    key: FunctionKey,
    name: String,
    description: Addressable,
    archive: Addressable,
    new_permissions: NewPermissions,
    inputs: BTreeMap<String, FunctionInput>,
    outputs: BTreeMap<String, FunctionOutput>,
    metadata: Metadata,
}

impl RegisterFunction {
    /// Validates the request (compute/FUNC-2 … FUNC-4).
    ///
    /// # Errors
    /// OE0101.
    pub fn new(request: NewFunction, policy: Policy) -> Result<Self, Refusal> {
        let mut violations = Violations::new("function", policy);
        let valid = Self {
            key: violations.key("key", &request.key),
            name: violations.name("name", request.name),
            description: violations.addressable("description", request.description),
            archive: violations.addressable("archive", request.archive),
            new_permissions: violations.permissions("new_permissions", request.new_permissions),
            inputs: validate_inputs(&request.inputs, &mut violations),
            outputs: validate_outputs(&request.outputs, &mut violations),
            metadata: violations.metadata(request.metadata),
        };
        violations.finish()?;
        Ok(valid)
    }

    fn addresses(&self) -> [&str; 2] {
        [&self.description.storage_address, &self.archive.storage_address]
    }
}

/// compute/FUNC-3.
fn validate_inputs(
    requests: &BTreeMap<String, NewFunctionInput>,
    violations: &mut Violations,
) -> BTreeMap<String, FunctionInput> {
    let mut inputs = BTreeMap::new();
    for (identifier, request) in requests {
        violations.identifier("inputs", identifier);
        match request.kind {
            Some(kind @ (AssetKind::Model | AssetKind::DataSample | AssetKind::DataManager)) => {
                let lone = kind != AssetKind::DataManager || !(request.multiple || request.optional);
                violations.require("inputs", lone, "a data manager must be neither multiple nor optional");
                let input = FunctionInput { kind, multiple: request.multiple, optional: request.optional };
                inputs.insert(identifier.clone(), input);
            }
            _ => violations.add("inputs", "kind must be a model, a data sample or a data manager"),
        }
    }
    let count = |kind| inputs.values().filter(|input| input.kind == kind).count();
    let (managers, samples) = (count(AssetKind::DataManager), count(AssetKind::DataSample));
    violations.require("inputs", managers <= 1, "at most one data manager");
    violations.require(
        "inputs",
        (managers > 0) == (samples > 0),
        "data managers and data samples only together",
    );
    inputs
}

/// compute/FUNC-4.
fn validate_outputs(
    requests: &BTreeMap<String, NewFunctionOutput>,
    violations: &mut Violations,
) -> BTreeMap<String, FunctionOutput> {
    let mut outputs = BTreeMap::new();
    for (identifier, request) in requests {
        violations.identifier("outputs", identifier);
        match request.kind {
            Some(kind @ (AssetKind::Model | AssetKind::Performance)) => {
                let single = kind != AssetKind::Performance || !request.multiple;
                violations.require("outputs", single, "a performance must not be multiple");
                outputs.insert(identifier.clone(), FunctionOutput { kind, multiple: request.multiple });
            }
            _ => violations.add("outputs", "kind must be a model or a performance"),
        }
    }
    outputs
}

impl Command for RegisterFunction {
    type Answer = Arc<Function>;

    fn needs(&self, _caller: &OrganizationId, _facts: &Facts, needs: &mut Needs) {
        needs.organizations = true;
        needs.functions.insert(self.key);
        needs.addresses.extend(self.addresses().map(str::to_owned));
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<Self::Answer>, Refusal> {
        // The order of compute/FUNC-5, then what storage would refuse (compute/DEF-21).
        facts.functions.require_free(self.key)?;
        let permission = self.new_permissions.grant(&call.caller, facts)?;
        facts.require_free_addresses(self.addresses())?;
        facts.require_registered_owner(&call.caller)?;
        let function = Arc::new(Function {
            key: self.key,
            name: self.name.clone(),
            owner: call.caller.clone(),
            permissions: Permissions::both(permission),
            description: self.description.clone(),
            archive: self.archive.clone(),
            image: None,
            inputs: self.inputs.clone(),
            outputs: self.outputs.clone(),
            metadata: self.metadata.clone(),
            status: FunctionStatus::Waiting,
            creation_date: call.now,
        });
        Ok(Decision { changes: vec![Change::FunctionRegistered(Arc::clone(&function))], answer: function })
    }
}

/// Gives a function another name and perhaps its image.
#[derive(Debug)]
pub struct UpdateFunction {
    key: FunctionKey,
    name: String,
    image: Option<Addressable>,
}

impl UpdateFunction {
    /// Validates the request (compute/FUNC-20). An image without a checksum counts as none (compute/FUNC-22); one with a
    /// checksum needs an address, but neither has to be hexadecimal or a URL (compute/DEF-8, DEF-9).
    ///
    /// # Errors
    /// OE0101.
    pub fn new(key: &str, name: String, image: Option<Addressable>, policy: Policy) -> Result<Self, Refusal> {
        let image = image.filter(|image| !image.checksum.is_empty());
        let mut violations = Violations::new("function", policy);
        let key = violations.key("key", key);
        let name = violations.name("name", name);
        if let Some(image) = &image {
            let (checksum, address) = (&image.checksum, &image.storage_address);
            violations.require("image.checksum", checksum.chars().count() <= CHECKSUM_DIGITS, "is too long");
            violations.require("image.storage_address", !address.is_empty(), "cannot be blank");
            violations.require(
                "image.storage_address",
                address.chars().count() <= ADDRESS_CHARACTERS_MAX,
                "is too long",
            );
            violations.without_nul("image.checksum", checksum);
            violations.without_nul("image.storage_address", address);
        }
        violations.finish()?;
        Ok(Self { key, name, image })
    }

    /// A new image's address must be free; setting one's own again is fine (compute/DEF-6).
    fn require_free_image_address(&self, address_before: Option<&str>, facts: &Facts) -> Result<(), Refusal> {
        let address = self.image.as_ref().map(|image| image.storage_address.as_str());
        facts.require_free_addresses(address.filter(|address| Some(*address) != address_before))
    }
}

impl Command for UpdateFunction {
    type Answer = ();

    fn needs(&self, _caller: &OrganizationId, _facts: &Facts, needs: &mut Needs) {
        needs.functions.insert(self.key);
        needs.addresses.extend(self.image.iter().map(|image| image.storage_address.clone()));
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let before = facts.functions.require(self.key)?;
        before.require_owner(&call.caller)?;
        let image = self.image.clone().or_else(|| before.image.clone());
        if before.status == FunctionStatus::Ready && image.is_none() {
            return Err(Refusal::invalid("function is not valid: a ready function must have an image")); // compute/FUNC-23
        }
        let image_address_before = before.image.as_ref().map(|image| image.storage_address.clone());
        self.require_free_image_address(image_address_before.as_deref(), facts)?;
        let function = Arc::new(Function { name: self.name.clone(), image, ..Function::clone(before) });
        Ok(Decision { changes: vec![Change::FunctionUpdated { function, image_address_before }], answer: () })
    }
}

/// Moves a function's build on.
#[derive(Debug)]
pub struct ApplyFunctionAction {
    key: FunctionKey,
    action: FunctionAction,
}

impl ApplyFunctionAction {
    /// The action is judged before the key is looked at (compute/FUNC-30); `None` is a number that is no action.
    ///
    /// # Errors
    /// OE0003 for an unknown action, OE0101 for a key that is no UUID (compute/DEF-20).
    pub fn new(key: &str, action: Option<FunctionAction>) -> Result<Self, Refusal> {
        let action = action.ok_or_else(|| Refusal::bad_request("unsupported function action"))?;
        Ok(Self { key: FunctionKey::look_up(key)?, action })
    }
}

/// The reason of an event whose request gave none (compute, table 11.3).
pub const REASON_USER_ACTION: &str = "User action";

impl Command for ApplyFunctionAction {
    type Answer = ();

    fn needs(&self, _caller: &OrganizationId, facts: &Facts, needs: &mut Needs) {
        needs.functions.insert(self.key);
        cascade::needs_of_function_action(self.key, self.action, facts, needs);
    }

    fn decide(&self, call: &Call, facts: &Facts) -> Result<Decision<()>, Refusal> {
        let function = facts.functions.require(self.key)?;
        function.require_owner(&call.caller)?;
        Ok(Decision { changes: function.act(self.action, REASON_USER_ACTION, call, facts)?, answer: () })
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
