//! EPMD, which knows the port of every node on a host: asking one, being registered with one, and
//! being one.
//!
//! See "EPMD Protocol" in the chapter "Distribution Protocol" of the ERTS reference.

mod accept;
mod client;
mod mode;
mod registrar;
mod relay;
mod server;
mod silent;
#[cfg(test)]
mod tests;

pub(crate) use client::{lookup, names};
pub use mode::Epmd;
pub(crate) use mode::port;
pub(crate) use registrar::Registrar;
pub use server::EpmdServer;
pub(crate) use silent::SilentEpmd;
