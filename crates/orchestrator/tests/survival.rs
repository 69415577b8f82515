//! Survival: servers under load while everything around them breaks, and whether their story still holds afterwards.
//!
//! Two worlds are put through it, three replicas on PostgreSQL and a server on the embedded store. While workers write and subscribers read,
//! processes are killed and stopped, the database dies, connections are cut, delayed and stalled, a disk fills up, and all load goes to one
//! channel. Afterwards every acknowledged write is there, no other is half there, all subscribers of all replicas have read one and the
//! same story without a gap, and `verify` finds nothing. Chance decides, from a seed that is told. Start at [`survive`].
//!
//! `ORCHESTRATOR_SURVIVAL_SEED` repeats a run as far as time allows, `ORCHESTRATOR_SURVIVAL_SECONDS` is how long each world suffers.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should say where")]
#![expect(clippy::print_stdout, reason = "what was suffered is for people to read")]

#[path = "survival/disk.rs"]
mod disk;
#[path = "survival/load.rs"]
mod load;
#[expect(dead_code, reason = "other tests use more of it")]
mod process;
#[path = "survival/proxy.rs"]
mod proxy;
#[path = "survival/story.rs"]
mod story;
#[path = "survival/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::load::Load;
use crate::story::Story;
use crate::world::{Fault, World};

/// The channels of both worlds; skewed load goes to the first.
const CHANNELS: [&str; 2] = ["busy", "quiet"];
const SECONDS: u64 = 20;

fn main() {
    let arguments = libtest_mimic::Arguments::from_args();
    let seed = setting("ORCHESTRATOR_SURVIVAL_SEED").unwrap_or_else(|| fastrand::u64(..));
    let suffering = Duration::from_secs(setting("ORCHESTRATOR_SURVIVAL_SECONDS").unwrap_or(SECONDS));
    // One after the other: each is meant to have the machine to itself.
    let arguments = libtest_mimic::Arguments { test_threads: Some(1), ..arguments };
    let case = |name: &str, world: fn() -> World| {
        libtest_mimic::Trial::test(name, move || {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(survive(world, seed, suffering));
            Ok(())
        })
    };
    let cases = vec![
        case("three replicas on PostgreSQL", || {
            tokio::runtime::Handle::current().block_on(World::replicas(3))
        }),
        case("a server on the embedded store", World::embedded),
    ];
    libtest_mimic::run(&arguments, cases).exit();
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect(name))
}

/// Puts a world through its faults, then lets it recover, and asks what remained.
async fn survive(world: fn() -> World, seed: u64, suffering: Duration) {
    println!("seed {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let mut world = tokio::task::spawn_blocking(world).await.unwrap();
    let load = Arc::new(Load::prepare(&world.entrances()).await);
    let subscribers = Story::read(&world.entrances());
    let workers = load.start(&world.entrances(), &mut chance);

    let mut suffered: BTreeMap<&str, usize> = BTreeMap::new();
    let end = Instant::now() + suffering;
    while Instant::now() < end {
        let fault = *chance.choice(world.faults()).unwrap();
        println!("  {:5.1} s left: {fault:?}", end.saturating_duration_since(Instant::now()).as_secs_f64());
        match fault {
            Fault::SkewLoad => load.skew(Duration::from_secs(1)).await,
            fault => world.suffer(fault, &mut chance).await,
        }
        *suffered.entry(fault.name()).or_default() += 1;
        tokio::time::sleep(Duration::from_millis(chance.u64(50..500))).await;
    }
    load.stop();
    let writes = workers.await;
    let last = load.last_words(&world.entrances()).await;
    let stories = subscribers.end(&last).await;
    let whole = Story::from_the_start(&world.entrances(), &last).await;
    stories.are_one_with(&whole);
    let counts = whole.agrees_with(&writes);
    let verified = world.verify();
    println!("  suffered: {suffered:?}");
    println!("  {counts}");
    println!("  verify: {verified}");
}
