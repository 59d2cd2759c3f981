//! One member after the other.
//!
//! Source: as old as time sharing. Costs one atomic addition to a cursor that all threads share,
//! which is where threads meet. Over an unchanged set of `n` members, every `n` selections in a row
//! pick each member once, whatever joined or left before. Choose it when shares must be exactly
//! even, or when the order must be predictable; it is blind to how busy members are.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Algorithm, Selection};
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

/// How many selections there were. Alone on its cache lines, because every selection writes it;
/// two of them, because processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cursor(AtomicU64);

impl RoundRobin {
    /// The algorithm, which begins with the first member.
    pub const fn new() -> Self {
        Self {
            cursor: Cursor(AtomicU64::new(0)),
        }
    }
}

impl Algorithm for RoundRobin {
    type Table = ();
    type State = ();

    const READS_LOAD: bool = false;

    fn choose(&self, snapshot: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
        let members = snapshot.members().len() as u64;
        // Relaxed: the turns only have to differ.
        let turn = self.cursor.0.fetch_add(1, Ordering::Relaxed);
        Some(turn.checked_rem(members)? as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, ops::Range};

    use proptest::prelude::*;

    use super::*;
    use crate::members::{Pool, numbered};

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
    fn threads_together_make_exact_cycles() {
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
        assert!(
            pool.snapshot()
                .members()
                .iter()
                .all(|m| m.picks() == CYCLES)
        );
    }
}
