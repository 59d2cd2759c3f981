//! Nodes, through the public API: with each other, and with peers that are made by hand.
#![allow(clippy::unwrap_used)]

mod allowed;
mod calls;
mod connections;
mod discovery;
mod groups;
mod limits;
mod links;
mod mailboxes;
mod output;
mod protocol;
mod published;
mod secrets;
mod shutdown;
mod support;
mod tls;
