//! Threads for functions that block.

use tokio::task::JoinHandle;
#[cfg(rlb_simulation)]
use tokio::time::{Duration, sleep};

/// Runs something that blocks on a thread for that. Until it has begun it can be aborted.
#[cfg(not(rlb_simulation))]
pub(super) fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    tokio::task::spawn_blocking(work)
}

/// How long a simulated node waits for a thread that is free, at the most.
#[cfg(rlb_simulation)]
const LONGEST_WAIT_MS: u64 = 500;

/// Waits as long as for a thread, and then does it all at once: what threads of the operating system do
/// would be different from run to run.
#[cfg(rlb_simulation)]
pub(super) fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let wait = Duration::from_millis(fastrand::u64(0..=LONGEST_WAIT_MS));
    tokio::spawn(async move {
        sleep(wait).await;
        work()
    })
}
