//! What the tests share: clusters of nodes, and peers that are made by hand.

mod authority;
mod cluster;
mod detour;
mod log;
mod raw_peer;
mod wait;

pub(crate) use authority::Authority;
pub(crate) use cluster::{COOKIE, Cluster, connect};
pub(crate) use detour::Detour;
pub(crate) use log::Warnings;
pub(crate) use raw_peer::{PROBE, RawPeer};
pub(crate) use wait::{PATIENCE, connect_failed, down, eventually, poll_once, refused, up, within};
