//! How many instructions a call takes, piece by piece and as a whole, with an upper bound for each.
//!
//! Each benchmark does the same many times and counts all of it; what comes before, such as the
//! connecting of nodes, is not counted. The bounds are those of one time. They are a tenth above what
//! was counted on x86-64 with the compiler of the day, and are to be lowered with the counts.

mod bound;
mod cluster;
mod codec;
mod loopback;
mod selection;

use gungraun::{Callgrind, LibraryBenchmarkConfig, main};

use crate::{codec::messages, loopback::calls, selection::selections};

main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = [messages, selections, calls]
);
