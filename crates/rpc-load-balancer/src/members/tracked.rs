//! Work that counts as a call in flight, although no member was selected for it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A piece of work that a balancer counts as a call in flight, so that a drain waits for it. It
/// counts until this value is dropped.
#[must_use = "work that is dropped at once counts for nothing"]
pub struct Tracked(Arc<AtomicUsize>);

/// How many pieces of work are tracked.
#[derive(Debug, Default)]
pub(crate) struct Tracker(Arc<AtomicUsize>);

impl Tracker {
    pub(crate) fn track(&self) -> Tracked {
        self.0.fetch_add(1, Ordering::Relaxed);
        Tracked(Arc::clone(&self.0))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        // Release: whoever sees the count at zero sees what was done.
        self.0.fetch_sub(1, Ordering::Release);
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tracked")
    }
}
