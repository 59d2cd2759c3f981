//! How busy a member is.

use crate::sync::atomic::{AtomicU64, Ordering};

/// How busy a member is, and how often it was picked: two counts that were read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Load {
    /// Leases on the member that have not ended.
    pub in_flight: u32,
    /// How often the member was picked, modulo 2³². A newcomer starts at the mean of the others,
    /// so compare with [`Load::is_lighter_than`].
    pub picks: u32,
}

impl Load {
    /// Whether this member has fewer calls in flight than the other, or as many and was picked less
    /// often. Right as long as the counts are less than 2³¹ apart; picks wrap.
    pub fn is_lighter_than(self, other: Self) -> bool {
        let apart = |one: u32, other: u32| i64::from(one.wrapping_sub(other) as i32);
        // One number for both, because a branch on a random choice is one that processors guess
        // wrong half of the time.
        let difference =
            (apart(self.in_flight, other.in_flight) << 32) + apart(self.picks, other.picks);
        difference < 0
    }

    fn from_word(word: u64) -> Self {
        Self {
            in_flight: word as u32,
            picks: (word / ONE_PICK) as u32,
        }
    }

    /// The counts of two counters of the same member together.
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            in_flight: self.in_flight.wrapping_add(other.in_flight),
            picks: self.picks.wrapping_add(other.picks),
        }
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
        // Acquire: see `release`.
        Load::from_word(self.0.load(Ordering::Acquire))
    }

    /// Reads the counts in turn with those who change them: a change is either seen here, or the one
    /// who makes it sees afterwards what was written before this.
    pub(super) fn read_in_turn(&self) -> Load {
        // An addition, of nothing, because all additions to a word have one order.
        Load::from_word(self.0.fetch_add(0, Ordering::AcqRel))
    }

    /// Counts a pick and a call in flight.
    pub(super) fn acquire(&self) {
        // Acquire, for those who read in turn; x86 makes no difference.
        self.0
            .fetch_add(ONE_PICK + ONE_IN_FLIGHT, Ordering::Acquire);
    }

    /// Counts the end of a call. Comes once after each [`acquire`](Self::acquire).
    pub(super) fn release(&self) {
        // Release: whoever sees the count at zero sees what the calls did. Acquire: see above.
        let before = self.0.fetch_sub(ONE_IN_FLIGHT, Ordering::AcqRel);
        debug_assert_ne!(before as u32, 0, "more releases than leases");
    }

    /// Counts picks alone; a number that wraps takes some off.
    pub(super) fn add_picks(&self, picks: u32) {
        self.0
            .fetch_add(u64::from(picks) * ONE_PICK, Ordering::Relaxed);
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
    fn picks_are_added_and_taken_off_without_touching_the_calls_in_flight() {
        let counter = LoadCounter::starting_at(10);
        counter.acquire();
        for picks in [500, 3, u32::MAX, 0] {
            counter.add_picks(picks.wrapping_sub(counter.read().picks));
            let in_flight = 1;
            assert_eq!(counter.read(), Load { in_flight, picks });
        }
    }

    #[test]
    fn calls_in_flight_weigh_more_than_picks() {
        let load = |in_flight, picks| Load { in_flight, picks };
        assert!(load(1, 9).is_lighter_than(load(2, 3)));
        assert!(!load(2, 3).is_lighter_than(load(1, 9)));
        assert!(load(5, 3).is_lighter_than(load(5, 4)));
        assert!(load(1, u32::MAX).is_lighter_than(load(2, i32::MAX as u32)));
        assert!(!load(2, i32::MAX as u32).is_lighter_than(load(1, u32::MAX)));
    }

    #[test]
    fn counts_on_both_sides_of_the_wrap_compare_and_average() {
        let at = |picks| Load {
            in_flight: 0,
            picks,
        };
        assert!(at(u32::MAX - 1).is_lighter_than(at(2)));
        assert!(!at(2).is_lighter_than(at(u32::MAX - 1)));
        assert!(!at(2).is_lighter_than(at(2)));
        assert_eq!(mean_picks([u32::MAX - 1, 4].into_iter()), 1);
        assert_eq!(mean_picks([4, u32::MAX - 1].into_iter()), 1);
        assert_eq!(mean_picks([10, 20, 60].into_iter()), 30);
        assert_eq!(mean_picks(std::iter::empty()), 0);
    }
}

/// `RUSTFLAGS="--cfg rlb_loom" cargo test -p rpc-load-balancer --lib --release loom_`
#[cfg(all(test, rlb_loom))]
mod models {
    use loom::{
        sync::{Arc, atomic::AtomicBool},
        thread,
    };

    use super::*;

    #[test]
    fn loom_calls_of_several_threads_are_all_counted_and_all_ended() {
        loom::model(|| {
            let counter = Arc::new(LoadCounter::starting_at(u32::MAX));
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let counter = Arc::clone(&counter);
                    thread::spawn(move || {
                        counter.acquire();
                        assert!((1..=2).contains(&counter.read().in_flight));
                        counter.release();
                    })
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
            let (in_flight, picks) = (0, 1);
            assert_eq!(counter.read(), Load { in_flight, picks });
        });
    }

    #[test]
    fn loom_who_sees_the_count_at_zero_sees_what_the_calls_did() {
        loom::model(|| {
            let counter = Arc::new(LoadCounter::default());
            let done = Arc::new(AtomicBool::new(false));
            counter.acquire();
            let thread = {
                let (counter, done) = (Arc::clone(&counter), Arc::clone(&done));
                thread::spawn(move || {
                    done.store(true, Ordering::Relaxed);
                    counter.release();
                })
            };
            if counter.read_in_turn().in_flight == 0 {
                assert!(done.load(Ordering::Relaxed));
            }
            thread.join().unwrap();
        });
    }

    #[test]
    fn loom_a_call_is_seen_in_turn_or_sees_what_was_written_before() {
        loom::model(|| {
            let counter = Arc::new(LoadCounter::default());
            let written = Arc::new(AtomicBool::new(false));
            let thread = {
                let (counter, written) = (Arc::clone(&counter), Arc::clone(&written));
                thread::spawn(move || {
                    counter.acquire();
                    written.load(Ordering::Relaxed)
                })
            };
            written.store(true, Ordering::Relaxed);
            let seen = counter.read_in_turn().in_flight == 1;
            assert!(thread.join().unwrap() || seen);
        });
    }
}
