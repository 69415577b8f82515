//! A channel in memory: all facts are known, so commands can be decided without a store.

use std::collections::BTreeMap;
use std::sync::Arc;

use asset::addressable::Addressable;
use asset::command::{Call, Command, Inquiry};
use asset::compute_plan::{NewComputePlan, RegisterComputePlan};
use asset::compute_task::action::{ApplyComputeTaskAction, ComputeTaskAction};
use asset::compute_task::registration::{
    NewComputeTask, NewInputSource, NewTaskInput, NewTaskOutput, RegisterComputeTasks,
};
use asset::event::AssetKind;
use asset::facts::{Facts, Needs};
use asset::function::build::{ApplyFunctionAction, FunctionAction};
use asset::function::registration::{NewFunction, NewFunctionInput, NewFunctionOutput, RegisterFunction};
use asset::key::Key;
use asset::organization::RegisterOrganization;
use asset::permission::NewPermissions;
use asset::refusal::Code;
use asset::{
    Change, ComputeTaskKey, ComputeTaskStatus, Function, FunctionKey, FunctionStatus, OrganizationId, Policy,
    Refusal, Timestamp,
};

pub(crate) struct World {
    facts: Facts,
    now: Timestamp,
    addresses: u32,
}

/// A key with a readable number.
pub(crate) fn key(number: u32) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

fn organization(name: &str) -> OrganizationId {
    OrganizationId::new(name)
}

pub(crate) fn public() -> Option<NewPermissions> {
    Some(NewPermissions { public: true, authorized_ids: Vec::new() })
}

/// A request for a task as [`World::task`] registers it.
pub(crate) fn new_task(number: u32, mill: u32, plan: u32, parents: &[u32]) -> NewComputeTask {
    let inputs = parents.iter().map(|parent| NewTaskInput {
        identifier: "grist".to_owned(),
        source: Some(NewInputSource::ParentOutput {
            parent_task_key: key(*parent),
            output_identifier: "flour".to_owned(),
        }),
    });
    NewComputeTask {
        key: key(number),
        function_key: key(mill),
        compute_plan_key: key(plan),
        worker: "Birch".to_owned(),
        inputs: inputs.collect(),
        outputs: BTreeMap::from([(
            "flour".to_owned(),
            NewTaskOutput { permissions: public(), transient: true },
        )]),
        ..NewComputeTask::default()
    }
}

impl World {
    /// Alder, Birch, Cedar and Dogwood are registered; Elm is a member, too, but is not.
    pub(crate) fn new() -> Self {
        let facts = Facts { organizations: Some(BTreeMap::new()), ..Facts::default() };
        let mut world = Self { facts, now: Timestamp::from_micros(1), addresses: 0 };
        for name in ["Alder", "Birch", "Cedar", "Dogwood"] {
            let command =
                RegisterOrganization::new(String::new(), &organization(name), Policy::default()).unwrap();
            world.call(name, &command).unwrap();
        }
        world
    }

    /// Decides a command; if it is accepted its changes become part of the world. Returns the answer and the changes.
    pub(crate) fn call<C: Command>(
        &mut self,
        caller: &str,
        command: &C,
    ) -> Result<(C::Answer, Vec<Change>), Refusal> {
        let caller = organization(caller);
        self.know(|facts, needs| command.needs(&caller, facts, needs));
        self.now = self.now.next();
        let decision = command.decide(&Call { caller, now: self.now }, &self.facts)?;
        for change in &decision.changes {
            self.facts.apply(change);
        }
        Ok((decision.answer, decision.changes))
    }

    /// Answers an inquiry.
    pub(crate) fn inquire<I: Inquiry>(&mut self, inquiry: &I) -> Result<I::Answer, Refusal> {
        self.know(|facts, needs| inquiry.needs(facts, needs));
        inquiry.answer(&self.facts)
    }

