//! Load-balanced RPC for clusters of Erlang, Elixir and Rust nodes.
#![forbid(unsafe_code)]

pub mod algorithm;
pub mod members;

pub use algorithm::{Algorithm, PowerOfTwo, Random, RoundRobin, Selection};
pub use beam_dist::{InvalidNodeName, NodeName};
pub use beam_term::{Atom, Term};
pub use members::{Lease, Member, Outcome, Pool, Snapshot};
