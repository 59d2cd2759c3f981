//! Runs clusters of real nodes in simulated time, on a simulated network, under random faults.
//!
//! One seed makes one simulation: some nodes, each on a host of its own, with callers and balancers,
//! and a list of what befalls them. Two runs of a seed are the same, step by step. In the end all is
//! well again, and what must hold is looked at.
//!
//! It is empty unless it is built with
//! `RUSTFLAGS="--cfg rlb_simulation --cfg tokio_unstable"`: then nodes take their sockets from the
//! simulated network, and runtimes can be told the order in which they look at what is ready.
#![forbid(unsafe_code)]
#![cfg(rlb_simulation)]

mod clock;
mod ledger;
mod logging;
mod machine;
mod memory;
mod network;
mod panics;
mod plan;
mod program;
mod simulation;
mod trace;

pub use logging::log_in_simulated_time;
pub use plan::Plan;
pub use simulation::{Failed, Passed, Settled, Simulation, run};
