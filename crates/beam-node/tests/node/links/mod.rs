//! The life of connections.

mod ending;
mod panics;
mod simultaneous;
