//! An EPMD of one's own.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use beam_dist::{
    Creation,
    epmd::{Origin, Registered, Registry, Request},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{
    accept::{Bounds, Connection, accept, answered, read_request},
    client::invalid,
};
use crate::{
    listen::{Stack, listen_on},
    net::{TcpListener, TcpStream},
    seldom::Seldom,
};

/// An EPMD, the Erlang port mapper daemon, that runs inside this process.
///
/// Nodes of any kind on this machine can register with it, and everybody who reaches one of its
/// addresses can look them up. It needs nothing from an Erlang installation. A node whose
/// [`Epmd`](crate::Epmd) mode is `Auto` starts one by itself where none answers.
///
/// It takes registrations from loopback addresses only, and does not carry out the requests with
/// which `epmd -kill` and `epmd -stop` could take nodes from the cluster. It holds 1,024
/// registrations, each for as long as its connection lasts, and serves 128 other connections at a
/// time per address, each for 5 seconds at most; further ones take the places of the oldest.
///
/// It stops when it is dropped, and every registration with it. Nodes then register again with the
/// next EPMD on the port: those of OTP within some seconds, those of this crate within two.
///
/// ```
/// use beam_node::EpmdServer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let epmd = EpmdServer::bind(0, [])?;
/// println!("start nodes with ERL_EPMD_PORT={}", epmd.port());
/// epmd.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct EpmdServer {
    addresses: Vec<SocketAddr>,
    tasks: TaskTracker,
    stop: DropGuard,
}

impl EpmdServer {
    /// Serves EPMD at this port of 127.0.0.1, of ::1 if the machine has IPv6, and of further
    /// addresses, from which others can look nodes up.
    ///
    /// Port 0 stands for any port that is free on all of them.
    ///
    /// # Errors
    ///
    /// When the port is taken on one of the addresses ([`io::ErrorKind::AddrInUse`], most often by
    /// another EPMD), or an address is none of this machine's.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn bind(port: u16, further: impl IntoIterator<Item = IpAddr>) -> io::Result<Self> {
        Self::bind_bounded(port, further, Bounds::default())
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.addresses.first().map_or(0, SocketAddr::port)
    }

    /// The addresses that it listens on, 127.0.0.1 first.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops, and waits until the port is free and all connections are closed.
    ///
    /// # Cancellation safety
    ///
    /// It stops all the same when the future is dropped.
    pub async fn shutdown(self) {
        drop(self.stop);
        self.tasks.wait().await;
    }

    pub(super) fn bind_bounded(
        port: u16,
        further: impl IntoIterator<Item = IpAddr>,
        bounds: Bounds,
    ) -> io::Result<Self> {
        let first = Creation::random().map_err(io::Error::other)?;
        let listeners = listen_on_all(port, &addresses(further))?;
        let addresses = listeners
            .iter()
            .map(TcpListener::local_addr)
            .collect::<io::Result<_>>()?;

        let registry = Registry::with_capacity(first, bounds.registrations);
        let registry = Arc::new(Mutex::new(registry));
        let warned = Arc::new(Warned::default());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        for listener in listeners {
            let (registry, warned) = (Arc::clone(&registry), Arc::clone(&warned));
            let serve = move |connection| {
                let (registry, warned) = (Arc::clone(&registry), Arc::clone(&warned));
                serve(connection, registry, warned, bounds)
            };
            tasks.spawn(accept(listener, bounds, tasks.clone(), stop.clone(), serve));
        }
        tasks.close();

        Ok(Self {
            addresses,
            tasks,
            stop: stop.drop_guard(),
        })
    }
}

/// How often another port is tried when the first one was free on one address only.
const ANY_PORT_ATTEMPTS: usize = 16;

/// What is warned of, seldom. Others than those of this machine can cause the first only.
#[derive(Debug, Default)]
struct Warned {
    /// Requests that are refused, whatever name they are about.
    requests: Seldom,
    /// Names that are taken, and those for which there is no room.
    names: Seldom,
}

/// A registration that ends when this is dropped.
#[derive(Debug)]
struct Entry {
    registry: Arc<Mutex<Registry>>,
    registered: Option<Registered>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(registered) = self.registered.take() {
            tracing::debug!(node = %registered.name(), "a node is no longer registered");
            lock(&self.registry).unregister(registered);
        }
    }
}

async fn serve(
    connection: Connection,
    registry: Arc<Mutex<Registry>>,
    warned: Arc<Warned>,
    bounds: Bounds,
) {
    let Connection {
        mut stream,
        client,
        place,
    } = connection;
    // What waits for it would hold it several times over otherwise, for as long as a registration.
    let answer = Box::pin(answer(&mut stream, client, registry, &warned));
    match answered(&place, bounds, answer).await {
        Ok(None) => {}
        Ok(Some(_entry)) => {
            drop(place);
            // Nothing is to come any more: whatever does, ends the registration.
            let _ = stream.read_u8().await;
        }
        Err(error) => tracing::debug!(%client, %error, "epmd closed a connection"),
    }
}

