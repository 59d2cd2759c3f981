//! Nodes of Rust and of OTP in one cluster, on each release: who is in which group, who finds whom,
//! what OTP's `global` makes of it, and what is left of it when nodes and networks fail.
//!
//! No cluster has two releases: the scopes of OTP 25 and 29 do not bear each other.

#![allow(clippy::unwrap_used)]

mod discovery;
mod features;
mod global;
mod groups;
mod members;
mod mesh;
mod nodes;
mod partition;
mod published;
mod restart;
