//! Lanes: several counters for one member, so that threads do not take cache lines from each other.
//!
//! A line that two processors write by turns moves between them each time, which costs more than
//! all the rest of a selection. Where nobody reads the counts to make a choice, each thread counts
//! on its own lane, and a reader adds the lanes up.

use std::{
    cell::Cell,
    num::NonZeroUsize,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use crate::algorithm::Algorithm;

/// With more lanes threads would meet still less, but each costs memory for every member.
const MOST_LANES: usize = 8;

/// How many lanes the members of a pool are to have: one, where the algorithm reads the counts.
///
/// The answer can change while a program runs, and takes a look at files.
pub(super) fn lanes<A: Algorithm>() -> usize {
    if A::READS_LOAD {
        return 1;
    }
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    processors.min(MOST_LANES)
}

/// Which of so many lanes the thread takes that asks.
pub(crate) fn own_lane(lanes: usize) -> usize {
    /// Numbers threads as they come, so that the first ones take different lanes.
    static LAST: AtomicUsize = AtomicUsize::new(0);

    thread_local! {
        /// 0 is for threads without a number.
        static NUMBER: Cell<usize> = const { Cell::new(0) };
    }

    // A simulation has one thread at a time, and must not depend on which one it is.
    if lanes == 1 || cfg!(rlb_simulation) {
        return 0;
    }
    if NUMBER.get() == 0 {
        NUMBER.set(LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1));
    }
    NUMBER.get() % lanes
}
