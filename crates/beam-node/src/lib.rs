//! A node of an Erlang cluster: links, names, monitors, process groups, calls and exports.
#![forbid(unsafe_code)]

#[allow(dead_code, unused_imports)] // What the node takes from here.
mod backoff;
mod connect;
#[allow(dead_code, unused_imports)] // What the node takes from here.
mod cookie;
#[allow(dead_code, unused_imports)] // What the node takes from here.
mod epmd;
#[allow(dead_code, unused_imports)] // What the driver of the scope takes from here.
mod group;
mod limits;
#[allow(dead_code, unused_imports)] // What the node takes from here.
mod listen;
#[allow(dead_code, unused_imports)] // What the node takes from here.
mod resolve;

pub use connect::{ConnectError, IoError};
pub use epmd::{Epmd, EpmdServer};
pub use group::{Member, Members};
pub use limits::Limits;
pub use listen::{InvalidListen, Listen};
