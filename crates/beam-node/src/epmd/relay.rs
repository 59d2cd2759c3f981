//! Answering for the EPMD of the machine at another of its addresses.

use std::{io, net::SocketAddr, time::Duration};

use beam_dist::epmd::{EpmdError, MAX_NAMES_RESPONSE_LEN, Request};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    accept::{Bounds, Connection, accept, read_request},
    client::{connect_local, invalid, read_whole, within},
};
use crate::listen::{Stack, listen_on};

/// How often to look whether an address that somebody answers at has become free.
pub(super) const RETRY: Duration = Duration::from_secs(4);

/// Passes look-ups at an address on to the EPMD that answers on loopback.
///
/// Which node serves EPMD on loopback is settled by a race, and it may be one that nobody is to
/// reach from afar. Each node that is to be reached answers for itself in this way, unless an EPMD
/// or another node does so at its address already: then this waits until it may take its place.
pub(super) async fn relay(address: SocketAddr, stop: CancellationToken) {
    let run = async {
        loop {
            match listen_on(address, Stack::Single) {
                Ok(listener) => return Some(listener),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    tokio::time::sleep(RETRY.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                }
                Err(error) => {
                    tracing::warn!(%address, %error, "epmd is not served at the address of this node: nodes of other machines may not find it");
                    return None;
                }
            }
        }
    };
    if let Some(Some(listener)) = stop.run_until_cancelled(run).await {
        serve_at(listener, stop, Bounds::default()).await;
    }
}

async fn serve_at(listener: TcpListener, stop: CancellationToken, bounds: Bounds) {
    let tasks = TaskTracker::new();
    accept(listener, bounds, tasks.clone(), stop, |connection| {
        serve(connection, bounds)
    })
    .await;
    tasks.close();
    tasks.wait().await;
}

async fn serve(connection: Connection, bounds: Bounds) {
    let Connection {
        mut stream,
        client,
        slot: _slot,
    } = connection;
    if let Err(error) = within(bounds.request_time, pass_on(&mut stream)).await {
        tracing::debug!(%client, %error, "epmd closed a connection");
    }
}

async fn pass_on(stream: &mut TcpStream) -> io::Result<()> {
    let request = read_request(stream).await?;
    if let Request::Alive2(registration) = &request {
        tracing::warn!(node = %registration.name, "epmd refused a node that did not register on loopback");
        return Err(invalid(EpmdError::RemoteRegistration));
    }

    let mut epmd = connect_local(stream.local_addr()?.port()).await?;
    epmd.write_all(&request.encode()).await?;
    let response = read_whole(&mut epmd, MAX_NAMES_RESPONSE_LEN).await?;
    stream.write_all(&response).await?;
    stream.shutdown().await
}
