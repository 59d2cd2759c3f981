//! Balancers: a pool that follows a process group, and calls over it.

mod builder;
mod call;
mod follow;
mod handle;
mod route;
mod selector;
mod weights;

pub use builder::BalancerBuilder;
pub use call::{Call, Cast};
pub use handle::Balancer;
