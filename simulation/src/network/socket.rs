//! Sockets of simulated hosts.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use beam_node::network::{Accepted, Connection, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    Net,
    connection::{ConnectionId, Side},
};
use crate::clock::{self, HostId};

/// A socket that listens.
pub(super) struct Listening {
    net: Net,
    host: HostId,
    address: SocketAddr,
}

impl Listening {
    pub(super) fn new(net: Net, address: SocketAddr) -> Self {
        Self {
            net,
            host: clock::host(),
            address,
        }
    }
}

impl Listener for Listening {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn poll_accept(&self, task: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let accepted = self.net.state().poll_accept(self.host, self.address, task);
        accepted.map(|(id, from)| {
            let stream = Stream::new(self.net.clone(), id, Side::Server)?;
            Ok((Box::new(stream) as Box<dyn Connection>, from))
        })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.net.state().stop_listening(self.host, self.address);
    }
}

impl std::fmt::Debug for Listening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "listener at {}", self.address)
    }
}

/// A connection that is being made.
pub(super) struct Attempt {
    net: Net,
    id: ConnectionId,
    is_made: bool,
}

impl Attempt {
    pub(super) fn new(net: Net, id: ConnectionId) -> Self {
        let is_made = false;
        Self { net, id, is_made }
    }
}

impl Future for Attempt {
    type Output = io::Result<Box<dyn Connection>>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let connected = self.net.state().poll_connected(self.id, task);
        connected.map(|connected| {
            connected?;
            self.is_made = true;
            let stream = Stream::new(self.net.clone(), self.id, Side::Client)?;
            Ok(Box::new(stream) as Box<dyn Connection>)
        })
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.is_made {
            self.net.state().drop_end(self.id, Side::Client);
        }
    }
}

/// One end of a connection.
struct Stream {
    net: Net,
    id: ConnectionId,
    side: Side,
    address: SocketAddr,
}

impl Stream {
    fn new(net: Net, id: ConnectionId, side: Side) -> io::Result<Self> {
        let address = net.state().address(id, side)?;
        Ok(Self {
            net,
            id,
            side,
            address,
        })
    }
}

impl Connection for Stream {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn poll_unread(&self, task: &mut Context<'_>) -> Poll<()> {
        self.net.state().poll_unread(self.id, self.side, task)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let most = buffer.remaining();
        let read = self.net.state().poll_read(self.id, self.side, most, task);
        read.map_ok(|bytes| buffer.put_slice(&bytes))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.net.state().poll_write(self.id, self.side, bytes, task)
    }

    fn poll_flush(self: Pin<&mut Self>, _task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.net.state().finish(self.id, self.side))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.net.state().drop_end(self.id, self.side);
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "connection {} at {}", self.id, self.address)
    }
}
