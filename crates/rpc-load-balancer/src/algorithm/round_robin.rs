//! One member after the other.
//!
//! Source: as old as time sharing. Costs one atomic addition to a cursor that all threads share.
//! Over an unchanged set of `n` members, every `n` selections in a row pick each member once,
//! whatever joined or left before. Threads that select in the very same instant, and only these,
//! take several turns at once and use them one after the other, so that of the turns up to the last
//! one up to 56 can be still to come: 7 on each of 8 lanes, which threads share. Then members'
//! counts differ by that much from exact ones, and by no more however many selections there are.
//!
//! Choose it when shares must be even, or when the order must be predictable; it is blind to
//! weights, for which there is [`WeightedRoundRobin`](super::WeightedRoundRobin), and to how busy
//! members are.

use super::{Algorithm, Selection, cursor::Cursor};
use crate::members::Snapshot;

/// Picks the members in turn, in the order of their names.
///
/// ```
/// use rpc_load_balancer::{NodeName, Pool, RoundRobin, Selection};
///
/// let pool = Pool::new(RoundRobin::new());
/// pool.update(["a@host".parse::<NodeName>()?, "b@host".parse()?]);
/// let picks: Vec<String> = (0..4)
///     .filter_map(|_| pool.select(&Selection::default()))
///     .map(|lease| lease.node().to_string())
///     .collect();
/// assert_eq!(picks, ["a@host", "b@host", "a@host", "b@host"]);
/// # Ok::<(), rpc_load_balancer::InvalidNodeName>(())
/// ```
#[derive(Debug, Default)]
pub struct RoundRobin {
    cursor: Cursor,
}

impl RoundRobin {
    /// The algorithm, which begins with the first member.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Algorithm for RoundRobin {
    type Table = ();
    type State = ();

    const READS_LOAD: bool = false;

    fn choose(&self, snapshot: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
        self.cursor.advance(snapshot.members().len())
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, ops::Range};

    use proptest::prelude::*;

    use super::*;
    use crate::{
        algorithm::cursor::MOST_KEPT,
        members::{Pool, numbered},
    };

    #[test]
    fn every_cycle_over_unchanged_members_is_exact() {
        let pool = Pool::new(RoundRobin::new());
        pool.update(numbered(0..7));
        for round in 1..=100 {
            for _ in 0..7 {
                drop(pool.select(&Selection::default()).unwrap());
            }
            assert!(pool.snapshot().members().iter().all(|m| m.picks() == round));
        }
    }

    fn a_cycle(pool: &Pool<RoundRobin>, members: usize) -> BTreeSet<String> {
        (0..members)
            .map(|_| {
                pool.select(&Selection::default())
                    .unwrap()
                    .node()
                    .to_string()
            })
            .collect()
    }

    proptest! {
        #[test]
        fn cycles_are_exact_between_joins_and_leaves(
            changes in prop::collection::vec((0..20_usize, 1..20_usize, 0..30_usize), 1..20),
        ) {
            let pool = Pool::new(RoundRobin::new());
            for (first, count, extra) in changes {
                let members: Range<usize> = first..first + count;
                pool.update(numbered(members));
                // A cycle may begin anywhere.
                for _ in 0..extra {
                    drop(pool.select(&Selection::default()));
                }
                prop_assert_eq!(a_cycle(&pool, count).len(), count);
            }
        }
    }

    #[test]
    fn threads_together_make_cycles_that_are_exact_but_for_turns_not_used_yet() {
        const MEMBERS: usize = 3;
        const CYCLES: u32 = 2_000;

        let pool = Pool::new(RoundRobin::new());
        pool.update(numbered(0..MEMBERS));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..CYCLES / 4 * MEMBERS as u32 {
                        drop(pool.select(&Selection::default()).unwrap());
                    }
                });
            }
        });
        // But for the turns that threads which met have taken and not used.
        let snapshot = pool.snapshot();
        let picks: Vec<u32> = snapshot.members().iter().map(|m| m.picks()).collect();
        assert!(
            picks.iter().all(|n| n.abs_diff(CYCLES) <= MOST_KEPT),
            "{picks:?}"
        );
    }
}
