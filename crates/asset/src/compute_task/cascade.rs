//! What moves with a task or a function: children, waiting tasks, plans (compute/CASC-1 … CASC-10, PLAN-40).
//!
//! All effects belong to the call that triggered them and follow the triggering asset's own change. No permission is checked on the
//! tasks: whoever may finish a task or a build moves the tasks of all owners (compute/CASC-9).

use std::collections::HashSet;
use std::sync::Arc;

use crate::change::Change;
use crate::command::Call;
use crate::compute_task::{ComputeTask, ComputeTaskStatus, ComputeTaskTransition};
use crate::facts::{Facts, Needs};
use crate::function::build::FunctionAction;
use crate::key::{ComputePlanKey, ComputeTaskKey, FunctionKey};
use crate::refusal::Refusal;

/// The facts that [`task_moved`] looks at.
pub(crate) fn needs_of_task_transition(
    key: ComputeTaskKey,
    transition: ComputeTaskTransition,
    facts: &Facts,
    needs: &mut Needs,
) {
    needs.compute_tasks.insert(key);
    let Some(task) = facts.compute_tasks.get(key) else {
        return;
    };
    match transition {
        ComputeTaskTransition::Done => {
            needs.children.insert(key);
            for child in waiting_children(key, facts) {
                needs.task_statuses.extend(child.parents());
            }
        }
        ComputeTaskTransition::Failed => {
            needs.compute_plans.insert(task.compute_plan_key);
        }
        _ => {}
    }
}

/// A task moves, and what follows: its children if it is done (compute/CASC-1), its plan if it failed (compute/CASC-3).
///
/// # Errors
/// OE0003 if the transition is not legal in this status.
pub(crate) fn task_moved(
    task: &ComputeTask,
    transition: ComputeTaskTransition,
    reason: &str,
    call: &Call,
    facts: &Facts,
) -> Result<Vec<Change>, Refusal> {
    let mut changes = vec![moved(task, transition, reason)?];
    match transition {
        ComputeTaskTransition::Done => changes.extend(children_of_done(task.key, facts)?),
        ComputeTaskTransition::Failed => changes.extend(PlanFailures::default().of(task, call, facts)),
        _ => {}
    }
    Ok(changes)
}

fn moved(task: &ComputeTask, transition: ComputeTaskTransition, reason: &str) -> Result<Change, Refusal> {
    let status = task.status.apply(transition)?;
    let task = Arc::new(ComputeTask { status, ..task.clone() });
    Ok(Change::ComputeTaskStatusChanged { task, reason: reason.to_owned() })
}

fn waiting_children(key: ComputeTaskKey, facts: &Facts) -> impl Iterator<Item = &Arc<ComputeTask>> {
    let children = facts.children.get(&key).map(Vec::as_slice).unwrap_or_default();
    let loaded = children.iter().filter_map(|child| facts.compute_tasks.get(*child));
    loaded.filter(|child| child.status == ComputeTaskStatus::WaitingForParentTasks)
}

/// The children that waited for this task only, by the place that it has among their parents (compute/CASC-2).
fn children_of_done(key: ComputeTaskKey, facts: &Facts) -> Result<Vec<Change>, Refusal> {
    let is_done = |parent: &ComputeTaskKey| {
        *parent == key || facts.task_status(*parent) == Some(ComputeTaskStatus::Done)
    };
    let mut ready: Vec<(Option<usize>, &Arc<ComputeTask>)> = Vec::new();
    for child in waiting_children(key, facts) {
        let parents = child.parents();
        if parents.iter().all(is_done) {
            ready.push((parents.iter().position(|parent| *parent == key), child));
        }
    }
    ready.sort_by_key(|(place, _)| *place);
    let reason = format!("Last parent task {key} done");
    ready.into_iter().map(|(_, child)| moved(child, ComputeTaskTransition::ParentsDone, &reason)).collect()
}

/// The facts that [`function_acted`] looks at.
pub(crate) fn needs_of_function_action(
    key: FunctionKey,
    action: FunctionAction,
    facts: &Facts,
    needs: &mut Needs,
) {
    needs.unbuilt_tasks.insert(key);
    for task in unbuilt_tasks(key, facts) {
        match action {
            FunctionAction::Ready => needs.task_statuses.extend(task.parents()),
            FunctionAction::Failed => {
                needs.compute_plans.insert(task.compute_plan_key);
            }
            FunctionAction::Building | FunctionAction::Canceled => {}
        }
    }
}

fn unbuilt_tasks(key: FunctionKey, facts: &Facts) -> impl Iterator<Item = &Arc<ComputeTask>> {
    let tasks = facts.unbuilt_tasks.get(&key).map(Vec::as_slice).unwrap_or_default();
    tasks.iter().filter_map(|task| facts.compute_tasks.get(*task))
}

/// The tasks that a function's action moves (compute/CASC-5 … CASC-8), with the plans that fail with them.
pub(crate) fn function_acted(
    key: FunctionKey,
    action: FunctionAction,
    reason: &str,
    call: &Call,
    facts: &Facts,
) -> Result<Vec<Change>, Refusal> {
    let finished = format!("Function {key} finished building");
    let reason = if action == FunctionAction::Ready { &finished } else { reason };
    let mut plan_failures = PlanFailures::default();
    let mut changes = Vec::new();
    for task in unbuilt_tasks(key, facts) {
        let Some(transition) = transition_with_function(task, action, facts) else {
            continue;
        };
        changes.push(moved(task, transition, reason)?);
        if transition == ComputeTaskTransition::Failed {
            changes.extend(plan_failures.of(task, call, facts)); // compute/CASC-6
        }
    }
    Ok(changes)
}

/// How a task follows its function; `None` if this action leaves it where it is.
fn transition_with_function(
    task: &ComputeTask,
    action: FunctionAction,
    facts: &Facts,
) -> Option<ComputeTaskTransition> {
    use ComputeTaskStatus::{Building, Done, WaitingForBuilderSlot};
    match (action, task.status) {
        (FunctionAction::Building, WaitingForBuilderSlot) => Some(ComputeTaskTransition::BuildStarted),
        (FunctionAction::Ready, Building) => {
            let parents_done =
                task.parents().into_iter().all(|parent| facts.task_status(parent) == Some(Done));
            Some(ComputeTaskTransition::BuildFinished { parents_done })
        }
        (FunctionAction::Failed, Building) => Some(ComputeTaskTransition::Failed),
        (FunctionAction::Canceled, Building | WaitingForBuilderSlot) => Some(ComputeTaskTransition::Canceled),
        _ => None,
    }
}

/// The plans that failed in one call: each fails with the first of its tasks (compute/PLAN-40).
#[derive(Default)]
struct PlanFailures(HashSet<ComputePlanKey>);

impl PlanFailures {
    fn of(&mut self, task: &ComputeTask, call: &Call, facts: &Facts) -> Option<Change> {
        let plan = facts.compute_plans.get(task.compute_plan_key)?;
        if self.0.insert(plan.key) { plan.fail(call.now) } else { None }
    }
}
