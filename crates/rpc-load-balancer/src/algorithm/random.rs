//! Any member, by weight.
//!
//! Source: the default of the Elixir library `rpc_load_balancer`; weights by an alias table, from "A
//! Linear Algorithm for Generating Random Numbers with a Given Distribution" (Vose, 1991). Costs one
//! random number, with weights that differ one more read, and shares nothing between threads. Shares
//! are right in the long run only: of `c` calls to `n` members of one weight each gets `c / n`, give
//! or take about `√(c / n)`. Choose it when calls are many and cost about the same;
//! [`PowerOfTwo`](super::PowerOfTwo) when they do not.

use std::sync::Arc;

use super::{Algorithm, Rng, Selection, alias::AliasTable};
use crate::members::{Member, Snapshot};

/// Picks any member, each as likely as its weight says. The default of a balancer.
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

/// How weights become choices.
#[derive(Debug, Default)]
pub struct Weighting(Option<AliasTable>);

impl Algorithm for Random {
    type Table = Weighting;
    type State = ();

    const READS_LOAD: bool = false;
    const HEEDS_WEIGHTS: bool = true;

    fn choose(&self, snapshot: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
        Some(match &snapshot.table().0 {
            None => self.rng.below(snapshot.members().len()),
            Some(table) => table.draw(&self.rng),
        })
    }

    /// A sample without repetition, in which each further one is drawn by weight of those left.
    fn choose_nodes(
        &self,
        snapshot: &Snapshot<Self>,
        count: usize,
        _: &Selection<'_>,
    ) -> Vec<usize> {
        let weights = snapshot.weights();
        if snapshot.table().0.is_none() {
            return self.rng.sample_below(weights.len(), count);
        }
        // "Weighted random sampling with a reservoir" (Efraimidis and Spirakis, 2006).
        let mut race: Vec<(f64, usize)> = weights
            .iter()
            .enumerate()
            .map(|(at, &weight)| (self.rng.race(weight), at))
            .collect();
        race.sort_unstable_by(|(one, _), (other, _)| one.total_cmp(other));
        race.truncate(count);
        race.into_iter().map(|(_, at)| at).collect()
    }

    fn table(&self, _: &[Arc<Member<Self>>], weights: &[u32], _: &Snapshot<Self>) -> Self::Table {
        Weighting(AliasTable::new(weights))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::members::{Candidate, Pool, numbered};

    const CALLS: u32 = 100_000;
    /// Nine degrees of freedom exceed this once in a million runs.
    const CRITICAL: f64 = 45.1;

    /// How far counts are from shares by weight.
    fn chi_squared(counts: &[u32], weights: &[u32]) -> f64 {
        let calls: u32 = counts.iter().sum();
        let sum: u32 = weights.iter().sum();
        let shares = counts.iter().zip(weights);
        let deviation = |(&count, &weight): (&u32, &u32)| {
            let expected = f64::from(calls) * f64::from(weight) / f64::from(sum);
            (f64::from(count) - expected).powi(2) / expected
        };
        shares.map(deviation).sum()
    }

    fn weighed(weights: &[u32]) -> Vec<Candidate> {
        let nodes = numbered(0..weights.len()).into_iter();
        let candidates = nodes.zip(weights);
        candidates
            .map(|(node, &weight)| Candidate::new(node, weight))
            .collect()
    }

    #[test]
    fn shares_are_those_of_the_weights_by_the_chi_squared_test() {
        for weights in [[1; 10], [1, 2, 3, 4, 5, 6, 7, 8, 9, 100]] {
            for algorithm in [Random::seeded(42), Random::new()] {
                let pool = Pool::new(algorithm);
                pool.update(weighed(&weights));
                for _ in 0..CALLS {
                    drop(pool.select(&Selection::default()).unwrap());
                }
                let snapshot = pool.snapshot();
                let counts: Vec<u32> = snapshot.members().iter().map(|m| m.picks()).collect();
                let chi_squared = chi_squared(&counts, &weights);
                assert!(chi_squared < CRITICAL, "{weights:?}: {chi_squared}");
            }
        }
    }

    #[test]
    fn the_first_of_several_nodes_is_drawn_by_weight() {
        const WEIGHTS: [u32; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 100];

        let pool = Pool::new(Random::seeded(4));
        pool.update(weighed(&WEIGHTS));
        let snapshot = pool.snapshot();
        let mut counts = [0; 10];
        for _ in 0..20_000 {
            let algorithm = pool.algorithm();
            let nodes = algorithm.choose_nodes(&snapshot, 3, &Selection::default());
            assert_eq!(nodes.len(), 3);
            counts[nodes[0]] += 1;
        }
        let chi_squared = chi_squared(&counts, &WEIGHTS);
        assert!(chi_squared < CRITICAL, "{chi_squared}");
    }

    #[test]
    fn weights_that_change_hold_from_the_next_selection_on() {
        let pool = Pool::new(Random::seeded(2));
        let share = |weights: &[u32]| {
            pool.update(weighed(weights));
            let picks = || pool.snapshot().members()[0].picks();
            let before = picks();
            for _ in 0..10_000 {
                drop(pool.select(&Selection::default()).unwrap());
            }
            picks() - before
        };
        // Ten standard deviations are 500 at most.
        assert!(share(&[1, 1]).abs_diff(5_000) < 500);
        assert!(share(&[1, 9]).abs_diff(1_000) < 300);
        assert!(share(&[3, 1]).abs_diff(7_500) < 500);
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
