//! Keeping processes to processors.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::failure::Failure;

/// The processors that this program may use.
pub(crate) fn processors() -> Vec<usize> {
    let Ok(allowed) = sched_getaffinity(None) else {
        return Vec::new();
    };
    let all = 0..CpuSet::MAX_CPU;
    all.filter(|&processor| allowed.is_set(processor)).collect()
}

/// Keeps this thread to a processor, and all threads that it starts.
pub(crate) fn stay_on(processor: usize) -> Result<(), Failure> {
    let mut only = CpuSet::new();
    only.set(processor);
    sched_setaffinity(None, &only).map_err(|error| Failure::Io {
        doing: "keeping to a processor",
        error: error.into(),
    })
}
