//! What nodes make of a network that loses packets, is cut and heals, of peers that are started anew
//! meanwhile, and of an EPMD that is. Each node has a process and a host of its own.
//!
//! Cuts that last longer than the default net tick time are no tests but a program: `cargo run -p
//! interop -- outages`.

#![allow(clippy::unwrap_used)]

mod bad;
mod cut;
mod epmd;
mod flapping;
mod incarnations;
mod ipv6;
mod site;
