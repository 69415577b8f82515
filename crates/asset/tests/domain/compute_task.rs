//! The life of tasks, decided without a store: the grid of actions, first statuses, cascades.

use asset::compute_task::action::ComputeTaskAction;
use asset::compute_task::registration::RegisterComputeTasks;
use asset::function::build::FunctionAction;
use asset::permission::NewPermissions;
use asset::refusal::Code;
use asset::{Change, ComputeTaskStatus as Status, OrganizationId, Policy};

use crate::table;
use crate::world::{World, code, key, new_task};

const MILL: u32 = 0xf0;
const PLAN: u32 = 0xa0;

/// A world with a ready mill and a plan.
fn ready() -> World {
    let mut world = World::new();
    world.mill(MILL);
    world.build(MILL, FunctionAction::Building).unwrap();
    world.build(MILL, FunctionAction::Ready).unwrap();
    world.plan(PLAN);
    world
}

/// A world whose task 1 is in this status; Alder owns it, Birch works on it.
fn with_task_in(status: Status) -> World {
    let mut world = World::new();
    world.mill(MILL);
    world.plan(PLAN);
    let built = !matches!(status, Status::WaitingForBuilderSlot | Status::Building);
    if built {
        world.build(MILL, FunctionAction::Building).unwrap();
        world.build(MILL, FunctionAction::Ready).unwrap();
    }
    world.task(9, MILL, PLAN, &[]).unwrap();
    let parents: &[u32] = if status == Status::WaitingForParentTasks { &[9] } else { &[] };
    world.task(1, MILL, PLAN, parents).unwrap();
    match status {
        Status::Building => drop(world.build(MILL, FunctionAction::Building).unwrap()),
        Status::Executing => drop(world.act("Birch", 1, ComputeTaskAction::Executing).unwrap()),
        Status::Done => world.run(1),
        Status::Canceled => drop(world.act("Birch", 1, ComputeTaskAction::Canceled).unwrap()),
        Status::Failed => drop(world.act("Birch", 1, ComputeTaskAction::Failed).unwrap()),
        Status::WaitingForBuilderSlot | Status::WaitingForParentTasks | Status::WaitingForExecutorSlot => {}
    }
    assert_eq!(world.status(1), status, "the arrangement");
    world
}

const ACTIONS: [ComputeTaskAction; 4] = [
    ComputeTaskAction::Executing,
    ComputeTaskAction::Done,
    ComputeTaskAction::Canceled,
    ComputeTaskAction::Failed,
];

#[test]
fn who_may_do_what_in_which_status() {
    // compute/TASK-50, TASK-51, TSM-1, TSM-6a … TSM-8: owner Alder, worker Birch, bystander Cedar.
    let mut grid = Vec::new();
    for status in Status::ALL {
        for action in ACTIONS {
            let cells = ["Alder", "Birch", "Cedar"].map(|caller| {
                let mut world = with_task_in(status);
                match world.act(caller, 1, action) {
                    Ok(_) => world.status(1).as_str().to_owned(),
                    Err(refusal) => refusal.code.as_str().to_owned(),
                }
            });
            grid.push(format!("{} | {action:?} | {}", status.as_str(), cells.join(" | ")));
        }
    }
    table::check("task_actions", &grid);
}

#[test]
fn the_first_status_follows_function_and_parents() {
    // compute/TASK-30
    let mut world = World::new();
    world.plan(PLAN);
    world.mill(MILL);
    assert_eq!(world.task(1, MILL, PLAN, &[]), Ok(Status::WaitingForBuilderSlot));
    world.build(MILL, FunctionAction::Building).unwrap();
    assert_eq!(world.task(2, MILL, PLAN, &[]), Ok(Status::Building));
    world.build(MILL, FunctionAction::Ready).unwrap();
    assert_eq!(world.task(3, MILL, PLAN, &[]), Ok(Status::WaitingForExecutorSlot));
    assert_eq!(world.task(4, MILL, PLAN, &[3]), Ok(Status::WaitingForParentTasks));
    world.run(3);
    assert_eq!(world.task(5, MILL, PLAN, &[3]), Ok(Status::WaitingForExecutorSlot));
    world.act("Alder", 4, ComputeTaskAction::Canceled).unwrap();
    assert_eq!(world.task(6, MILL, PLAN, &[3, 4]), Ok(Status::Canceled));
    world.mill(MILL + 1);
    world.build(MILL + 1, FunctionAction::Building).unwrap();
    world.build(MILL + 1, FunctionAction::Failed).unwrap();
    assert_eq!(world.task(7, MILL + 1, PLAN, &[]), Ok(Status::Failed));
    assert_eq!(world.task(8, MILL + 1, PLAN, &[7]), Ok(Status::Canceled));
}

