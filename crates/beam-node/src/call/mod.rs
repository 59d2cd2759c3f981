//! Calls of functions on other nodes, as `erpc` makes them.

mod builder;
mod local;
mod pending;
mod reply;

pub use builder::{Call, Cast};
pub(crate) use {
    builder::{DEFAULT_TIMEOUT, Request, not_connected},
    pending::{Pending, RequestId, stray_reference},
    reply::{Answer, Question},
};
