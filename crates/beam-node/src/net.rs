//! Where sockets and addresses come from: the operating system, or, in a build with
//! `--cfg rlb_simulation`, a network that a simulation makes up.

#[cfg(rlb_simulation)]
pub mod simulated;

#[cfg(not(rlb_simulation))]
pub(crate) use tokio::net::{TcpListener, TcpStream, lookup_host};

#[cfg(rlb_simulation)]
pub(crate) use simulated::{TcpListener, TcpStream, lookup_host};
