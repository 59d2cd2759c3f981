//! The random numbers that selections are made with.

use std::sync::atomic::{AtomicU64, Ordering};

/// A source of random numbers for algorithms; nothing secret may depend on it.
///
/// The default source is fast and shared by no two threads. A seeded one gives the same numbers
/// in every run, for tests and simulations; threads that share it share its sequence.
///
/// ```
/// use rpc_load_balancer::algorithm::Rng;
///
/// let (one, other) = (Rng::seeded(7), Rng::seeded(7));
/// assert_eq!(one.next_u64(), other.next_u64());
/// assert!(one.below(3) < 3);
/// ```
#[derive(Debug, Default)]
pub struct Rng(Source);

#[derive(Debug, Default)]
enum Source {
    #[default]
    Thread,
    Seeded(AtomicU64),
}

/// The step of a seeded sequence: 2⁶⁴ divided by the golden ratio, so that it visits every number.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

impl Rng {
    /// The generator of the thread that asks, seeded by the operating system.
    pub const fn thread_local() -> Self {
        Self(Source::Thread)
    }

    /// A generator that repeats its numbers in every run: SplitMix64, from "Fast Splittable
    /// Pseudorandom Number Generators" (Steele, Lea and Flood, 2014).
    pub const fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(AtomicU64::new(seed)))
    }

    /// The next number, any of the 2⁶⁴ alike.
    pub fn next_u64(&self) -> u64 {
        match &self.0 {
            Source::Thread => fastrand::u64(..),
            Source::Seeded(state) => {
                mix(state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP))
            }
        }
    }

    /// A number below `bound`, each as likely as the other; 0 when `bound` is 0.
    pub fn below(&self, bound: usize) -> usize {
        scale(self.next_u64(), bound).0
    }

    /// A number below `bound`, and a fraction of 2⁶⁴ that is as good as a fresh random number.
    pub(super) fn below_with_rest(&self, bound: usize) -> (usize, u64) {
        scale(self.next_u64(), bound)
    }

    /// Two different numbers below `bound`, each pair as likely as the other. `None` when there
    /// are fewer than two.
    pub fn pair_below(&self, bound: usize) -> Option<(usize, usize)> {
        let others = bound.checked_sub(1).filter(|&others| others > 0)?;
        let (first, rest) = scale(self.next_u64(), bound);
        let (second, _) = scale(rest, others);
        Some((first, if second < first { second } else { second + 1 }))
    }

    /// A random positive number of which the least is the more likely a member's, the greater its
    /// weight: exactly in proportion to the weights.
    pub(super) fn race(&self, weight: u32) -> f64 {
        // Exponentially distributed. Never the logarithm of 0: half a step is added.
        let uniform = ((self.next_u64() >> 11) as f64 + 0.5) / 2_f64.powi(53);
        -uniform.ln() / f64::from(weight)
    }

    /// Up to `count` different numbers below `bound` in random order, every choice as likely as
    /// the other.
    pub fn sample_below(&self, bound: usize, count: usize) -> Vec<usize> {
        let count = count.min(bound);
        let mut numbers: Vec<usize> = (0..bound).collect();
        for at in 0..count {
            numbers.swap(at, at + self.below(bound - at));
        }
        numbers.truncate(count);
        numbers
    }
}

/// Maps a random number to one below `bound`, without a division: the number counts as a fraction
/// of 2⁶⁴. What is left of the fraction is as good as a fresh one for a second, small bound.
fn scale(random: u64, bound: usize) -> (usize, u64) {
    let product = u128::from(random) * bound as u128;
    ((product >> 64) as usize, product as u64)
}

fn mix(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn every_ordered_pair_of_different_numbers_is_as_likely() {
        const ROUNDS: u32 = 20_000;

        for rng in [Rng::seeded(3), Rng::thread_local()] {
            let mut seen: HashMap<(usize, usize), u32> = HashMap::new();
            for _ in 0..ROUNDS {
                *seen.entry(rng.pair_below(5).unwrap()).or_default() += 1;
            }
            assert_eq!(seen.len(), 20);
            assert!(seen.keys().all(|(a, b)| a != b && *a < 5 && *b < 5));
            // 1,000 are expected of each; eight standard deviations are about 250.
            assert!(
                seen.values().all(|&n| (750..1_250).contains(&n)),
                "{seen:?}"
            );
        }
    }

    #[test]
    fn bounds_too_small_for_a_choice_give_none_at_all() {
        let rng = Rng::thread_local();
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.below(1), 0);
        assert_eq!(rng.pair_below(0), None);
        assert_eq!(rng.pair_below(1), None);
        assert!(rng.sample_below(0, 3).is_empty());
    }

    #[test]
    fn a_sample_has_no_number_twice_and_no_more_than_there_are() {
        let rng = Rng::seeded(11);
        for count in 0..12 {
            let mut sample = rng.sample_below(10, count);
            assert_eq!(sample.len(), count.min(10));
            sample.sort_unstable();
            sample.dedup();
            assert_eq!(sample.len(), count.min(10));
            assert!(sample.iter().all(|&n| n < 10));
        }
    }

    #[test]
    fn a_seeded_sequence_is_that_of_splitmix64() {
        // The first outputs of the authors' own generator for the seed 0.
        let rng = Rng::seeded(0);
        assert_eq!(rng.next_u64(), 0xE220_A839_7B1D_CDAF);
        assert_eq!(rng.next_u64(), 0x6E78_9E6A_A1B9_65F4);
        assert_eq!(rng.next_u64(), 0x06C4_5D18_8009_454F);
    }
}
