//! Simulated time, and whose turn it is.
//!
//! Each host has a tokio runtime of its own, whose clock stands still until the host is stepped. All
//! that runs on one thread belongs to one simulation, so what runs at the moment is kept by thread.

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;

/// A time, in milliseconds since the simulation began. Timers of tokio are no finer.
pub(crate) type Millis = u64;

/// A host, by its number.
pub(crate) type HostId = usize;

thread_local! {
    static CLOCK: Cell<Clock> = const { Cell::new(Clock::Stopped(0)) };
    static HOST: Cell<HostId> = const { Cell::new(0) };
}

/// How the time is told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    /// No host is running: it is this time.
    Stopped(Millis),
    /// By the clock of the runtime that is running, which showed `base` at the time `at`.
    Running { base: Instant, at: Millis },
}

/// Has a host run, by this clock.
pub(crate) fn enter(host: HostId, clock: Clock) {
    HOST.set(host);
    CLOCK.set(clock);
}

/// The time.
pub(crate) fn now() -> Millis {
    match CLOCK.get() {
        Clock::Stopped(at) => at,
        Clock::Running { base, at } => at + millis(Instant::now().duration_since(base)),
    }
}

/// The host that runs.
pub(crate) fn host() -> HostId {
    HOST.get()
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> Millis {
    duration.as_millis().try_into().unwrap_or(Millis::MAX)
}
