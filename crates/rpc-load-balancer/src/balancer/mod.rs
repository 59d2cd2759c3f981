//! Balancers: a pool that follows a process group, and calls over it.

mod builder;
mod drain;
mod follow;
mod handle;
mod selector;
mod weights;

pub use builder::BalancerBuilder;
pub(crate) use follow::Changes;
pub use handle::Balancer;
