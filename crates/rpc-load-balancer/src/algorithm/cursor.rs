//! Whose turn it is, for algorithms that go round.
//!
//! Turns are taken one at a time from one count, which all threads share. Only a thread that is
//! beaten to its turn in the very same instant takes several at once, and uses them up before it
//! comes back: where selections crowd like that, the cache line of the count would move from one
//! processor to the other with each of them, which costs more than all the rest of a selection.
//!
//! No turn is taken twice, and none is lost: of all turns up to the last one that was used, those
//! that are not used lie ready for the threads of some lane, 7 for each of 8 lanes at most. Where
//! selections do not meet, there are none, and turns are used in their order.

use crate::{
    members::own_lane,
    sync::atomic::{AtomicU64, Ordering},
};

/// Who has the next turn.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    next: Line,
    /// For the threads of each lane, turns that were taken from the count and are not used.
    kept: [Line; LANES],
}

/// Alone on its cache lines, because every selection writes it; two of them, because processors
/// fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line(AtomicU64);

const LANES: usize = 8;

/// How many turns are taken at once, if not one.
const BLOCK: u64 = 8;

/// How many of the turns up to the last that was used can be unused.
#[cfg(test)]
pub(super) const MOST_KEPT: u32 = LANES as u32 * (BLOCK as u32 - 1);

/// In a line of kept turns: the first one above these bits, and in them how many there are.
const COUNT_BITS: u32 = 4;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// In place of a count: a thread is about to put turns here.
const RESERVED: u64 = COUNT;

impl Cursor {
    /// Takes the next turn, modulo the length of a cycle; `None` if there is nobody to take turns.
    pub(super) fn advance(&self, cycle: usize) -> Option<usize> {
        Some(self.turn(own_lane(LANES)).checked_rem(cycle as u64)? as usize)
    }

    // Relaxed throughout: the turns only have to differ.
    fn turn(&self, lane: usize) -> u64 {
        let Line(kept) = &self.kept[lane];
        if let Some(turn) = Self::take_kept(kept) {
            return turn;
        }
        let Line(next) = &self.next;
        let turn = next.load(Ordering::Relaxed);
        match next.compare_exchange(turn, turn + 1, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(turn) => turn,
            Err(_) => self.take_block(kept),
        }
    }

    fn take_kept(kept: &AtomicU64) -> Option<u64> {
        let word = kept.load(Ordering::Relaxed);
        let count = word & COUNT;
        if count == 0 || count == RESERVED {
            return None;
        }
        // One turn more, and one fewer left. Threads can share a lane.
        let rest = word + (1 << COUNT_BITS) - 1;
        kept.compare_exchange(word, rest, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
            .then_some(word >> COUNT_BITS)
    }

    #[cold]
    fn take_block(&self, kept: &AtomicU64) -> u64 {
        let Line(next) = &self.next;
        let word = kept.load(Ordering::Relaxed);
        let reserve = || {
            kept.compare_exchange(word, RESERVED, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        };
        // Reserved first, because turns that found no room would be lost.
        if word & COUNT != 0 || !reserve() {
            return next.fetch_add(1, Ordering::Relaxed);
        }
        let turn = next.fetch_add(BLOCK, Ordering::Relaxed);
        let rest = ((turn + 1) << COUNT_BITS) | (BLOCK - 1);
        kept.store(rest, Ordering::Relaxed);
        turn
    }
}

#[cfg(test)]
impl Cursor {
    /// The turns that are taken from the count and not used.
    fn unused(&self) -> Vec<u64> {
        let words = self
            .kept
            .iter()
            .map(|Line(kept)| kept.load(Ordering::Relaxed));
        words
            .flat_map(|word| (word >> COUNT_BITS..).take((word & COUNT) as usize))
            .collect()
    }

    /// Whether these turns and those that are kept are all up to now, each once.
    fn accounts_for(&self, mut used: Vec<u64>) -> bool {
        used.extend(self.unused());
        used.sort_unstable();
        used.into_iter().eq(0..self.next.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_takes_the_turns_in_order() {
        let cursor = Cursor::default();
        let turns: Vec<usize> = (0..7).filter_map(|_| cursor.advance(3)).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2, 0]);
        assert_eq!(cursor.advance(0), None);
    }

    #[test]
    fn who_was_beaten_uses_up_what_it_took_first() {
        let cursor = Cursor::default();
        let Line(kept) = &cursor.kept[3];
        assert_eq!(cursor.take_block(kept), 0);
        assert_eq!(cursor.turn(0), BLOCK);
        assert_eq!(cursor.unused(), [1, 2, 3, 4, 5, 6, 7]);
        // There is no room for more.
        assert_eq!(cursor.take_block(kept), BLOCK + 1);
        for turn in 1..BLOCK {
            assert_eq!(cursor.turn(3), turn);
        }
        assert_eq!(cursor.turn(3), BLOCK + 2);
    }

    #[test]
    fn threads_take_every_turn_once() {
        // More than there are lanes.
        const THREADS: usize = 2 * LANES + 1;

        let cursor = Cursor::default();
        let used = std::thread::scope(|scope| {
            let take = |lane| {
                let cursor = &cursor;
                move || (0..5_000).map(|_| cursor.turn(lane)).collect::<Vec<_>>()
            };
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| scope.spawn(take(thread % LANES)))
                .collect();
            let used = threads.into_iter().flat_map(|t| t.join().unwrap());
            used.collect::<Vec<_>>()
        });
        assert!(cursor.unused().len() <= MOST_KEPT as usize);
        assert!(cursor.accounts_for(used));
    }
}

#[cfg(all(test, rlb_loom))]
mod models {
    use loom::{sync::Arc, thread};

    use super::*;

    fn every_turn_is_taken_once_on(lanes: [usize; 2]) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(move || {
            let cursor = Arc::new(Cursor::default());
            let thread = {
                let cursor = Arc::clone(&cursor);
                thread::spawn(move || [(); 2].map(|()| cursor.turn(lanes[0])))
            };
            let mut used = [(); 2].map(|()| cursor.turn(lanes[1])).to_vec();
            used.extend(thread.join().unwrap());
            assert!(cursor.accounts_for(used));
        });
    }

    #[test]
    fn loom_threads_on_lanes_of_their_own_take_every_turn_once() {
        every_turn_is_taken_once_on([0, 1]);
    }

    #[test]
    fn loom_threads_that_share_a_lane_take_every_turn_once() {
        every_turn_is_taken_once_on([2, 2]);
    }
}
