//! The life of connections.

mod ending;
