//! Calls and casts, whoever picks the node that they go to.

mod builder;
mod delivery;
mod hedge;
mod multicall;
mod request;
mod resend;
mod route;
mod target;
mod verdict;
mod waiting;

pub use builder::{Call, Cast};
pub use hedge::Hedge;
pub(crate) use hedge::Latencies;
pub use multicall::Multicall;
pub(crate) use request::Options;
pub(crate) use route::Route;
pub(crate) use target::Target;
