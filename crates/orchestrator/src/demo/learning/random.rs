//! Streams of random numbers that depend on nothing but a seed and a name.
//!
//! Owns the generator (ChaCha with eight rounds, by name, as the default generator of a library may change) and the few distributions
//! that the demo needs; it does not know what is drawn. Start at [`Stream::new`].

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// Random numbers, one after the other.
pub(super) struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of this name: other names and other seeds give unrelated numbers.
    pub(super) fn new(seed: u64, name: &str) -> Self {
        Self(ChaCha8Rng::from_seed(Sha256::digest(format!("{seed}/{name}")).into()))
    }

    /// An integer from 0 to `bound` - 1. `bound` is small and positive, so the modulo favours no number noticeably.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        self.0.next_u32() % bound
    }

    /// A number from 0 (included) to 1 (excluded), all equally likely.
    pub(super) fn unit(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / (f64::from(u32::MAX) + 1.0)
    }

    /// A number with mean 0 and deviation 1 from a bell curve: the sum of twelve uniform numbers needs neither logarithm nor cosine,
    /// whose last digits differ between platforms.
    pub(super) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::Stream;

    fn first_numbers(seed: u64, name: &str) -> [u32; 4] {
        let mut stream = Stream::new(seed, name);
        std::array::from_fn(|_| stream.below(1_000_000))
    }

    #[test]
    fn a_stream_is_told_apart_by_its_seed_and_its_name() {
        let numbers = first_numbers(1, "a");
        assert_eq!(numbers, first_numbers(1, "a"));
        assert_ne!(numbers, first_numbers(2, "a"));
        assert_ne!(numbers, first_numbers(1, "b"));
    }

    #[test]
    fn normal_numbers_have_mean_0_and_deviation_1() {
        let mut stream = Stream::new(1, "normal");
        let numbers: Vec<f64> = (0..10_000).map(|_| stream.normal()).collect();
        let mean = numbers.iter().sum::<f64>() / 10_000.0;
        let variance = numbers.iter().map(|number| (number - mean) * (number - mean)).sum::<f64>() / 10_000.0;
        assert!(mean.abs() < 0.05, "{mean}");
        assert!((variance - 1.0).abs() < 0.05, "{variance}");
    }
}
