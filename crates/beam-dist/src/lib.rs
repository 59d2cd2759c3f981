//! The Erlang distribution protocol without I/O: EPMD, handshake, frames and control messages.
#![forbid(unsafe_code)]
