//! A node of an Erlang cluster: links, names, monitors, process groups, calls and exports.
#![forbid(unsafe_code)]

mod limits;

pub use limits::Limits;
