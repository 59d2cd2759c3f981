//! Where a node listens.

mod address;
mod bind;
mod socket;

pub use address::{InvalidListen, Listen};
pub(crate) use bind::{bind, warn_of_missed_name};
pub(crate) use socket::{Stack, listen_on};
