//! The demo: a cluster of processes of this program, in which things go wrong on purpose.
//!
//! ```text
//! calls    0 ───────── 1/4 ───────────── 1/2 ──────────────── all
//! workers  w1 w2 w3     w1 is killed      w2 is stopped
//!                                         w4 is started
//! ```
//!
//! The parent serves EPMD on a free port, and holds one end of each worker's standard input: a
//! worker whose parent is gone, however it went, ends at once.

mod acts;
mod cluster;
mod progress;
mod report;
mod traffic;
mod worker;

use crate::{failure::Failure, printer::Printer, signals::Signals};

/// What the user chooses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Calls to make.
    pub(crate) calls: u64,
    /// Workers to start with; at least three.
    pub(crate) workers: u16,
    /// Calls in flight at a time.
    pub(crate) concurrency: u16,
}

/// Runs the demo and prints what came of it; leaves nothing behind, also when it is interrupted.
pub(crate) async fn run(settings: Settings, printer: Printer) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let mut cluster = signals.until(cluster::Cluster::start()).await??;
    let played = signals.until(acts::play(&mut cluster, settings)).await;
    // Even where a second signal cuts this short, the workers end with this process.
    let ended = signals.until(cluster.end()).await;
    let report = played??;
    ended?;
    report.print(printer)?;
    report.verdict()
}
