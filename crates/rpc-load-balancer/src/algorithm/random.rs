//! Any member, all alike.
//!
//! Source: the default of the Elixir library `rpc_load_balancer`. Costs one random number and
//! shares nothing between threads. Shares are even in the long run only: of `c` calls to `n` members
//! each gets `c / n`, give or take about `√(c / n)`. Choose it when calls are many and cost about
//! the same; [`PowerOfTwo`](super::PowerOfTwo) when they do not.

use super::{Algorithm, Rng, Selection};
use crate::members::Snapshot;

/// Picks any member, each as likely as the other. The default of a balancer.
///
/// ```
/// use rpc_load_balancer::{NodeName, Pool, Random, Selection};
///
/// let pool = Pool::new(Random::seeded(1));
/// pool.update(["a@host".parse::<NodeName>()?]);
/// let lease = pool.select(&Selection::default()).expect("a is there");
/// assert_eq!(lease.node().as_str(), "a@host");
/// # Ok::<(), rpc_load_balancer::InvalidNodeName>(())
/// ```
#[derive(Debug, Default)]
pub struct Random {
    rng: Rng,
}

impl Random {
    /// The algorithm, with random numbers that differ in every run.
    pub const fn new() -> Self {
        Self {
            rng: Rng::thread_local(),
        }
    }

    /// The algorithm, with the same choices in every run.
    pub const fn seeded(seed: u64) -> Self {
        Self {
            rng: Rng::seeded(seed),
        }
    }
}

impl Algorithm for Random {
    type Table = ();
    type State = ();

    const READS_LOAD: bool = false;

    fn choose(&self, snapshot: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
        Some(self.rng.below(snapshot.members().len()))
    }

    fn choose_nodes(
        &self,
        snapshot: &Snapshot<Self>,
        count: usize,
        _: &Selection<'_>,
    ) -> Vec<usize> {
        self.rng.sample_below(snapshot.members().len(), count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::members::{Pool, numbered};

    #[test]
    fn shares_are_even_by_the_chi_squared_test() {
        const MEMBERS: usize = 10;
        const CALLS: u32 = 100_000;
        // Nine degrees of freedom exceed this once in a million runs.
        const CRITICAL: f64 = 45.1;

        for algorithm in [Random::seeded(42), Random::new()] {
            let pool = Pool::new(algorithm);
            pool.update(numbered(0..MEMBERS));
            for _ in 0..CALLS {
                drop(pool.select(&Selection::default()).unwrap());
            }
            let expected = f64::from(CALLS) / MEMBERS as f64;
            let chi_squared: f64 = pool
                .snapshot()
                .members()
                .iter()
                .map(|member| (f64::from(member.picks()) - expected).powi(2) / expected)
                .sum();
            assert!(chi_squared < CRITICAL, "{chi_squared}");
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_choices() {
        let choices = || {
            let pool = Pool::new(Random::seeded(9));
            pool.update(numbered(0..100));
            (0..50)
                .map(|_| pool.select(&Selection::default()).unwrap().node().clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(choices(), choices());
    }
}
