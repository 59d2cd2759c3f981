//! Calls into clusters of Erlang, Elixir and Rust nodes from a shell.
#![forbid(unsafe_code)]

fn main() {}
