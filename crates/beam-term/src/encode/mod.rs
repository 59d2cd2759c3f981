//! Encoding: the [`Writer`] and what is built on it. It emits the newest forms that OTP 25 understands.

mod bounds;
mod copy;
mod error;
mod patch;
mod shared;
mod tree;
mod writer;

pub use error::EncodeError;
pub use shared::Shared;
pub use writer::Writer;

pub(crate) use bounds::{MAX_ARITY, MAX_FREE, MAX_INTEGER_BYTES, check_arity, countable};
pub(crate) use writer::SoFar;
