//! No balancer: adds to the counter of a random member, and takes it off again. That is the least that
//! a count of calls in flight costs, and, where two threads do so, what it costs that they take the
//! lines of the counters from each other. The latter depends on where a virtual machine's processors
//! happen to be, which can change while it runs.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{Contestant, Entry, Library};

pub(super) fn entry() -> Entry {
    Entry::constant(Library::None, "a count alone", |members| {
        Arc::new(Counters((0..members).map(|_| Line::default()).collect()))
    })
}

#[derive(Default)]
#[repr(align(128))]
struct Line(AtomicU64);

struct Counters(Vec<Line>);

impl Contestant for Counters {
    fn alone(&self, selections: u32) {
        for _ in 0..selections {
            let Line(counter) = &self.0[fastrand::usize(..self.0.len())];
            counter.fetch_add(1, Ordering::Relaxed);
            black_box(counter);
            counter.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
