//! Upper bounds.

use gungraun::{Callgrind, EventKind, LibraryBenchmarkConfig};

/// How often each benchmark does what it counts.
pub(crate) const TIMES: u32 = 1_000;

/// The benchmark fails if one time takes more instructions than these.
pub(crate) fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    let limit = instructions * u64::from(TIMES);
    LibraryBenchmarkConfig::default()
        .tool(Callgrind::default().hard_limits([(EventKind::Ir, limit)]))
        .clone()
}
