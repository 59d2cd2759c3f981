//! The Erlang distribution protocol without I/O: EPMD, handshake, frames and control messages.
#![forbid(unsafe_code)]

#[allow(dead_code)] // What the handshake takes from here.
mod cookie;
#[allow(dead_code)] // What the handshake takes from here.
mod creation;
mod flags;
#[allow(dead_code)] // What the handshake takes from here.
mod node_name;

pub use cookie::{Cookie, InvalidCookie};
pub use creation::Creation;
pub use flags::Flags;
pub use node_name::{InvalidNodeName, NodeName};
