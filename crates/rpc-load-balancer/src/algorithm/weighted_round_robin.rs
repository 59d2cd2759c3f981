//! One member after the other, the heavier ones more often.
//!
//! Source: the weighted round robin of the Elixir library `rpc_load_balancer`, but smooth: the turns
//! of a member are spread over the cycle, as in nginx, so that weights of 3 and 1 give `a a b a` and
//! not `a a a b`. They are laid out once for each set of members and weights, by the ideal places of
//! each member's turns, where nginx counts credits with every selection. Costs one atomic addition
//! to a cursor that all threads share, one division, and one read, whatever the number of members.
//!
//! Every whole cycle holds each member exactly as often as its weight says, wherever it begins; as
//! with [`RoundRobin`](super::RoundRobin), threads that select in the very same instant can put off
//! up to 56 turns. The weights are divided by what they have in common; if the cycle would still have more than 65,536
//! turns, they are scaled to that many. Then each member's number of turns is off by less than one
//! in 65,536, except that those who are not worth one turn get one, which is taken from the others
//! in proportion. A warning says so, once for each set of members and weights. With still more
//! members, each that is not worth more than one has one.
//!
//! When members or weights change, the cursor goes on from where it is, so that frequent changes do
//! not favour those at the beginning of a cycle.
//!
//! Choose it when shares must be exactly as the weights, and [`Random`](super::Random) when they
//! need to be so in the long run only; both are blind to how busy members are.

use std::sync::Arc;

use super::{
    Algorithm, Selection,
    cursor::Cursor,
    schedule::{LONGEST_CYCLE, Schedule},
};
use crate::members::{Member, Snapshot};

/// Picks the members in turn, each as often as its weight says.
///
/// ```
/// use rpc_load_balancer::{Candidate, NodeName, Pool, Selection, WeightedRoundRobin};
///
/// let pool = Pool::new(WeightedRoundRobin::new());
/// let [a, b]: [NodeName; 2] = ["a@host".parse()?, "b@host".parse()?];
/// pool.update([Candidate::new(a, 3), Candidate::new(b, 1)]);
/// let picks: Vec<String> = (0..4)
///     .filter_map(|_| pool.select(&Selection::default()))
///     .map(|lease| lease.node().to_string())
///     .collect();
/// assert_eq!(picks, ["a@host", "a@host", "b@host", "a@host"]);
/// # Ok::<(), rpc_load_balancer::InvalidNodeName>(())
/// ```
#[derive(Debug, Default)]
pub struct WeightedRoundRobin {
    cursor: Cursor,
}

/// The turns of one cycle.
#[derive(Debug, Default)]
pub struct Cycle(Schedule);

impl WeightedRoundRobin {
    /// The algorithm, which begins at the beginning of a cycle.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Algorithm for WeightedRoundRobin {
    type Table = Cycle;
    type State = ();

    const READS_LOAD: bool = false;
    const HEEDS_WEIGHTS: bool = true;

    fn choose(&self, snapshot: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
        let turns = snapshot.table().0.turns();
        let turn = self.cursor.advance(turns.len())?;
        Some(turns[turn] as usize)
    }

    fn table(&self, _: &[Arc<Member<Self>>], weights: &[u32], _: &Snapshot<Self>) -> Cycle {
        let schedule = Schedule::new(weights);
        if schedule.is_scaled() {
            tracing::warn!(
                members = weights.len(),
                "the weights need a cycle of more than {LONGEST_CYCLE} turns and are scaled: \
                 shares are only close to them",
            );
        }
        Cycle(schedule)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        algorithm::cursor::MOST_KEPT,
        members::{Candidate, Pool, numbered},
    };

    fn weighed(weights: &[u32]) -> Vec<Candidate> {
        let nodes = numbered(0..weights.len()).into_iter();
        let candidates = nodes.zip(weights);
        candidates
            .map(|(node, &weight)| Candidate::new(node, weight))
            .collect()
    }

    fn picks(pool: &Pool<WeightedRoundRobin>) -> Vec<u32> {
        let snapshot = pool.snapshot();
        snapshot.members().iter().map(|m| m.picks()).collect()
    }

    /// The indices of the members that are picked by so many selections.
    fn select(pool: &Pool<WeightedRoundRobin>, selections: u32) -> Vec<usize> {
        let snapshot = pool.snapshot();
        let at = |lease: &crate::Lease| {
            let mut members = snapshot.members().iter();
            members.position(|member| member.node() == lease.node())
        };
        (0..selections)
            .map(|_| at(&pool.select(&Selection::default()).unwrap()).unwrap())
            .collect()
    }

    proptest! {
        #[test]
        fn cycles_are_exact_between_changes_of_members_and_weights(
            changes in prop::collection::vec(
                (prop::collection::vec(0..9_u32, 1..9), 0..30_u32),
                1..10,
            ),
        ) {
            let pool = Pool::new(WeightedRoundRobin::new());
            for (weights, extra) in changes {
                pool.update(weighed(&weights));
                let weights = pool.snapshot().weights().to_vec();
                if weights.is_empty() {
                    prop_assert!(pool.select(&Selection::default()).is_none());
                    continue;
                }
                // A cycle may begin anywhere.
                select(&pool, extra);
                let mut counts = vec![0; weights.len()];
                for at in select(&pool, weights.iter().sum()) {
                    counts[at] += 1;
                }
                prop_assert_eq!(counts, weights);
            }
        }
    }

    #[test]
    fn a_change_of_weights_does_not_begin_the_cycle_anew() {
        let pool = Pool::new(WeightedRoundRobin::new());
        let mut counts = [0; 2];
        // Each time one selection, which a cycle begun anew would give to the first.
        for change in 0..40 {
            pool.update(weighed(&[[1, 1], [4, 2]][change % 2]));
            counts[select(&pool, 1)[0]] += 1;
        }
        assert!(counts[1] >= 5, "{counts:?}");
    }

    #[test]
    fn threads_together_make_cycles_that_are_exact_but_for_turns_not_used_yet() {
        const CYCLES: u32 = 1_000;

        let pool = Pool::new(WeightedRoundRobin::new());
        pool.update(weighed(&[3, 1, 4]));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..CYCLES / 4 * 8 {
                        drop(pool.select(&Selection::default()).unwrap());
                    }
                });
            }
        });
        // But for the turns that threads which met have taken and not used.
        let picks = picks(&pool);
        let exact = [3 * CYCLES, CYCLES, 4 * CYCLES];
        let mut pairs = picks.iter().zip(exact);
        assert!(
            pairs.all(|(n, exact)| n.abs_diff(exact) <= MOST_KEPT),
            "{picks:?}"
        );
    }

    #[test]
    fn ten_thousand_members_of_any_weights_have_a_cycle() {
        let weights: Vec<u32> = (1..=10_000).map(|n| n * n).collect();
        let pool = Pool::new(WeightedRoundRobin::new());
        pool.update(weighed(&weights));
        let snapshot = pool.snapshot();
        assert_eq!(snapshot.table().0.turns().len(), LONGEST_CYCLE);
        assert!(snapshot.table().0.is_scaled());
    }
}
