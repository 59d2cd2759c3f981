//! EPMD over real sockets, on ports of each test's own.

mod client;
mod registrar;
mod relay;
mod server;

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    time::Duration,
};

use beam_dist::{
    NodeName,
    epmd::{NodeKind, Registration, Request},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::{
    allow::AllowedPeers,
    connect::{ConnectError, Progress},
};

/// How long anything may take that is to happen. Tests that pass do not wait for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ports below those that the system hands out by itself, so that nobody else takes one meanwhile.
const PORTS: std::ops::Range<u16> = 10_240..32_768;

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

async fn lookup(
    node: &NodeName,
    port: u16,
    allowed: &AllowedPeers,
    deadline: Instant,
) -> Result<Vec<SocketAddr>, ConnectError> {
    super::lookup(node, port, allowed, deadline, &Progress::default()).await
}

fn everybody() -> AllowedPeers {
    AllowedPeers::default()
}

/// A port that nobody listens on at either loopback address.
fn free_port() -> u16 {
    let is_free = |port: &u16| {
        TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
            && !matches!(
                TcpListener::bind((Ipv6Addr::LOCALHOST, *port)),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse
            )
    };
    std::iter::repeat_with(|| fastrand::u16(PORTS))
        .find(is_free)
        .unwrap()
}

/// Waits until every task that had something to do has done it.
async fn settle() {
    let listener = tokio::net::TcpListener::bind(local(0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    for _ in 0..4 {
        let (connected, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        drop((connected.unwrap(), accepted.unwrap()));
    }
}

/// Lets this much time pass for all timers.
async fn skip(duration: Duration) {
    tokio::time::pause();
    tokio::time::advance(duration).await;
    tokio::time::resume();
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn node(alive: &str, port: u16) -> Registration {
    Registration::new(alive.parse().unwrap(), port, NodeKind::Visible)
}

/// Sends bytes, and reads up to where the other side closes the connection.
async fn converse(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let talk = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The other side may close without reading everything.
        let _ = stream.write_all(bytes).await;
        let mut received = Vec::new();
        let _ = stream.read_to_end(&mut received).await;
        received
    };
    timeout(PATIENCE, talk).await.unwrap()
}

/// Registers by hand; the registration lasts as long as the connection.
async fn register(address: SocketAddr, alive: &str, port: u16) -> (TcpStream, [u8; 6]) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = Request::Alive2(node(alive, port)).encode();
    stream.write_all(&request).await.unwrap();
    let mut response = [0; 6];
    timeout(PATIENCE, stream.read_exact(&mut response))
        .await
        .unwrap()
        .unwrap();
    (stream, response)
}

/// Waits until the other side closes the connection.
async fn closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .unwrap();
}

/// The names that the EPMD at this address knows, once `holds` is true of them.
async fn names_until(address: SocketAddr, holds: impl Fn(&[String]) -> bool) -> Vec<String> {
    let until = soon();
    loop {
        let names = names(address).await;
        if holds(&names) {
            return names;
        }
        assert!(Instant::now() < until, "still registered: {names:?}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// The names that the EPMD at this address knows; none if there is no EPMD.
async fn names(address: SocketAddr) -> Vec<String> {
    let host = address.ip().to_string();
    match super::names(&host, address.port(), &everybody(), soon()).await {
        Ok(names) => names.iter().map(ToString::to_string).collect(),
        Err(_) => Vec::new(),
    }
}
