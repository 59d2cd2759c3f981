//! What benchmarks have in common: on what they ran, on which processors, and how far they are.
//!
//! Those of calls (`bench`) and those of selections (`crates/rpc-load-balancer/benches`) are in two workspaces, for
//! what they compare with has nothing in common. This has.
#![forbid(unsafe_code)]

mod machine;
mod processors;
mod progress;

pub use machine::{Machine, Program, Version};
pub use processors::{processors, stay_on};
pub use progress::Progress;
