//! Nodes, through the public API: with each other, and with peers that are made by hand.
#![allow(clippy::unwrap_used)]

mod calls;
mod limits;
mod links;
mod protocol;
mod support;