#[test]
fn the_last_parent_done_moves_the_children_in_order_of_its_place() {
    // compute/CASC-1, CASC-2
    let mut world = ready();
    for root in [1, 2, 3, 4] {
        world.task(root, MILL, PLAN, &[]).unwrap();
    }
    world.task(11, MILL, PLAN, &[3, 4]).unwrap();
    world.task(12, MILL, PLAN, &[4]).unwrap();
    world.task(13, MILL, PLAN, &[2, 1, 4]).unwrap();
    world.task(14, MILL, PLAN, &[4, 12]).unwrap();
    [1, 2, 3].into_iter().for_each(|root| world.run(root));
    world.act("Birch", 4, ComputeTaskAction::Executing).unwrap();
    let changes = world.act("Birch", 4, ComputeTaskAction::Done).unwrap();
    let moved: Vec<String> = changes
        .iter()
        .map(|change| match change {
            Change::ComputeTaskStatusChanged { task, reason } => format!("{} {reason}", task.key),
            other => format!("{other:?}"),
        })
        .collect();
    let last_parent = format!("Last parent task {} done", key(4));
    let expected = [
        format!("{} User action", key(4)),
        format!("{} {last_parent}", key(12)),
        format!("{} {last_parent}", key(11)),
        format!("{} {last_parent}", key(13)),
    ];
    assert_eq!(moved, expected);
    assert_eq!(world.status(14), Status::WaitingForParentTasks, "another parent is not done");
}

#[test]
fn a_failed_task_terminates_its_plan_once_and_tells_nobody() {
    // compute/PLAN-40, PLAN-41, CASC-3
    let mut world = ready();
    world.task(1, MILL, PLAN, &[]).unwrap();
    world.task(2, MILL, PLAN, &[]).unwrap();
    let changes = world.act("Alder", 1, ComputeTaskAction::Failed).unwrap();
    let [Change::ComputeTaskStatusChanged { .. }, plan_failed @ Change::ComputePlanFailed(_)] =
        changes.as_slice()
    else {
        panic!("{changes:?}");
    };
    assert!(plan_failed.announcement().is_none());
    assert_eq!(
        world.act("Birch", 2, ComputeTaskAction::Failed).unwrap().len(),
        1,
        "the plan is over already"
    );
}

#[test]
fn a_function_that_fails_takes_its_tasks_and_their_plans_along() {
    // compute/CASC-6, CASC-7, DEF-11
    for (action, status, changes) in
        [(FunctionAction::Failed, Status::Failed, 5), (FunctionAction::Canceled, Status::Canceled, 4)]
    {
        let mut world = World::new();
        world.mill(MILL);
        world.plan(PLAN);
        for task in [1, 2, 3] {
            world.task(task, MILL, PLAN, &[]).unwrap();
        }
        world.build(MILL, FunctionAction::Building).unwrap();
        assert_eq!(
            world.build(MILL, action).unwrap().len(),
            changes,
            "function, tasks, and one plan if they failed"
        );
        assert!([1, 2, 3].iter().all(|task| world.status(*task) == status));
    }
    let mut world = World::new();
    world.mill(MILL);
    world.plan(PLAN);
    world.task(1, MILL, PLAN, &[]).unwrap();
    world.build(MILL, FunctionAction::Canceled).unwrap();
    assert_eq!(world.status(1), Status::Canceled, "also while it still waits for the build");
}

#[test]
fn no_task_uses_a_function_of_an_old_version() {
    // compute/DEF-70
    let mut world = World::new();
    world.mill(MILL);
    world.plan(PLAN);
    world.forget_build(MILL);
    assert_eq!(code(world.task(1, MILL, PLAN, &[])), Some(Code::BadRequest));
}

#[test]
fn batches_with_cycles_strangers_or_twins_are_refused() {
    // compute/TASK-3, TASK-4, TASK-6
    let mut world = ready();
    world.task(1, MILL, PLAN, &[]).unwrap();
    assert_eq!(code(world.task(1, MILL, PLAN, &[])), Some(Code::Conflict));
    assert_eq!(code(world.task(2, MILL, PLAN, &[2])), Some(Code::InvalidAsset));
    let stranger = world.task(2, MILL, PLAN, &[77]).unwrap_err();
    assert!(stranger.message.contains("missing dependency among inModels IDs"), "core/ERR-7: {stranger}");
    assert_eq!(code(world.task(2, MILL + 1, PLAN, &[])), Some(Code::NotFound), "the function");
    assert_eq!(code(world.task(2, MILL, PLAN + 1, &[])), Some(Code::NotFound), "the plan");
}

#[test]
fn tasks_that_are_too_large_together_are_refused() {
    let everybody = vec![OrganizationId::new("everybody"); 300];
    for (count, request_bytes, fits) in [(10, 0, true), (4000, 4 << 20, false), (4000, 16 << 20, true)] {
        let mut world = ready();
        let tasks = (1..=count).map(|number| {
            let mut task = new_task(number, MILL, PLAN, &[]);
            for output in task.outputs.values_mut() {
                let authorized_ids = everybody.clone();
                output.permissions = Some(NewPermissions { public: true, authorized_ids });
            }
            task
        });
        let command =
            RegisterComputeTasks::new(tasks.collect(), Policy::default()).unwrap().of_request(request_bytes);
        let refused = code(world.call("Alder", &command));
        assert_eq!(refused, (!fits).then_some(Code::InvalidAsset), "{count} tasks of {request_bytes} bytes");
    }
}
