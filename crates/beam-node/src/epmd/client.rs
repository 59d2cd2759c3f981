//! Asking EPMD.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use beam_dist::{
    Creation, NodeName,
    epmd::{
        Alive2Response, AliveName, EpmdError, MAX_NAMES_RESPONSE_LEN, NamesResponse, Port2Response,
        Registration, Request,
    },
};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use crate::{
    allow::AllowedPeers,
    connect::{ConnectError, Progress, WaitingFor},
    net::TcpStream,
    resolve::{allowed_addresses, no_answer, try_each},
};

/// The most names that an error shows of those that are registered.
const NAMES_SHOWN: usize = 8;

/// How long an EPMD of this machine may take to answer.
pub(super) const LOCAL_PATIENCE: Duration = Duration::from_secs(5);

/// Asks the EPMD of a node's host where the node listens, at addresses that are allowed.
///
/// Gives the addresses to dial in the order in which to try them: the one where EPMD answered
/// first, then the others of the host. The first EPMD to answer decides.
pub(crate) async fn lookup(
    node: &NodeName,
    epmd_port: u16,
    allowed: &AllowedPeers,
    deadline: Instant,
    progress: &Progress,
) -> Result<Vec<SocketAddr>, ConnectError> {
    let host = node.host().to_owned();
    progress.waits_for(WaitingFor::Host(host.clone()));
    let mut addresses = allowed_addresses(deadline, node.host(), epmd_port, allowed, node).await?;
    progress.waits_for(WaitingFor::Epmd {
        host,
        port: epmd_port,
    });
    let request = Request::PortPlease2(AliveName::from(node)).encode();
    let (answered, response) = try_each(&addresses, deadline, |address| {
        ask(address, request.clone(), Port2Response::decode)
    })
    .await
    .map_err(|(_, error)| no_epmd(node.host(), epmd_port, error))?;

    let Port2Response::Found(registration) = response else {
        return Err(not_registered(node, answered, deadline).await);
    };
    if !registration.is_compatible() {
        return Err(ConnectError::OldVersion {
            node: node.clone(),
            lowest: registration.lowest_version,
            highest: registration.highest_version,
        });
    }
    addresses.retain(|&address| address != answered);
    addresses.insert(0, answered);
    for address in &mut addresses {
        address.set_port(registration.port);
    }
    Ok(addresses)
}

/// Asks the EPMD of a host for all nodes there, at addresses that are allowed.
pub(crate) async fn names(
    host: &str,
    epmd_port: u16,
    allowed: &AllowedPeers,
    deadline: Instant,
) -> Result<Vec<AliveName>, ConnectError> {
    let addresses = allowed_addresses(deadline, host, epmd_port, allowed, &host).await?;
    try_each(&addresses, deadline, names_at)
        .await
        .map(|(_, names)| names)
        .map_err(|(_, error)| no_epmd(host, epmd_port, error))
}

/// Connects to the EPMD of this machine.
pub(super) async fn connect_local(epmd_port: u16) -> io::Result<TcpStream> {
    match TcpStream::connect((Ipv4Addr::LOCALHOST, epmd_port)).await {
        Ok(stream) => Ok(stream),
        // Most machines have both, and most EPMDs: the first says more about why nobody answers.
        Err(error) => TcpStream::connect((Ipv6Addr::LOCALHOST, epmd_port))
            .await
            .map_err(|_| error),
    }
}

/// Registers a node with EPMD, for as long as the connection lasts; `None` if EPMD refuses.
pub(super) async fn register(
    stream: &mut TcpStream,
    registration: &Registration,
) -> io::Result<Option<Creation>> {
    let request = Request::Alive2(registration.clone()).encode();
    let exchange = exchange(stream, request, Alive2Response::decode);
    match within(LOCAL_PATIENCE, exchange).await? {
        Alive2Response::Registered(creation) => Ok(Some(creation)),
        Alive2Response::Refused => Ok(None),
    }
}

/// Gives a future some time.
pub(super) async fn within<T>(
    patience: Duration,
    future: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match timeout(patience, future).await {
        Ok(result) => result,
        Err(_elapsed) => Err(no_answer(patience)),
    }
}

/// Reads up to where EPMD closes the connection, at most `max_len` bytes.
pub(super) async fn read_whole(stream: &mut TcpStream, max_len: usize) -> io::Result<Vec<u8>> {
    let mut received = Vec::new();
    let limit = max_len as u64 + 1;
    stream.take(limit).read_to_end(&mut received).await?;
    if received.len() > max_len {
        let len = received.len();
        return Err(invalid(EpmdError::TooLong { len, max: max_len }));
    }
    Ok(received)
}

/// The error of bytes that are not what the protocol has in their place.
pub(super) fn invalid(error: EpmdError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

async fn ask<T>(
    address: SocketAddr,
    request: Bytes,
    decode: impl Fn(&[u8]) -> Result<Option<T>, EpmdError>,
) -> io::Result<T> {
    let mut stream = TcpStream::connect(address).await?;
    exchange(&mut stream, request, decode).await
}

/// Sends a request and reads until its response is there. The decoder bounds what is read.
async fn exchange<T>(
    stream: &mut TcpStream,
    request: Bytes,
    decode: impl Fn(&[u8]) -> Result<Option<T>, EpmdError>,
) -> io::Result<T> {
    stream.write_all(&request).await?;
    let mut received = BytesMut::new();
    loop {
        if stream.read_buf(&mut received).await? == 0 {
            return Err(invalid(EpmdError::Closed));
        }
        if let Some(response) = decode(&received).map_err(invalid)? {
            return Ok(response);
        }
    }
}

async fn names_at(address: SocketAddr) -> io::Result<Vec<AliveName>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&Request::Names.encode()).await?;
    let received = read_whole(&mut stream, MAX_NAMES_RESPONSE_LEN).await?;
    let response = NamesResponse::decode(&received).map_err(invalid)?;
    Ok(response.nodes.into_iter().map(|(name, _)| name).collect())
}

fn no_epmd(host: &str, port: u16, error: io::Error) -> ConnectError {
    ConnectError::NoEpmd {
        host: host.to_owned(),
        port,
        error: error.into(),
    }
}

/// The error for a node that EPMD does not know, with those that it does if it says so in time.
async fn not_registered(node: &NodeName, epmd: SocketAddr, deadline: Instant) -> ConnectError {
    let names = try_each(&[epmd], deadline, names_at).await;
    let mut registered = names.map(|(_, names)| names).unwrap_or_default();
    let more = registered.len().saturating_sub(NAMES_SHOWN);
    registered.truncate(NAMES_SHOWN);

    ConnectError::NotRegistered {
        node: node.clone(),
        registered,
        more,
    }
}
