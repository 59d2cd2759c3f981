//! A network that is made up by whoever simulates one. Only in builds with `--cfg rlb_simulation`.
//!
//! A program that simulates a cluster [enters](enter) its network on the threads that it runs nodes
//! on. The nodes then take their sockets and addresses from there, and none from the operating
//! system. Which of the simulated hosts a node runs on is for the network to know.

use std::{
    cell::RefCell,
    fmt,
    future::{Future, poll_fn},
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A simulated network, as the host sees it that runs at the moment.
pub trait Network: Send + Sync {
    /// Listens on an address of this host; port 0 is any that is free.
    ///
    /// # Errors
    ///
    /// As the operating system's: the port is taken, or the address is none of this host.
    fn listen(&self, address: SocketAddr) -> io::Result<Box<dyn Listener>>;

    /// Connects to an address of any host.
    fn connect(&self, address: SocketAddr) -> Connecting;

    /// The addresses of a host.
    ///
    /// # Errors
    ///
    /// When there is no such host.
    fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// A connection that is being made. Dropping it gives it up.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn Connection>>> + Send>>;

/// A simulated socket that listens, until it is dropped.
pub trait Listener: fmt::Debug + Send + Sync {
    /// Where it listens.
    fn address(&self) -> SocketAddr;

    /// Takes the next connection, with the address that it comes from.
    fn poll_accept(&self, task: &mut Context<'_>) -> Poll<io::Result<Accepted>>;
}

/// A connection that was accepted, and where it comes from.
pub type Accepted = (Box<dyn Connection>, SocketAddr);

/// A simulated connection, until it is dropped.
pub trait Connection: AsyncRead + AsyncWrite + fmt::Debug + Send + Sync + Unpin {
    /// This end's own address.
    fn address(&self) -> SocketAddr;

    /// Waits until something has come that was not read. Where it is left out, nothing ever has.
    fn poll_unread(&self, _task: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// Has nodes that run on this thread use a network, in place of the one that they used so far.
pub fn enter(network: Arc<dyn Network>) {
    NETWORK.set(Some(network));
}

/// Has nodes that run on this thread use no network any more, until one is entered again. The one that
/// they used is not kept alive from here.
pub fn leave() {
    NETWORK.set(None);
}

thread_local! {
    static NETWORK: RefCell<Option<Arc<dyn Network>>> = const { RefCell::new(None) };
}

fn network() -> io::Result<Arc<dyn Network>> {
    let network = NETWORK.with_borrow(Option::clone);
    network.ok_or_else(|| io::Error::other("no simulated network on this thread"))
}

/// Stands for [`tokio::net::TcpStream`].
#[derive(Debug)]
pub(crate) struct TcpStream(Box<dyn Connection>);

impl TcpStream {
    pub(crate) async fn connect(address: impl Into<SocketAddr>) -> io::Result<Self> {
        let connecting = network()?.connect(address.into());
        connecting.await.map(Self)
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.address())
    }

    /// Tells of one byte at the most, and not which.
    pub(crate) fn poll_peek(
        &self,
        task: &mut Context<'_>,
        _buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        self.0.poll_unread(task).map(|()| Ok(1))
    }

    pub(crate) fn set_nodelay(&self, _nodelay: bool) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(task, buffer)
    }
}

impl AsyncWrite for TcpStream {
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

/// Stands for [`tokio::net::TcpListener`].
#[derive(Debug)]
pub(crate) struct TcpListener(Box<dyn Listener>);

impl TcpListener {
    pub(crate) fn listen(address: SocketAddr) -> io::Result<Self> {
        network()?.listen(address).map(Self)
    }

    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (connection, from) = poll_fn(|task| self.0.poll_accept(task)).await?;
        Ok((TcpStream(connection), from))
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.0.address())
    }
}

/// Stands for [`tokio::net::lookup_host`].
pub(crate) async fn lookup_host(
    (host, port): (&str, u16),
) -> io::Result<impl Iterator<Item = SocketAddr>> {
    let addresses = match host.parse() {
        Ok(address) => vec![address],
        Err(_name) => network()?.lookup(host)?,
    };
    Ok(addresses
        .into_iter()
        .map(move |ip| SocketAddr::new(ip, port)))
}
