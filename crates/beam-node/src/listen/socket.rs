//! Sockets that listen.

use std::{io, net::SocketAddr};

#[cfg(not(rlb_simulation))]
use socket2::{Domain, Protocol, Socket, Type};

use crate::net::TcpListener;

/// How many connections the operating system keeps until they are accepted.
#[cfg(not(rlb_simulation))]
const BACKLOG: i32 = 1024;

/// Whether a socket on `::` takes IPv4 connections too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    /// It takes those of its own version only.
    Single,
    /// It takes both, where the system allows that.
    Dual,
}

/// Listens on an address.
///
/// # Panics
///
/// Outside of a tokio runtime.
#[cfg(not(rlb_simulation))]
pub(crate) fn listen_on(address: SocketAddr, stack: Stack) -> io::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // A system that has IPv6 only has nothing to choose from.
        let chosen = socket.set_only_v6(stack == Stack::Single);
        if stack == Stack::Single {
            chosen?;
        }
    }
    // A restarted node can have its port back at once, though old connections linger. On Windows
    // the same option would let two programs share a port.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

/// Listens on an address of a simulated network, which knows of one IP version only.
#[cfg(rlb_simulation)]
pub(crate) fn listen_on(address: SocketAddr, _stack: Stack) -> io::Result<TcpListener> {
    TcpListener::listen(address)
}