/// Answers the request of a connection; gives the entry if the connection became a registration.
async fn answer(
    stream: &mut TcpStream,
    client: SocketAddr,
    registry: Arc<Mutex<Registry>>,
    warned: &Warned,
) -> io::Result<Option<Entry>> {
    let request = read_request(stream).await?;
    let epmd_port = stream.local_addr()?.port();
    let registers = match &request {
        Request::Alive2(registration) => Some(registration.name.clone()),
        _ => None,
    };

    let answer = lock(&registry).answer(request, origin(client), epmd_port);
    let answer = answer.map_err(|error| {
        if let Some(left_out) = warned.requests.now() {
            tracing::warn!(%client, %error, left_out, "epmd refused");
        }
        invalid(error)
    })?;
    // Made before anything is awaited, so that no registration outlives its connection.
    let entry = answer.registered.map(|registered| Entry {
        registry,
        registered: Some(registered),
    });
    match (&entry, registers) {
        (Some(_), Some(node)) => tracing::debug!(%node, "a node is registered"),
        (None, Some(node)) => {
            if let Some(left_out) = warned.names.now() {
                tracing::warn!(%node, left_out, "epmd refused a node: its name is taken, or there is no room");
            }
        }
        (_, None) => {}
    }

    stream.write_all(&answer.response).await?;
    if entry.is_none() {
        stream.shutdown().await?;
    }
    Ok(entry)
}

/// Where a client is. That it reached one of the machine's own addresses from that same address
/// would make it local too, but a node has no reason to register in this way.
fn origin(client: SocketAddr) -> Origin {
    match client.ip().to_canonical().is_loopback() {
        true => Origin::Local,
        false => Origin::Remote,
    }
}

/// Every critical section is one look-up or one change of a map.
fn lock(registry: &Mutex<Registry>) -> MutexGuard<'_, Registry> {
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The addresses to listen on: no two of them overlap.
fn addresses(further: impl IntoIterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut addresses = vec![
        IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    ];
    for address in further {
        if address.is_unspecified() {
            // It stands for all addresses of its version.
            addresses.retain(|other| other.is_ipv4() != address.is_ipv4());
        }
        let is_covered = addresses.iter().any(|other| {
            *other == address || other.is_unspecified() && other.is_ipv4() == address.is_ipv4()
        });
        if !is_covered {
            addresses.push(address);
        }
    }
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses
}

fn listen_on_all(port: u16, addresses: &[IpAddr]) -> io::Result<Vec<TcpListener>> {
    let mut attempts = if port == 0 { ANY_PORT_ATTEMPTS } else { 1 };
    loop {
        attempts -= 1;
        match listen_on_port(port, addresses) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts > 0 => {}
            result => return result,
        }
    }
}

fn listen_on_port(mut port: u16, addresses: &[IpAddr]) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for &ip in addresses {
        let address = SocketAddr::new(ip, port);
        match listen_on(address, Stack::Single) {
            Ok(listener) => {
                port = listener.local_addr()?.port();
                listeners.push(listener);
            }
            Err(error) if ip == Ipv6Addr::LOCALHOST && error.kind() != io::ErrorKind::AddrInUse => {
                tracing::debug!(%error, "epmd serves IPv4 only");
            }
            Err(error) => {
                let message = format!("cannot serve epmd at {address}: {error}");
                return Err(io::Error::new(error.kind(), message));
            }
        }
    }
    Ok(listeners)
}

#[cfg(test)]
mod tests {
    use beam_dist::epmd::{NodeKind, Registration};

    use super::*;

    #[test]
    fn only_clients_on_a_loopback_address_are_local() {
        for (client, expected) in [
            ("127.0.0.1:1", Origin::Local),
            ("127.0.1.1:1", Origin::Local),
            ("[::1]:1", Origin::Local),
            ("[::ffff:127.0.0.1]:1", Origin::Local),
            ("10.0.0.7:1", Origin::Remote),
            ("0.0.0.0:1", Origin::Remote),
            ("[::]:1", Origin::Remote),
            ("[fe80::1]:1", Origin::Remote),
            ("[::ffff:10.0.0.7]:1", Origin::Remote),
        ] {
            assert_eq!(origin(client.parse().unwrap()), expected, "{client}");
        }
    }

    #[tokio::test]
    async fn those_of_other_machines_hide_no_name_that_is_taken() {
        let registry = Registry::with_capacity(Creation::MIN, 1);
        let (registry, warned) = (Arc::new(Mutex::new(registry)), Warned::default());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let at = listener.local_addr().unwrap();
        let shop = Registration::new("shop".parse().unwrap(), 9100, NodeKind::Visible);
        let request = Request::Alive2(shop).encode();
        let register = async |client: &str| {
            let mut node = TcpStream::connect(at).await.unwrap();
            node.write_all(&request).await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let client = client.parse().unwrap();
            answer(&mut stream, client, Arc::clone(&registry), &warned).await
        };

        let _entry = register("127.0.0.1:1").await.unwrap().unwrap();
        for _ in 0..3 {
            register("10.0.0.7:1").await.unwrap_err();
        }
        // Nobody was warned of a name yet.
        assert_eq!(warned.names.now(), Some(0));
        assert!(register("127.0.0.1:1").await.unwrap().is_none());
    }

    #[test]
    fn addresses_that_overlap_are_listened_on_once() {
        for (further, expected) in [
            (&[][..], &["127.0.0.1", "::1"][..]),
            (&["127.0.0.1", "::1"], &["127.0.0.1", "::1"]),
            (&["10.0.0.7", "10.0.0.7"], &["127.0.0.1", "10.0.0.7", "::1"]),
            (&["10.0.0.7", "0.0.0.0"], &["0.0.0.0", "::1"]),
            (&["::", "fd00::2"], &["127.0.0.1", "::"]),
            (&["0.0.0.0", "::", "10.0.0.7"], &["0.0.0.0", "::"]),
        ] {
            let parse = |text: &&str| text.parse::<IpAddr>().unwrap();
            let expected: Vec<_> = expected.iter().map(parse).collect();
            assert_eq!(addresses(further.iter().map(parse)), expected);
        }
    }
}
