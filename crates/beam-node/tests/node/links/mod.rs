//! The life of connections.

mod ending;
mod simultaneous;
