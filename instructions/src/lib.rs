//! How many instructions a call takes, piece by piece and as a whole, with an upper bound for each: a
//! slowdown is seen even on a machine that is too busy to measure times.
//!
//! The benchmarks are run, under valgrind, by `cargo bench -p instructions`; they are in `benches`.
