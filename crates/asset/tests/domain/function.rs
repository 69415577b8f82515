//! The life of functions: what their owners and others can do to them in which status.

use asset::Refusal;
use asset::failure_report::{ErrorType, FailedAssetKind, NewFailureReport, RegisterFailureReport};
use asset::function::build::{ApplyFunctionAction, FunctionAction};
use asset::function::update::UpdateFunction;
use asset::{FunctionStatus as Status, Policy};

use crate::table;
use crate::world::{World, key};

const MILL: u32 = 0xf0;

/// A world whose mill, Alder's, is in this status and has no image.
fn with_mill_in(status: Status) -> World {
    let mut world = World::new();
    world.mill(MILL);
    let steps: &[FunctionAction] = match status {
        Status::Unknown | Status::Waiting => &[],
        Status::Building => &[FunctionAction::Building],
        Status::Ready => &[FunctionAction::Building, FunctionAction::Ready],
        Status::Canceled => &[FunctionAction::Canceled],
        Status::Failed => &[FunctionAction::Building, FunctionAction::Failed],
    };
    steps.iter().for_each(|step| drop(world.build(MILL, *step).unwrap()));
    if status == Status::Unknown {
        world.forget_build(MILL);
    }
    assert_eq!(world.function(MILL).status, status, "the arrangement");
    world
}

type Attempt = fn(&mut World, &str) -> Result<(), Refusal>;

fn act(world: &mut World, caller: &str, action: Option<FunctionAction>) -> Result<(), Refusal> {
    world.call(caller, &ApplyFunctionAction::new(&key(MILL), action)?).map(drop)
}

fn report(world: &mut World, caller: &str) -> Result<(), Refusal> {
    let report = NewFailureReport {
        asset_key: key(MILL),
        asset_type: Some(FailedAssetKind::Function),
        asset_type_defined: true,
        error_type: Some(ErrorType::Build),
        logs_address: Some(world.address()),
    };
    world.call(caller, &RegisterFailureReport::new(report, Policy::default())?).map(drop)
}

fn update(world: &mut World, caller: &str, with_image: bool) -> Result<(), Refusal> {
    let image = with_image.then(|| world.address());
    world
        .call(caller, &UpdateFunction::new(&key(MILL), "new name".into(), image, Policy::default())?)
        .map(drop)
}

const ATTEMPTS: [(&str, Attempt); 8] = [
    ("Building", |world, caller| act(world, caller, Some(FunctionAction::Building))),
    ("Ready", |world, caller| act(world, caller, Some(FunctionAction::Ready))),
    ("Canceled", |world, caller| act(world, caller, Some(FunctionAction::Canceled))),
    ("Failed", |world, caller| act(world, caller, Some(FunctionAction::Failed))),
    ("an unknown action", |world, caller| act(world, caller, None)),
    ("a failure report", report),
    ("a new name", |world, caller| update(world, caller, false)),
    ("a new name and an image", |world, caller| update(world, caller, true)),
];

#[test]
fn who_may_do_what_in_which_status() {
    // compute/FUNC-21 … FUNC-25, FUNC-30, FUNC-33, FSM-1, FSM-2, FSM-3, FSM-4, FSM-5, FAIL-11, TSM-1, DEF-28, DEF-70
    let mut grid = Vec::new();
    for status in Status::ALL {
        for (name, attempt) in ATTEMPTS {
            let cells = ["Alder", "Birch", "Elm"].map(|caller| {
                let mut world = with_mill_in(status);
                let outcome = attempt(&mut world, caller);
                let function = world.function(MILL);
                assert!(outcome.is_ok() || (function.status == status && function.name == "mill"));
                outcome.map_or_else(|refusal| refusal.code.as_str(), |()| function.status.as_str()).to_owned()
            });
            grid.push(format!("{} | {name} | {}", status.as_str(), cells.join(" | ")));
        }
    }
    table::check("function_actions", &grid);
}

#[test]
fn an_image_without_a_checksum_leaves_the_stored_one() {
    // compute/FUNC-22, DEF-8
    let mut world = with_mill_in(Status::Ready);
    update(&mut world, "Alder", true).unwrap();
    let image = world.function(MILL).image.clone();
    let mut blank = world.address();
    blank.checksum.clear();
    let update = UpdateFunction::new(&key(MILL), "mill".into(), Some(blank), Policy::default()).unwrap();
    world.call("Alder", &update).unwrap();
    assert_eq!(world.function(MILL).image, image);
}
