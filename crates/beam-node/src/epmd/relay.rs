//! Answering for the EPMD of the machine at another of its addresses.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use beam_dist::epmd::{EpmdError, MAX_NAMES_RESPONSE_LEN, Request};
use tokio::io::AsyncWriteExt;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    accept::{Bounds, Connection, accept, answered, read_request},
    client::{connect_local, invalid, read_whole},
};
use crate::{
    listen::{Stack, listen_on},
    net::{TcpListener, TcpStream},
    seldom::Seldom,
};

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
    let warned = Arc::new(Seldom::default());
    accept(listener, bounds, tasks.clone(), stop, |connection| {
        serve(connection, Arc::clone(&warned), bounds)
    })
    .await;
    tasks.close();
    tasks.wait().await;
}

async fn serve(connection: Connection, warned: Arc<Seldom>, bounds: Bounds) {
    let Connection {
        mut stream,
        client,
        place,
    } = connection;
    if let Err(error) = answered(&place, bounds, pass_on(&mut stream, &warned)).await {
        tracing::debug!(%client, %error, "epmd closed a connection");
    }
}

async fn pass_on(stream: &mut TcpStream, warned: &Seldom) -> io::Result<()> {
    let request = read_request(stream).await?;
    if let Request::Alive2(registration) = &request {
        if let Some(left_out) = warned.now() {
            tracing::warn!(node = %registration.name, left_out, "epmd refused a node that did not register on loopback");
        }
        return Err(invalid(EpmdError::RemoteRegistration));
    }

    let mut epmd = connect_local(stream.local_addr()?.port()).await?;
    epmd.write_all(&request.encode()).await?;
    let response = read_whole(&mut epmd, MAX_NAMES_RESPONSE_LEN).await?;
    stream.write_all(&response).await?;
    stream.shutdown().await
}
