//! A node of Rust and nodes of OTP, connected to each other, on each release.
//!
//! Every test takes the Rust node through it twice, hidden and visible.

#![allow(clippy::unwrap_used)]

mod allowed;
mod authority;
mod calls_from_otp;
mod calls_to_otp;
mod cluster;
mod connect;
mod elixir;
mod hosts;
mod large;
mod output;
mod ports;
mod processes;
mod tls;
