//! A node of an Erlang cluster: links, names, monitors, process groups, calls and exports.
#![forbid(unsafe_code)]

mod connect;
#[allow(dead_code, unused_imports)] // What the node takes from here.
mod cookie;
#[allow(dead_code, unused_imports)] // What the driver of the scope takes from here.
mod group;
mod limits;

pub use connect::{ConnectError, IoError};
pub use group::{Member, Members};
pub use limits::Limits;
