//! Keeping threads to processors.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The processors that this program may use; none where that cannot be told.
#[must_use]
pub fn processors() -> Vec<usize> {
    let Ok(allowed) = sched_getaffinity(None) else {
        return Vec::new();
    };
    let all = 0..CpuSet::MAX_CPU;
    all.filter(|&processor| allowed.is_set(processor)).collect()
}

/// Keeps this thread to a processor, and all threads that it starts.
///
/// # Errors
///
/// When there is no such processor, or this program may not use it.
pub fn stay_on(processor: usize) -> io::Result<()> {
    let mut only = CpuSet::new();
    only.set(processor);
    Ok(sched_setaffinity(None, &only)?)
}
