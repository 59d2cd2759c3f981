//! How busy a member is.

use std::sync::atomic::{AtomicU64, Ordering};

/// How busy a member is, and how often it was picked: two counts that were read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Load {
    /// Leases on the member that have not ended.
    pub in_flight: u32,
    /// How often the member was picked, modulo 2³². A newcomer starts at the mean of the others,
    /// so compare with [`Load::picked_less_than`].
    pub picks: u32,
}

impl Load {
    /// Whether this member was picked less often than the other. Right as long as the counts are
    /// less than 2³¹ apart; they wrap.
    pub fn picked_less_than(self, other: Self) -> bool {
        (self.picks.wrapping_sub(other.picks) as i32) < 0
    }
}

/// The counts of one member: picks in the upper half and calls in flight in the lower half of one
/// word, so that a selection is one atomic addition, and a reader sees both as they were at once.
///
/// Picks overflow out of the top. Calls in flight cannot overflow into the picks: each is a lease,
/// and 2³² of them do not fit into memory.
#[derive(Debug, Default)]
pub(super) struct LoadCounter(AtomicU64);

const ONE_PICK: u64 = 1 << 32;
const ONE_IN_FLIGHT: u64 = 1;

impl LoadCounter {
    pub(super) fn starting_at(picks: u32) -> Self {
        Self(AtomicU64::new(u64::from(picks) * ONE_PICK))
    }

    pub(super) fn read(&self) -> Load {
        let word = self.0.load(Ordering::Relaxed);
        Load {
            in_flight: word as u32,
            picks: (word / ONE_PICK) as u32,
        }
    }

    /// Counts a pick and a call in flight.
    pub(super) fn acquire(&self) {
        self.0
            .fetch_add(ONE_PICK + ONE_IN_FLIGHT, Ordering::Relaxed);
    }

    /// Counts the end of a call. Comes once after each [`acquire`](Self::acquire).
    pub(super) fn release(&self) {
        // Release: whoever sees the count at zero sees what the calls did.
        let before = self.0.fetch_sub(ONE_IN_FLIGHT, Ordering::Release);
        debug_assert_ne!(before as u32, 0, "more releases than leases");
    }

    /// Moves the count of picks, and leaves the calls in flight alone.
    pub(super) fn restart_picks(&self, picks: u32) {
        let difference = picks.wrapping_sub(self.read().picks);
        self.0
            .fetch_add(u64::from(difference) * ONE_PICK, Ordering::Relaxed);
    }
}

/// The mean of counts that wrap, which lie less than 2³¹ apart; 0 when there are none.
pub(super) fn mean_picks(picks: impl Iterator<Item = u32> + Clone) -> u32 {
    let Some(base) = picks.clone().next() else {
        return 0;
    };
    let (sum, count) = picks.fold((0_i64, 0_i64), |(sum, count), n| {
        (sum + i64::from(n.wrapping_sub(base) as i32), count + 1)
    });
    base.wrapping_add((sum / count) as i32 as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_wrap_without_touching_the_calls_in_flight() {
        let counter = LoadCounter::starting_at(u32::MAX);
        counter.acquire();
        counter.acquire();
        assert_eq!(
            counter.read(),
            Load {
                in_flight: 2,
                picks: 1
            }
        );
        counter.release();
        assert_eq!(
            counter.read(),
            Load {
                in_flight: 1,
                picks: 1
            }
        );
    }

    #[test]
    fn picks_start_anew_upwards_and_downwards() {
        let counter = LoadCounter::starting_at(10);
        counter.acquire();
        for picks in [500, 3, u32::MAX, 0] {
            counter.restart_picks(picks);
            assert_eq!(
                counter.read(),
                Load {
                    in_flight: 1,
                    picks
                }
            );
        }
    }

    #[test]
    fn counts_on_both_sides_of_the_wrap_compare_and_average() {
        let at = |picks| Load {
            in_flight: 0,
            picks,
        };
        assert!(at(u32::MAX - 1).picked_less_than(at(2)));
        assert!(!at(2).picked_less_than(at(u32::MAX - 1)));
        assert!(!at(2).picked_less_than(at(2)));
        assert_eq!(mean_picks([u32::MAX - 1, 4].into_iter()), 1);
        assert_eq!(mean_picks([4, u32::MAX - 1].into_iter()), 1);
        assert_eq!(mean_picks([10, 20, 60].into_iter()), 30);
        assert_eq!(mean_picks(std::iter::empty()), 0);
    }
}
