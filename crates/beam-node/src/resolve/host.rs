//! The addresses of a host.

use std::{fmt::Display, io, net::SocketAddr};

use tokio::time::{Instant, timeout_at};

use super::no_answer;
use crate::{allow::AllowedPeers, connect::ConnectError, net::lookup_host};

/// The most addresses of one host that are looked at.
const MAX_ADDRESSES: usize = 16;

/// The addresses of a host, with a port, in the order in which the system prefers them.
///
/// The host is an IPv4 or IPv6 address, or a name that is resolved as the system does: short names
/// by `/etc/hosts` and the search domains, for example.
pub(crate) async fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let addresses = first_of(lookup_host((host, port)).await?);
    if addresses.is_empty() {
        let message = "the name exists, but has no address";
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    Ok(addresses)
}

/// The first addresses, each once.
fn first_of(all: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for address in all {
        if addresses.len() < MAX_ADDRESSES && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

/// The [`addresses`] of a host, or why they were not found by the deadline.
async fn addresses_by(
    deadline: Instant,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, ConnectError> {
    let patience = deadline.saturating_duration_since(Instant::now());
    let result = match timeout_at(deadline, addresses(host, port)).await {
        Ok(result) => result,
        Err(_elapsed) => Err(no_answer(patience)),
    };

    result.map_err(|error| ConnectError::HostUnresolved {
        host: host.to_owned(),
        error: error.into(),
    })
}

/// The [`addresses`] of a host that are allowed; `with` is for whom they are looked up.
pub(crate) async fn allowed_addresses(
    deadline: Instant,
    host: &str,
    port: u16,
    allowed: &AllowedPeers,
    with: &impl Display,
) -> Result<Vec<SocketAddr>, ConnectError> {
    let addresses = addresses_by(deadline, host, port).await?;
    allowed
        .only_allowed(addresses)
        .map_err(|address| ConnectError::NetworkNotAllowed {
            with: with.to_string(),
            address,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_stands_for_itself() {
        for (host, expected) in [("127.0.0.1", "127.0.0.1:7"), ("::1", "[::1]:7")] {
            let found = addresses(host, 7).await.unwrap();
            assert_eq!(found, [expected.parse().unwrap()]);
        }
    }

    #[tokio::test]
    async fn a_short_name_resolves_as_the_system_does() {
        let found = addresses("localhost", 7).await.unwrap();

        assert!(found.iter().all(|address| address.ip().is_loopback()));
    }

    #[test]
    fn of_many_addresses_the_first_are_tried_each_once() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let many = (1..=100).flat_map(|port| [address(port), address(port)]);

        let found = first_of(many);

        assert!(found.into_iter().eq((1..=16).map(address)));
    }

    #[tokio::test]
    async fn a_name_that_cannot_exist_has_no_address() {
        assert!(addresses("no..host", 7).await.is_err());
    }
}