    /// What nobody has registered is absent.
    fn know(&mut self, needs_of: impl Fn(&Facts, &mut Needs)) {
        loop {
            let mut needs = Needs::default();
            needs_of(&self.facts, &mut needs);
            needs.retain_missing(&self.facts);
            if needs.is_empty() {
                return;
            }
            assert!(needs.task_statuses.is_empty(), "statuses are needed of registered tasks only");
            self.facts.put_absent(&needs);
        }
    }

    pub(crate) fn address(&mut self) -> Addressable {
        self.addresses += 1;
        Addressable {
            checksum: "0".repeat(64),
            storage_address: format!("https://store.alder.example/{}", self.addresses),
        }
    }

    /// A public function of Alder's: `grist`, any number of models, in; `flour`, a model, out.
    pub(crate) fn mill(&mut self, number: u32) {
        let request = NewFunction {
            key: key(number),
            name: "mill".to_owned(),
            description: Some(self.address()),
            archive: Some(self.address()),
            new_permissions: public(),
            inputs: BTreeMap::from([(
                "grist".to_owned(),
                NewFunctionInput { kind: Some(AssetKind::Model), multiple: true, optional: true },
            )]),
            outputs: BTreeMap::from([(
                "flour".to_owned(),
                NewFunctionOutput { kind: Some(AssetKind::Model), multiple: false },
            )]),
            ..NewFunction::default()
        };
        self.call("Alder", &RegisterFunction::new(request, Policy::default()).unwrap()).unwrap();
    }

    pub(crate) fn build(&mut self, number: u32, action: FunctionAction) -> Result<Vec<Change>, Refusal> {
        let command = ApplyFunctionAction::new(&key(number), Some(action)).unwrap();
        self.call("Alder", &command).map(|(_, changes)| changes)
    }

    pub(crate) fn plan(&mut self, number: u32) {
        let request =
            NewComputePlan { key: key(number), name: "plan".to_owned(), ..NewComputePlan::default() };
        self.call("Alder", &RegisterComputePlan::new(request, Policy::default()).unwrap()).unwrap();
    }

    pub(crate) fn function(&self, number: u32) -> &Function {
        self.facts.functions.get(FunctionKey::parse(&key(number)).unwrap()).unwrap()
    }

    /// Makes a function one of an old version, whose build nobody remembers (compute/DEF-70).
    pub(crate) fn forget_build(&mut self, number: u32) {
        let function = Function { status: FunctionStatus::Unknown, ..self.function(number).clone() };
        self.facts.functions.put(function.key, Arc::new(function));
    }

    /// A task of Alder's, worker Birch, of function `mill` in `plan`, fed by the flour of its parents.
    pub(crate) fn task(
        &mut self,
        number: u32,
        mill: u32,
        plan: u32,
        parents: &[u32],
    ) -> Result<ComputeTaskStatus, Refusal> {
        let command =
            RegisterComputeTasks::new(vec![new_task(number, mill, plan, parents)], Policy::default())?;
        self.call("Alder", &command).map(|(tasks, _)| tasks[0].status)
    }

    pub(crate) fn act(
        &mut self,
        caller: &str,
        number: u32,
        action: ComputeTaskAction,
    ) -> Result<Vec<Change>, Refusal> {
        let command = ApplyComputeTaskAction::new(&key(number), Some(action), String::new())?;
        self.call(caller, &command).map(|(_, changes)| changes)
    }

    pub(crate) fn run(&mut self, number: u32) {
        self.act("Birch", number, ComputeTaskAction::Executing).unwrap();
        self.act("Birch", number, ComputeTaskAction::Done).unwrap();
    }

    pub(crate) fn status(&self, number: u32) -> ComputeTaskStatus {
        self.facts.task_status(ComputeTaskKey::parse(&key(number)).unwrap()).unwrap()
    }
}

/// The code of a refusal.
pub(crate) fn code<T>(outcome: Result<T, Refusal>) -> Option<Code> {
    outcome.err().map(|refusal| refusal.code)
}
