//! The Erlang distribution protocol without I/O: EPMD, handshake, frames and control messages.
#![forbid(unsafe_code)]

pub mod control;
mod cookie;
mod creation;
pub mod epmd;
mod flags;
pub mod frame;
pub mod handshake;
mod message;
mod node_name;
pub mod tick;

pub use cookie::{Cookie, InvalidCookie};
pub use creation::Creation;
pub use flags::Flags;
pub use message::Message;
pub use node_name::{InvalidNodeName, NodeName};
