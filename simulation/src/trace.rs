//! What happened in a simulation, as one number.

use std::hash::Hasher;

use rustc_hash::FxHasher;

/// A running hash of all that hosts could see of each other: two runs of one seed have the same.
#[derive(Clone, Default)]
pub(crate) struct Trace {
    hash: u64,
    events: u64,
}

impl Trace {
    /// Takes in one event.
    pub(crate) fn note(&mut self, event: [u64; 4]) {
        let mut hasher = FxHasher::default();
        hasher.write_u64(self.hash);
        for word in event {
            hasher.write_u64(word);
        }
        self.hash = hasher.finish();
        self.events += 1;
    }

    /// The hash of all events so far.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    /// How many events there were.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }
}
