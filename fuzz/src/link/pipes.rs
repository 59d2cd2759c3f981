//! The network of the node: pipes in memory, whose other ends are the peer's.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use beam_node::network::{Accepted, Connecting, Connection, Listener, Network};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

/// Where the peer listens, and whence it connects.
pub(super) const PEER: SocketAddr = address(2);

/// Where the node listens.
const NODE: SocketAddr = address(1);

/// How many bytes are on their way at most, in each direction.
const PIPE_BYTES: usize = 8 * 1024;

#[derive(Clone, Default)]
pub(super) struct Pipes(Arc<Mutex<Ends>>);

#[derive(Default)]
struct Ends {
    to_node: Option<UnboundedSender<Accepted>>,
    dialled: Vec<DuplexStream>,
    peer_listens: bool,
}

impl Pipes {
    /// Connects the peer to the node.
    pub(super) fn dial(&self) -> Option<DuplexStream> {
        let (own, other) = duplex(PIPE_BYTES);
        let accepted: Accepted = (Box::new(Pipe(other)), PEER);
        self.ends().to_node.as_ref()?.send(accepted).ok()?;
        Some(own)
    }

    /// Takes the next connection that the node has made.
    pub(super) fn accept(&self) -> Option<DuplexStream> {
        self.ends().dialled.pop()
    }

    /// Whether the peer listens. What has come and was not accepted is closed when it does not.
    pub(super) fn listen(&self, listens: bool) {
        let mut ends = self.ends();
        ends.peer_listens = listens;
        if !listens {
            ends.dialled.clear();
        }
    }

    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Network for Pipes {
    fn listen(&self, _address: SocketAddr) -> io::Result<Box<dyn Listener>> {
        let (sender, receiver) = unbounded_channel();
        self.ends().to_node = Some(sender);
        Ok(Box::new(Listening(Mutex::new(receiver))))
    }

    fn connect(&self, address: SocketAddr) -> Connecting {
        let mut ends = self.ends();
        if address != PEER || !ends.peer_listens {
            return Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) });
        }
        let (own, other) = duplex(PIPE_BYTES);
        ends.dialled.push(other);
        Box::pin(async { Ok(Box::new(Pipe(own)) as Box<dyn Connection>) })
    }

    fn lookup(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![NODE.ip()])
    }
}

#[derive(Debug)]
struct Listening(Mutex<UnboundedReceiver<Accepted>>);

impl Listener for Listening {
    fn address(&self) -> SocketAddr {
        NODE
    }

    fn poll_accept(&self, task: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let mut accepted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let accepted = accepted.poll_recv(task);
        accepted.map(|accepted| accepted.ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}

/// The node's end of a connection.
#[derive(Debug)]
struct Pipe(DuplexStream);

impl Connection for Pipe {
    fn address(&self) -> SocketAddr {
        NODE
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(task, buffer)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(task)
    }
}

const fn address(host: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, host)), 9_100)
}
