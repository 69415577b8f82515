//! Plays the scenario scripts in `scenarios/` on every store and on the executable; each script is a test case of its own.
//!
//! Owns the list of cases: a script that lies in the folder is played, there is nothing to register. The format is described in
//! `scenarios/README.md`. Start at [`cases`]; `scenario/run.rs` plays a script, `scenario/server.rs` says against what.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[path = "scenario/events.rs"]
mod events;
#[path = "scenario/expectation.rs"]
mod expectation;
#[path = "scenario/names.rs"]
mod names;
#[path = "scenario/render.rs"]
mod render;
#[path = "scenario/request.rs"]
mod request;
#[path = "scenario/run.rs"]
mod run;
#[path = "scenario/script.rs"]
mod script;
#[path = "scenario/server.rs"]
mod server_under_test;
mod wire;
#[path = "scenario/words.rs"]
mod words;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

use crate::script::Folder;
use crate::server_under_test::{Servers, Way};

/// How many scenarios the contract has, for compute and core.
const CONTRACT: [usize; 2] = [58, 59];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let runtime = Arc::new(Runtime::new().unwrap());
    let folders: Vec<Arc<Folder>> =
        ["compute", "core"].map(|name| Arc::new(Folder::read(&scripts(), name))).into();
    let servers = Arc::new(Servers::new(&folders));
    let mut cases = cases(&runtime, &folders, &servers);
    cases.push(Trial::test("every scenario of the contract is a script or listed", move || {
        unlisted(&folders)
    }));
    let conclusion = libtest_mimic::run(&arguments, cases);
    runtime.block_on(servers.verify());
    conclusion.exit_code()
}

fn scripts() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

/// Each scenario of the contract is either a script or in `elsewhere.txt`, with a file that exists.
fn unlisted(folders: &[Arc<Folder>]) -> Result<(), Failed> {
    let list = std::fs::read_to_string(scripts().join("elsewhere.txt"))?;
    let elsewhere: BTreeMap<&str, &str> = list.lines().filter_map(|line| line.split_once("  ")).collect();
    let root = scripts().join("../../../..");
    for (folder, count) in folders.iter().zip(CONTRACT) {
        for number in 1..=count {
            let name = format!("{}/S-{number:02}", folder.name);
            let is_script = folder.scripts.iter().any(|script| script.name == name);
            match elsewhere.get(name.as_str()) {
                None if !is_script => {
                    return Err(format!("{name} is neither a script nor in elsewhere.txt").into());
                }
                Some(_) if is_script => return Err(format!("{name} is a script and in elsewhere.txt").into()),
                Some(place) => {
                    let file = place.split([' ', ',', ';']).next().unwrap_or_default();
                    if !root.join(file).is_file() {
                        return Err(format!("{name} is not in {file}, which does not exist").into());
                    }
                }
                None => {}
            }
        }
    }
    Ok(())
}

/// One case for each script and way.
fn cases(runtime: &Arc<Runtime>, folders: &[Arc<Folder>], servers: &Arc<Servers>) -> Vec<Trial> {
    let mut cases = Vec::new();
    for folder in folders {
        for script in 0..folder.scripts.len() {
            for way in Way::ALL {
                let (runtime, folder, servers) =
                    (Arc::clone(runtime), Arc::clone(folder), Arc::clone(servers));
                let name = format!("{}::{}", way.name(), folder.scripts[script].name);
                cases.push(Trial::test(name, move || {
                    runtime.block_on(async {
                        let wire = servers.wire(way).await;
                        run::play(&wire, &folder, &folder.scripts[script]).await.map_err(Failed::from)
                    })
                }));
            }
        }
    }
    cases
}
