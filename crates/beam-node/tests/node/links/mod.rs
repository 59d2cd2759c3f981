//! The life of connections.

mod ending;
mod panics;
mod silence;
mod simultaneous;
