//! The compute plan of the demo as data: which tasks there are, who works on them, and what they take from each other.
//!
//! In every round each organization trains on its own data, the first one aggregates their models, and each tests the joint model on data
//! that it held out. Everything here follows from the numbers in [`Plan`], keys included; it knows neither files nor connections. Start
//! at [`Plan::tasks`].

use std::collections::HashMap;
use std::fmt::{self, Display};

use proto::compute_task_input::Ref;
use proto::{
    ComputeTaskInput, NewComputePlan, NewComputeTask, NewComputeTaskOutput, NewPermissions,
    ParentTaskOutputRef, RegisterTasksParam,
};
use sha2::{Digest, Sha256};

use super::operation::{DATA_SAMPLES, MODEL, MODELS, OPENER, Operation, PERFORMANCE};

/// Data samples of each organization to train on.
pub(super) const TRAINING_DATA_SAMPLES: usize = 4;
/// Data samples of each organization: the ones to train on, then the held-out one.
pub(super) const DATA_SAMPLES_PER_ORGANIZATION: usize = TRAINING_DATA_SAMPLES + 1;

/// How many learn together, how often, and the seed of all chance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) organizations: usize,
    pub(super) rounds: usize,
    pub(super) seed: u64,
}

/// What one task of the plan does. Rounds are counted from 1, organizations from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Train { round: usize, organization: usize },
    Aggregate { round: usize },
    Test { round: usize, organization: usize },
}

impl Step {
    pub(super) fn round(self) -> usize {
        match self {
            Self::Train { round, .. } | Self::Aggregate { round } | Self::Test { round, .. } => round,
        }
    }

    /// The organization that works on it, as its index.
    pub(super) fn worker(self) -> usize {
        match self {
            Self::Train { organization, .. } | Self::Test { organization, .. } => organization,
            Self::Aggregate { .. } => 0,
        }
    }
}

impl Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Train { round, .. } => write!(f, "train in round {round}"),
            Self::Aggregate { round } => write!(f, "aggregate the models of round {round}"),
            Self::Test { round, .. } => write!(f, "test the model of round {round}"),
        }
    }
}

/// The id of an organization, given its index.
pub(super) fn organization_id(index: usize) -> String {
    format!("MyOrg{}MSP", index + 1)
}

