//! Where a node listens.

mod address;
mod bind;
mod socket;

pub use address::{InvalidListen, Listen};
pub(crate) use bind::bind;
pub(crate) use socket::{Stack, listen_on};
