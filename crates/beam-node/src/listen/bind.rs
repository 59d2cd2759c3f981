//! From what a user says to a socket that listens.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::RangeInclusive,
};

use beam_dist::NodeName;

use super::{Listen, Stack, listen_on};
use crate::{connect::IoError, net::TcpListener, resolve};

/// Listens as `listen` says for the node of this name; `None` if it says not to.
pub(crate) async fn bind(
    listen: &Listen,
    name: &NodeName,
) -> Result<Option<TcpListener>, ListenError> {
    let Listen::On { ip, ports } = listen else {
        return Ok(None);
    };
    if ports.is_empty() {
        return Err(ListenError::NoPorts(ports.clone()));
    }
    match ip {
        Some(ip) => bind_one(SocketAddr::new(*ip, 0), ports),
        None => bind_host(name.host(), ports).await,
    }
    .map(Some)
}

/// Why a node does not listen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ListenError {
    #[error(
        "the host {host} of this node's name does not resolve to an address ({error}): \
         correct the name, or say which address to listen on"
    )]
    HostUnresolved { host: String, error: IoError },
    #[error(
        "the host {host} of this node's name does not resolve to an address of this machine, \
         but to {}: correct the name, or say which address to listen on",
        list(addresses)
    )]
    OtherMachine {
        host: String,
        addresses: Vec<IpAddr>,
    },
    #[error("the address {0} is none of this machine: say which one to listen on")]
    NotOfThisMachine(IpAddr),
    #[error("the port {port} of {ip} is taken: choose another one, or a range")]
    PortTaken { ip: IpAddr, port: u16 },
    #[error("every port of {ip} from {} to {} is taken: choose a larger range", ports.start(), ports.end())]
    RangeExhausted {
        ip: IpAddr,
        ports: RangeInclusive<u16>,
    },
    #[error("there is no port from {} to {}: the first must be the smaller one", .0.start(), .0.end())]
    NoPorts(RangeInclusive<u16>),
    #[error("cannot listen on {address}: {error}")]
    Refused { address: SocketAddr, error: IoError },
}

async fn bind_host(host: &str, ports: &RangeInclusive<u16>) -> Result<TcpListener, ListenError> {
    let mut addresses =
        resolve::addresses(host, 0)
            .await
            .map_err(|error| ListenError::HostUnresolved {
                host: host.to_owned(),
                error: error.into(),
            })?;
    // Nodes of OTP dial IPv4 addresses unless they are told otherwise.
    addresses.sort_by_key(SocketAddr::is_ipv6);

    for &address in &addresses {
        match bind_one(address, ports) {
            Err(ListenError::NotOfThisMachine(_)) => {}
            Ok(listener) => {
                if address.ip().is_loopback() && !is_loopback_name(host) {
                    tracing::warn!(
                        host, %address,
                        "the host of this node's name resolves to a loopback address: nodes of other machines cannot connect"
                    );
                }
                return Ok(listener);
            }
            Err(error) => return Err(error),
        }
    }
    Err(ListenError::OtherMachine {
        host: host.to_owned(),
        addresses: addresses.iter().map(SocketAddr::ip).collect(),
    })
}

/// Listens on the first free port of one address.
fn bind_one(
    mut address: SocketAddr,
    ports: &RangeInclusive<u16>,
) -> Result<TcpListener, ListenError> {
    let ip = address.ip();
    for port in ports.clone() {
        address.set_port(port);
        let error = match listen_on(address, Stack::Dual) {
            Ok(listener) => return Ok(listener),
            Err(error) => error,
        };
        match error.kind() {
            io::ErrorKind::AddrInUse => {}
            io::ErrorKind::AddrNotAvailable => return Err(ListenError::NotOfThisMachine(ip)),
            _ => {
                let error = error.into();
                return Err(ListenError::Refused { address, error });
            }
        }
    }

    Err(match (*ports.start(), *ports.end()) {
        (port, last) if port == last => ListenError::PortTaken { ip, port },
        _ => ListenError::RangeExhausted {
            ip,
            ports: ports.clone(),
        },
    })
}

/// Warns of a node that listens elsewhere than at the address that its name has, where that keeps others from
/// it, unless something passes their connections on.
pub(crate) fn warn_of_missed_name(name: &NodeName, address: SocketAddr) {
    let host = name.host();
    if host.parse().is_ok_and(|host| misses(host, address.ip())) {
        tracing::warn!(
            host, %address,
            "this node does not listen at the host of its name: nodes that look for it there cannot connect, unless something forwards them"
        );
    }
}

/// Whether nodes that connect to `host` do not come to who listens at `listening`. Networks translate other
/// addresses, and loopback ones seldom.
fn misses(host: IpAddr, listening: IpAddr) -> bool {
    let is_of_loopback = host.is_loopback() || listening.is_loopback();
    is_of_loopback
        && match listening {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => false,
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => host.is_ipv6(),
            listening => host != listening,
        }
}

/// Whether whoever chose this host knows that it is reached from the same machine only.
fn is_loopback_name(host: &str) -> bool {
    host == "localhost"
        || host.starts_with("localhost.")
        || host.parse::<Ipv4Addr>().is_ok()
        || host.parse::<Ipv6Addr>().is_ok()
}

