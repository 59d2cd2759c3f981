//! Nodes of this crate among themselves, through their public interface.
#![allow(clippy::unwrap_used)]

mod calls;
mod connections;
mod groups;
mod limits;
mod protocol;
mod published;
mod shutdown;
mod support;
