//! The life of connections.

mod ending;
mod panics;
mod renewal;
mod silence;
mod simultaneous;
