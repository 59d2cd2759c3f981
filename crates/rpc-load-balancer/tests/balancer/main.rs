//! Balancers of several nodes in one process.
#![allow(clippy::unwrap_used)]

mod calls;
mod drain;
mod health;
mod idempotent;
mod least_cpu;
mod members;
mod multicall;
mod overload;
mod published;
mod random_node;
mod room;
mod routes;
mod spans;
mod support;
#[cfg(feature = "metrics")]
mod telemetry;
