//! Nodes that stop, in good order or not.

mod afterwards;
mod connections;
mod waiting;
