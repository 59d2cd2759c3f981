//! Nodes that stop, in good order or not.

mod afterwards;
mod calls;
mod connections;
mod dropped;
mod handlers;
mod linger;
mod membership;
mod waiting;
