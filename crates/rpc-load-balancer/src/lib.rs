//! Load-balanced RPC for clusters of Erlang, Elixir and Rust nodes.
#![forbid(unsafe_code)]
