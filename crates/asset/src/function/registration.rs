//! Registering a function: who may, and what it declares (compute/FUNC-1 … FUNC-7).
//!
//! What a function declares is judged here once; the tasks that run it only have to fit. Start at [`RegisterFunction::new`].

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::addressable::Addressable;
use crate::caller::OrganizationId;
use crate::change::Change;
use crate::command::{Call, Command, Decision};
use crate::event::AssetKind;
use crate::facts::{Facts, Needs};
use crate::function::{Function, FunctionInput, FunctionOutput, FunctionStatus};
use crate::key::FunctionKey;
use crate::metadata::Metadata;
use crate::permission::{NewPermissions, Permissions};
use crate::refusal::Refusal;
use crate::validation::{Policy, Violations};

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
