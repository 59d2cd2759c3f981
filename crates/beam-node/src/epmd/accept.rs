//! Accepting requests to EPMD, within bounds.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use beam_dist::epmd::{EpmdError, Request};
use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::client::{invalid, within};
use crate::{
    net::{TcpListener, TcpStream},
    strangers::{Place, Strangers},
};

/// What clients can make an EPMD hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Nodes that are registered at a time; further ones are refused.
    pub(super) registrations: usize,
    /// Connections per listening address that are no registrations; further ones take the places of
    /// the oldest. Clients from afar therefore cannot take the place of those of the machine.
    pub(super) requests: usize,
    /// How long such a connection may last.
    pub(super) request_time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            // Each holds a file descriptor of a process that has other work too.
            registrations: 1024,
            requests: 128,
            request_time: Duration::from_secs(5),
        }
    }
}

/// A connection, counted among the requests for as long as its place is held.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) client: SocketAddr,
    pub(super) place: Place,
}

/// How long to wait after the operating system refused to accept, for example for want of file
/// descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until told to stop, and starts a task for each.
pub(super) async fn accept<F>(
    listener: TcpListener,
    bounds: Bounds,
    tasks: TaskTracker,
    stop: CancellationToken,
    serve: impl Fn(Connection) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let strangers = Strangers::new(bounds.requests);
    let accept_all = async {
        loop {
            match listener.accept().await {
                Ok((stream, client)) => {
                    let served = serve(Connection {
                        stream,
                        client,
                        place: strangers.enter(client.ip()).await,
                    });
                    tasks.spawn(stop.clone().run_until_cancelled_owned(served));
                }
                Err(error) => {
                    tracing::warn!(%error, "epmd failed to accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    stop.run_until_cancelled(accept_all).await;
}

/// Deals with a request, unless it takes too long or the place is given to another connection.
pub(super) async fn answered<T>(
    place: &Place,
    bounds: Bounds,
    answer: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    tokio::select! {
        biased;
        answered = within(bounds.request_time, answer) => answered,
        () = place.evicted() => Err(io::Error::other("a newer connection took its place")),
    }
}

/// Reads the request of a connection. Its decoder bounds what is read.
pub(super) async fn read_request(stream: &mut TcpStream) -> io::Result<Request> {
    let mut received = BytesMut::new();
    loop {
        if stream.read_buf(&mut received).await? == 0 {
            return Err(invalid(EpmdError::Closed));
        }
        if let Some(request) = Request::decode(&received).map_err(invalid)? {
            return Ok(request);
        }
    }
}
