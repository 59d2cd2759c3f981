//! From the name of a node to an address that it can be dialled at.

mod attempts;
mod host;
mod resolver;

pub(crate) use attempts::{no_answer, try_each};
pub(crate) use host::{addresses, allowed_addresses};
pub(crate) use resolver::{Ports, Resolver};