fn list(addresses: &[IpAddr]) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        for (index, address) in addresses.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{address}")?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str) -> NodeName {
        format!("app@{host}").parse().unwrap()
    }

    async fn address(listen: &Listen, host: &str) -> SocketAddr {
        let listener = bind(listen, &node(host)).await.unwrap().unwrap();
        listener.local_addr().unwrap()
    }

    #[tokio::test]
    async fn a_node_listens_by_default_where_its_name_points() {
        for host in ["127.0.0.1", "::1"] {
            let address = address(&Listen::default(), host).await;
            assert_eq!(address.ip(), host.parse::<IpAddr>().unwrap());
            assert_ne!(address.port(), 0);
        }
    }

    #[tokio::test]
    async fn a_name_with_addresses_of_both_kinds_is_listened_for_on_ipv4() {
        let address = address(&Listen::default(), "localhost").await;

        assert_eq!(address.ip(), IpAddr::from([127, 0, 0, 1]));
    }

    #[tokio::test]
    async fn an_explicit_address_is_taken_whatever_the_name() {
        let listen: Listen = "127.0.0.1".parse().unwrap();
        let address = address(&listen, "no..host").await;

        assert_eq!(address.ip(), IpAddr::from([127, 0, 0, 1]));
    }

    #[test]
    fn a_node_is_missed_at_another_address_than_that_of_its_name() {
        for (host, listening, expected) in [
            ("127.0.0.1", "::1", true),
            ("::1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", true),
            ("127.0.0.1", "10.0.0.7", true),
            ("10.0.0.7", "127.0.0.1", true),
            ("::1", "0.0.0.0", true),
            ("127.0.0.1", "127.0.0.1", false),
            ("127.0.0.1", "0.0.0.0", false),
            ("127.0.0.1", "::", false),
            ("::1", "::", false),
            // As behind a router that translates addresses.
            ("203.0.113.9", "10.0.0.7", false),
        ] {
            let misses = misses(host.parse().unwrap(), listening.parse().unwrap());
            assert_eq!(misses, expected, "app@{host} at {listening}");
        }
    }

    #[tokio::test]
    async fn a_node_that_is_told_not_to_does_not_listen() {
        let listener = bind(&Listen::Off, &node("no..host")).await.unwrap();

        assert!(listener.is_none());
    }

    #[tokio::test]
    async fn the_first_free_port_of_a_range_is_taken_until_none_is_left() {
        let first = bind(&Listen::default(), &node("127.0.0.1"))
            .await
            .unwrap()
            .unwrap();
        let port = first.local_addr().unwrap().port();
        let range = Listen::from(port..=port.saturating_add(20));

        let second = bind(&range, &node("127.0.0.1")).await.unwrap().unwrap();
        assert!(second.local_addr().unwrap().port() > port);

        let error = bind(&Listen::from(port), &node("127.0.0.1"))
            .await
            .unwrap_err();
        let ip = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(error, ListenError::PortTaken { ip, port });
    }

    #[tokio::test]
    async fn a_range_without_a_free_port_is_exhausted() {
        let (_listeners, ports) = two_neighbours().await;

        let error = bind(&Listen::from(ports.clone()), &node("127.0.0.1"))
            .await
            .unwrap_err();
        let ip = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(error, ListenError::RangeExhausted { ip, ports });
    }

    #[tokio::test]
    async fn a_port_is_free_again_as_soon_as_its_listener_is_gone() {
        let listener = bind(&Listen::default(), &node("127.0.0.1"))
            .await
            .unwrap()
            .unwrap();
        let address = listener.local_addr().unwrap();
        // The side that closes first keeps the port in a waiting state.
        let client = tokio::net::TcpStream::connect(address).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        drop((server, listener, client));

        let again = Listen::from(address);
        assert!(bind(&again, &node("127.0.0.1")).await.is_ok());
    }

    #[tokio::test]
    async fn what_cannot_be_listened_on_is_said_with_what_to_do() {
        for (listen, host, expected) in [
            (Listen::default(), "no..host", "does not resolve"),
            (Listen::default(), "203.0.113.9", "but to 203.0.113.9"),
            (
                "203.0.113.9:0".parse().unwrap(),
                "127.0.0.1",
                "none of this machine",
            ),
            #[expect(clippy::reversed_empty_ranges)]
            (Listen::from(2..=1), "127.0.0.1", "no port from 2 to 1"),
        ] {
            let error = bind(&listen, &node(host)).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{listen} gave {error}");
        }
    }

    async fn two_neighbours() -> ([TcpListener; 2], RangeInclusive<u16>) {
        loop {
            let listener = bind(&Listen::default(), &node("127.0.0.1"))
                .await
                .unwrap()
                .unwrap();
            let port = listener.local_addr().unwrap().port();
            let Some(next) = port.checked_add(1) else {
                continue;
            };
            if let Ok(Some(second)) = bind(&Listen::from(next), &node("127.0.0.1")).await {
                return ([listener, second], port..=next);
            }
        }
    }
}
