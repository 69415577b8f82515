//! Mutation: inputs that are nearly right, made from right ones, for targets that must survive whatever comes.
//!
//! Owns how inputs are changed and how many are tried: so many that a test run stays short, or `FUZZ_ITERATIONS` of them; they are others for each
//! `FUZZ_SEED`. It knows nothing of the targets. An input that ends a target, or keeps it busy, is in the message of the panic, as hexadecimal
//! digits: put it among the target's seeds. Start at [`fuzz`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fastrand::Rng;

/// Bytes at which something tends to change: the ends of ranges, lengths that do not fit, types of protobuf and DER.
const NOTABLE: [u8; 12] = [0, 1, 0x0a, 0x0b, 0x1f, 0x30, 0x7f, 0x80, 0x84, 0xa0, 0xfe, 0xff];
/// Inputs stay about as long as their seeds.
const GROWTH_BYTES_MAX: usize = 256;
/// No input may keep a target busy for longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Gives the target every seed, and then so many changed ones. With the same numbers it is given the same inputs each time.
///
/// # Panics
/// If the target does, or takes too long; the message says with which input.
pub(crate) fn fuzz(iterations: usize, seeds: &[Vec<u8>], mut target: impl FnMut(&[u8])) {
    let wanted = |name| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let iterations = wanted("FUZZ_ITERATIONS").unwrap_or(iterations);
    let seed = wanted("FUZZ_SEED").unwrap_or(iterations);
    let mut random = Rng::with_seed(u64::try_from(seed).unwrap_or_default());
    let changed = std::iter::repeat_with(|| changed(seeds, &mut random));
    for input in seeds.iter().cloned().chain(changed.take(iterations)) {
        let begun = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(|| target(&input))).is_err();
        if ended || begun.elapsed() > PATIENCE {
            let digits: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
            panic!("the target was ended, or kept busy, by {digits}");
        }
    }
}

/// A seed with some changes.
fn changed(seeds: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let mut input = pick(seeds, random).to_vec();
    for _ in 0..random.usize(1..6) {
        change(&mut input, seeds, random);
    }
    input
}

fn pick<'a>(seeds: &'a [Vec<u8>], random: &mut Rng) -> &'a [u8] {
    random.choice(seeds).map(Vec::as_slice).unwrap_or_default()
}

fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Rng) {
    let from = random.usize(..=input.len());
    let to = random.usize(from..=input.len()).min(from + GROWTH_BYTES_MAX);
    match random.u8(..8) {
        0 => flip(input, random),
        1 => set(input, *random.choice(&NOTABLE).unwrap_or(&0), random),
        2 => set(input, random.u8(..), random),
        3 => drop(input.drain(from..to)),
        4 => input.truncate(from),
        5 => {
            let again = input[from..to].to_vec();
            input.splice(from..from, again);
        }
        6 => {
            let other = pick(seeds, random);
            let start = random.usize(..=other.len());
            let end = random.usize(start..=other.len()).min(start + GROWTH_BYTES_MAX);
            input.splice(from..to, other[start..end].iter().copied());
        }
        _ => {
            let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(to - from).collect();
            input.splice(from..from, noise);
        }
    }
}

fn flip(input: &mut [u8], random: &mut Rng) {
    let bit = 1 << random.u8(..8);
    if let Some(byte) = choose(input, random) {
        *byte ^= bit;
    }
}

fn set(input: &mut [u8], value: u8, random: &mut Rng) {
    if let Some(byte) = choose(input, random) {
        *byte = value;
    }
}

fn choose<'a>(input: &'a mut [u8], random: &mut Rng) -> Option<&'a mut u8> {
    let index = random.usize(..input.len().max(1));
    input.get_mut(index)
}