/// The key that belongs to a name: a UUID, the same for the same name.
pub(super) fn key(name: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(name).into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

impl Plan {
    /// The organization that registers the functions and the plan.
    pub(super) fn owner(&self) -> String {
        organization_id(0)
    }

    pub(super) fn organization_ids(&self) -> impl Iterator<Item = String> {
        (0..self.organizations).map(organization_id)
    }

    pub(super) fn operations(&self) -> [Operation; 3] {
        [Operation::Train { seed: self.seed }, Operation::Aggregate, Operation::Test]
    }

    pub(super) fn function_key(&self, operation: Operation) -> String {
        self.key(&format!("function/{}", operation.name()))
    }

    pub(super) fn data_manager_key(&self, organization: usize) -> String {
        self.key(&format!("data manager/{organization}"))
    }

    /// The keys of the data samples of an organization; the last one is held out.
    pub(super) fn data_sample_keys(&self, organization: usize) -> [String; DATA_SAMPLES_PER_ORGANIZATION] {
        std::array::from_fn(|number| self.key(&format!("data sample/{organization}/{number}")))
    }

    /// The plan, still without tasks.
    pub(super) fn compute_plan(&self) -> NewComputePlan {
        NewComputePlan {
            key: self.key("compute plan"),
            tag: "demo".to_owned(),
            name: format!("{} rounds of federated averaging", self.rounds),
            ..NewComputePlan::default()
        }
    }

    /// All tasks of the plan, parents first.
    pub(super) fn tasks(&self) -> RegisterTasksParam {
        RegisterTasksParam { tasks: self.steps().map(|step| self.task(step)).collect() }
    }

    /// What each task does, by its key.
    pub(super) fn steps_by_task_key(&self) -> HashMap<String, Step> {
        self.steps().map(|step| (self.task_key(step), step)).collect()
    }

    fn steps(&self) -> impl Iterator<Item = Step> {
        let organizations = 0..self.organizations;
        (1..=self.rounds).flat_map(move |round| {
            let trainings =
                organizations.clone().map(move |organization| Step::Train { round, organization });
            let tests = organizations.clone().map(move |organization| Step::Test { round, organization });
            trainings.chain([Step::Aggregate { round }]).chain(tests)
        })
    }

    fn task(&self, step: Step) -> NewComputeTask {
        let (operation, output) = match step {
            Step::Train { .. } => (Operation::Train { seed: self.seed }, (MODEL, self.model_for(&[0]))),
            Step::Aggregate { .. } => {
                let everybody: Vec<usize> = (0..self.organizations).collect();
                (Operation::Aggregate, (MODEL, self.model_for(&everybody)))
            }
            Step::Test { .. } => (Operation::Test, (PERFORMANCE, public())),
        };
        NewComputeTask {
            key: self.task_key(step),
            function_key: self.function_key(operation),
            compute_plan_key: self.key("compute plan"),
            worker: organization_id(step.worker()),
            metadata: [("round_idx".to_owned(), step.round().to_string())].into(),
            inputs: self.inputs(step),
            outputs: [(output.0.to_owned(), output.1)].into(),
        }
    }

    fn inputs(&self, step: Step) -> Vec<ComputeTaskInput> {
        match step {
            Step::Train { round, organization } => {
                let keys = self.data_sample_keys(organization);
                let mut inputs = self.data(organization, &keys[..TRAINING_DATA_SAMPLES]);
                if round > 1 {
                    inputs.push(self.model_of(Step::Aggregate { round: round - 1 }, MODEL));
                }
                inputs
            }
            Step::Aggregate { round } => (0..self.organizations)
                .map(|organization| self.model_of(Step::Train { round, organization }, MODELS))
                .collect(),
            Step::Test { round, organization } => {
                let keys = self.data_sample_keys(organization);
                let mut inputs = self.data(organization, &keys[TRAINING_DATA_SAMPLES..]);
                inputs.push(self.model_of(Step::Aggregate { round }, MODEL));
                inputs
            }
        }
    }

    /// Data samples of an organization, and the opener that reads them.
    fn data(&self, organization: usize, data_sample_keys: &[String]) -> Vec<ComputeTaskInput> {
        let opener = asset(OPENER, self.data_manager_key(organization));
        let data_samples = data_sample_keys.iter().map(|key| asset(DATA_SAMPLES, key.clone()));
        [opener].into_iter().chain(data_samples).collect()
    }

    /// The model that another task will have made.
    fn model_of(&self, parent: Step, identifier: &str) -> ComputeTaskInput {
        let output = ParentTaskOutputRef {
            parent_task_key: self.task_key(parent),
            output_identifier: MODEL.to_owned(),
        };
        ComputeTaskInput { identifier: identifier.to_owned(), r#ref: Some(Ref::ParentTaskOutput(output)) }
    }

    /// A model that only these organizations may work with.
    fn model_for(&self, organizations: &[usize]) -> NewComputeTaskOutput {
        let authorized_ids = organizations.iter().copied().map(organization_id).collect();
        NewComputeTaskOutput {
            permissions: Some(NewPermissions { public: false, authorized_ids }),
            transient: false,
        }
    }

    fn task_key(&self, step: Step) -> String {
        self.key(&format!("task/{step}/{}", step.worker()))
    }

    fn key(&self, name: &str) -> String {
        key(&format!("{}/{name}", self.seed))
    }
}

fn asset(identifier: &str, key: String) -> ComputeTaskInput {
    ComputeTaskInput { identifier: identifier.to_owned(), r#ref: Some(Ref::AssetKey(key)) }
}

/// For performances, which everybody may see (compute/TASK-20).
fn public() -> NewComputeTaskOutput {
    let permissions = NewPermissions { public: true, authorized_ids: Vec::new() };
    NewComputeTaskOutput { permissions: Some(permissions), transient: false }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use prost::Message;
    use proto::NewComputeTask;
    use proto::compute_task_input::Ref;

    use super::super::operation::{MODEL, PERFORMANCE};
    use super::{Plan, Step};

    const SMALL: Plan = Plan { organizations: 3, rounds: 2, seed: 1 };

    /// The keys of a task's parents, in the order of its inputs.
    fn parents(task: &NewComputeTask) -> Vec<&str> {
        let mut parents = Vec::new();
        for input in &task.inputs {
            if let Some(Ref::ParentTaskOutput(output)) = &input.r#ref {
                parents.push(output.parent_task_key.as_str());
            }
        }
        parents
    }

    #[test]
    fn each_round_trains_everywhere_aggregates_once_and_tests_everywhere() {
        let plan = Plan { organizations: 2, ..SMALL };
        let steps = plan.steps_by_task_key();
        let name = |key: &str| format!("{}: {}", super::organization_id(steps[key].worker()), steps[key]);
        let graph: Vec<(String, Vec<String>)> = plan
            .tasks()
            .tasks
            .iter()
            .map(|task| (name(&task.key), parents(task).into_iter().map(name).collect()))
            .collect();
        let expected: [(&str, &[&str]); 10] = [
            ("MyOrg1MSP: train in round 1", &[]),
            ("MyOrg2MSP: train in round 1", &[]),
            (
                "MyOrg1MSP: aggregate the models of round 1",
                &["MyOrg1MSP: train in round 1", "MyOrg2MSP: train in round 1"],
            ),
            ("MyOrg1MSP: test the model of round 1", &["MyOrg1MSP: aggregate the models of round 1"]),
            ("MyOrg2MSP: test the model of round 1", &["MyOrg1MSP: aggregate the models of round 1"]),
            ("MyOrg1MSP: train in round 2", &["MyOrg1MSP: aggregate the models of round 1"]),
            ("MyOrg2MSP: train in round 2", &["MyOrg1MSP: aggregate the models of round 1"]),
            (
                "MyOrg1MSP: aggregate the models of round 2",
                &["MyOrg1MSP: train in round 2", "MyOrg2MSP: train in round 2"],
            ),
            ("MyOrg1MSP: test the model of round 2", &["MyOrg1MSP: aggregate the models of round 2"]),
            ("MyOrg2MSP: test the model of round 2", &["MyOrg1MSP: aggregate the models of round 2"]),
        ];
        let graph: Vec<(&str, Vec<&str>)> = graph
            .iter()
            .map(|(task, parents)| (task.as_str(), parents.iter().map(String::as_str).collect()))
            .collect();
        assert_eq!(graph, expected.map(|(task, parents)| (task, parents.to_vec())));
    }

    #[test]
    fn a_task_gives_what_its_function_declares_and_parents_come_first() {
        let mut registered = HashSet::new();
        for task in SMALL.tasks().tasks {
            let operation = SMALL
                .operations()
                .into_iter()
                .find(|operation| SMALL.function_key(*operation) == task.function_key);
            let operation = operation.unwrap();
            let (inputs, outputs) = (operation.inputs(), operation.outputs());
            for (identifier, input) in &inputs {
                let given = task.inputs.iter().filter(|input| input.identifier == *identifier).count();
                assert!(given > 0 || input.optional, "{operation:?}: {identifier} is missing");
                assert!(given < 2 || input.multiple, "{operation:?}: too many {identifier}");
            }
            assert!(task.inputs.iter().all(|input| inputs.contains_key(&input.identifier)), "{operation:?}");
            assert!(task.outputs.keys().eq(outputs.keys()), "{operation:?}");
            assert!(parents(&task).into_iter().all(|parent| registered.contains(parent)), "{operation:?}");
            registered.insert(task.key);
        }
    }

    #[test]
    fn a_model_is_for_those_who_work_with_it_and_performances_are_for_all() {
        let authorized = |step| {
            let (identifier, output) = SMALL.task(step).outputs.into_iter().next().unwrap();
            let permissions = output.permissions.unwrap();
            (identifier, permissions.public, permissions.authorized_ids.join(" "))
        };
        let cases = [
            (Step::Train { round: 1, organization: 2 }, MODEL, false, "MyOrg1MSP"),
            (Step::Aggregate { round: 1 }, MODEL, false, "MyOrg1MSP MyOrg2MSP MyOrg3MSP"),
            (Step::Test { round: 1, organization: 2 }, PERFORMANCE, true, ""),
        ];
        for (step, identifier, public, organizations) in cases {
            assert_eq!(
                authorized(step),
                (identifier.to_owned(), public, organizations.to_owned()),
                "{step:?}"
            );
        }
    }

    #[test]
    fn keys_differ_and_follow_from_the_seed() {
        let keys = |plan: Plan| {
            let mut keys: Vec<String> = plan.tasks().tasks.into_iter().map(|task| task.key).collect();
            keys.push(plan.compute_plan().key);
            keys.extend(plan.operations().map(|operation| plan.function_key(operation)));
            for organization in 0..plan.organizations {
                keys.push(plan.data_manager_key(organization));
                keys.extend(plan.data_sample_keys(organization));
            }
            keys
        };
        let first = keys(SMALL);
        assert_eq!(first, keys(SMALL));
        let another = keys(Plan { seed: 2, ..SMALL });
        let distinct: BTreeSet<_> = first.iter().chain(&another).collect();
        assert_eq!(distinct.len(), first.len() + another.len());
        assert!(first.iter().all(|key| uuid::Uuid::try_parse(key).unwrap().get_version_num() == 4));
    }

    #[test]
    fn the_largest_plan_fits_into_one_call() {
        let largest = Plan { organizations: 20, rounds: 100, seed: u64::MAX };
        assert!(largest.tasks().encoded_len() < 4 << 20); // what a server takes by default (core/ID-14)
    }
}
