//! Functions of this node that others may call.

mod context;
mod entry;
mod exports;
mod handler;
mod handling;
mod outcome;
mod thread;

#[allow(clippy::module_inception)] // The type and the concept have one name.
mod export;

pub use context::CallContext;
pub(crate) use entry::{Entry, caught};
pub use export::Export;
pub(crate) use exports::Exports;
pub use handler::Handler;
pub(crate) use outcome::{Failure, Outcome};

#[cfg(test)]
mod tests;
