//! The less busy of two random members.
//!
//! Source: "The Power of Two Choices in Randomized Load Balancing" (Mitzenmacher, 1996). Costs one
//! random number and two reads, whatever the number of members. Where n calls are thrown at n
//! members, the busiest has about log log n of them instead of the log n / log log n of a random
//! choice; and unlike with the least busy of all, many balancers that see the same counters do not
//! rush to the same member.
//!
//! At low load the two are mostly idle alike, and an arbitrary choice among them would be as uneven
//! as [`Random`](super::Random). Hence a tie goes to the one that was picked less often; that is
//! the same law applied to picks, and keeps them within a few of each other. A newcomer starts at
//! the mean of the others, so that it does not win every tie.
//!
//! Choose it when calls or members differ in speed, and for large pools. It does not heed weights: a
//! stronger member gets more because it is done sooner. [`PeakEwma`](super::PeakEwma) does.

use super::{Algorithm, Rng, Selection};
use crate::members::Snapshot;

/// Picks two different members at random, and of these the one with fewer calls in flight; a tie
/// goes to the one that was picked less often.
///
/// ```
/// use rpc_load_balancer::{NodeName, Pool, PowerOfTwo, Selection};
///
/// let pool = Pool::new(PowerOfTwo::new());
/// pool.update(["a@host".parse::<NodeName>()?, "b@host".parse()?]);
/// let busy = pool.select(&Selection::default()).expect("there are two");
/// let idle = pool.select(&Selection::default()).expect("there are two");
/// assert_ne!(busy.node(), idle.node());
/// # Ok::<(), rpc_load_balancer::InvalidNodeName>(())
/// ```
#[derive(Debug, Default)]
pub struct PowerOfTwo {
    rng: Rng,
}

impl PowerOfTwo {
    /// The algorithm, with random numbers that differ in every run.
    pub const fn new() -> Self {
        Self {
            rng: Rng::thread_local(),
        }
    }

    /// The algorithm, with the same pairs in every run.
    pub const fn seeded(seed: u64) -> Self {
        Self {
            rng: Rng::seeded(seed),
        }
    }
}

impl Algorithm for PowerOfTwo {
    type Table = ();
    type State = ();

    fn choose(&self, snapshot: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
        let members = snapshot.members();
        let Some((first, second)) = self.rng.pair_below(members.len()) else {
            return Some(0);
        };
        let is_second = members[second]
            .load()
            .is_lighter_than(members[first].load());
        Some([first, second][usize::from(is_second)])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::members::{Lease, Pool, numbered};

    fn picks(pool: &Pool<PowerOfTwo>) -> Vec<u32> {
        let snapshot = pool.snapshot();
        snapshot.members().iter().map(|m| m.picks()).collect()
    }

    #[test]
    fn the_busier_of_the_two_is_never_picked() {
        const MEMBERS: usize = 9;

        let pool = Pool::new(PowerOfTwo::seeded(5));
        // Draws the pairs that the pool's own generator will draw.
        let pairs = Rng::seeded(5);
        pool.update(numbered(0..MEMBERS));
        let dice = Rng::seeded(6);
        let mut leases: Vec<Lease> = Vec::new();
        for _ in 0..10_000 {
            let (first, second) = pairs.pair_below(MEMBERS).unwrap();
            let before: Vec<u32> = in_flight(&pool);
            let lease = pool.select(&Selection::default()).unwrap();
            let picked = (0..MEMBERS)
                .find(|&at| in_flight(&pool)[at] > before[at])
                .unwrap();
            assert!(picked == first || picked == second);
            assert_eq!(before[picked], before[first].min(before[second]));
            leases.push(lease);
            // Releases take members at random, so that they are not equally busy.
            if dice.below(40) < leases.len() {
                leases.swap_remove(dice.below(leases.len()));
            }
        }
    }

    fn in_flight(pool: &Pool<PowerOfTwo>) -> Vec<u32> {
        let snapshot = pool.snapshot();
        snapshot.members().iter().map(|m| m.in_flight()).collect()
    }

    #[test]
    fn ties_spread_far_more_evenly_than_at_random() {
        const CALLS: u32 = 100_000;

        let pool = Pool::new(PowerOfTwo::seeded(1));
        pool.update(numbered(0..10));
        for _ in 0..CALLS {
            drop(pool.select(&Selection::default()).unwrap());
        }
        let picks = picks(&pool);
        // At random the standard deviation would be 95.
        assert!(
            picks.iter().all(|&n| n.abs_diff(CALLS / 10) <= 10),
            "{picks:?}"
        );
    }

    #[test]
    fn a_newcomer_and_one_who_comes_back_do_not_win_every_tie() {
        const CALLS: u32 = 3_000;

        let pool = Pool::new(PowerOfTwo::seeded(2));
        pool.update(numbered(0..3));
        let select = |calls: u32| {
            let mut shares: HashMap<_, u32> = HashMap::new();
            for _ in 0..calls {
                let lease = pool.select(&Selection::default()).unwrap();
                *shares.entry(lease.node().to_string()).or_default() += 1;
            }
            shares
        };
        select(CALLS);
        pool.update(numbered(1..4));
        assert!(select(CALLS).values().all(|&n| n.abs_diff(CALLS / 3) <= 10));

        // The lease keeps the counters of a member that leaves and comes back.
        let kept = pool.select(&Selection::default()).unwrap();
        let left = kept.node().clone();
        pool.update(numbered(1..4).into_iter().filter(|node| *node != left));
        select(CALLS);
        pool.update(numbered(1..4));
        assert_eq!(pool.in_flight(), 1);
        drop(kept);
        assert!(select(CALLS).values().all(|&n| n.abs_diff(CALLS / 3) <= 10));
    }

    #[test]
    fn one_member_is_picked_and_none_is_not() {
        let pool = Pool::new(PowerOfTwo::new());
        assert!(pool.select(&Selection::default()).is_none());
        pool.update(numbered(0..1));
        assert!(pool.select(&Selection::default()).is_some());
    }
}
