//! Where each peer is dialled.

use std::{collections::HashMap, net::SocketAddr};

use beam_dist::NodeName;
use tokio::time::Instant;

use super::{allowed_addresses, try_each};
use crate::{
    allow::AllowedPeers,
    connect::{ConnectError, Progress, WaitingFor},
    epmd,
    net::TcpStream,
};

/// Knows, or finds out, where each peer is dialled.
#[derive(Clone, Debug)]
pub(crate) struct Resolver {
    /// Peers that are at one address always; nobody is asked about them.
    pub(crate) fixed: HashMap<NodeName, SocketAddr>,
    /// How the port of every other peer is found.
    pub(crate) ports: Ports,
}

/// How the port is found on which a node accepts links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ports {
    /// The EPMD on the peer's host is asked, which listens on this port.
    Epmd(u16),
    /// Every node listens on this port of its host, as with OTP's `-erl_epmd_port`.
    Fixed(u16),
    /// Only the peers with a fixed address can be dialled.
    Unknown,
}

impl Resolver {
    /// Finds the addresses of a peer that are allowed, in the order in which they are to be tried.
    pub(crate) async fn locate(
        &self,
        node: &NodeName,
        allowed: &AllowedPeers,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<Vec<SocketAddr>, ConnectError> {
        if let Some(&address) = self.fixed.get(node) {
            return match allowed.allows_address(address.ip()) {
                true => Ok(vec![address]),
                false => Err(ConnectError::NetworkNotAllowed {
                    with: node.to_string(),
                    address: address.ip(),
                }),
            };
        }
        match self.ports {
            Ports::Epmd(port) => epmd::lookup(node, port, allowed, deadline, progress).await,
            Ports::Fixed(port) => {
                progress.waits_for(WaitingFor::Host(node.host().to_owned()));
                allowed_addresses(deadline, node.host(), port, allowed, node).await
            }
            Ports::Unknown => Err(ConnectError::PortUnknown(node.clone())),
        }
    }

    /// Opens a TCP connection to a peer, at the first of its addresses that is allowed and takes one.
    ///
    /// # Cancellation safety
    ///
    /// Nothing was said over the connection when the future is dropped.
    pub(crate) async fn connect(
        &self,
        node: &NodeName,
        allowed: &AllowedPeers,
        deadline: Instant,
        progress: &Progress,
    ) -> Result<TcpStream, ConnectError> {
        // Until somebody else is asked.
        progress.waits_for(WaitingFor::Node);
        let addresses = self.locate(node, allowed, deadline, progress).await?;
        progress.waits_for(WaitingFor::Node);
        let (_, stream) = try_each(&addresses, deadline, TcpStream::connect)
            .await
            .map_err(|(address, error)| ConnectError::Unreachable {
                node: node.clone(),
                address,
                error: error.into(),
            })?;

        Ok(stream)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;
    use crate::allow::Networks;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    fn resolver(ports: Ports) -> Resolver {
        let fixed = SocketAddr::from(([127, 0, 0, 9], 9109));
        Resolver {
            fixed: HashMap::from([("fixed@no..host".parse().unwrap(), fixed)]),
            ports,
        }
    }

    #[tokio::test]
    async fn a_fixed_address_is_asked_nobody_for() {
        let node = "fixed@no..host".parse().unwrap();

        for ports in [Ports::Epmd(1), Ports::Fixed(1), Ports::Unknown] {
            let found = resolver(ports)
                .locate(
                    &node,
                    &AllowedPeers::default(),
                    soon(),
                    &Progress::default(),
                )
                .await
                .unwrap();
            assert_eq!(found, ["127.0.0.9:9109".parse().unwrap()]);
        }
    }

    #[tokio::test]
    async fn a_fixed_port_is_that_of_every_host() {
        let node = "app@127.0.0.1".parse().unwrap();

        let found = resolver(Ports::Fixed(9100))
            .locate(
                &node,
                &AllowedPeers::default(),
                soon(),
                &Progress::default(),
            )
            .await;
        assert_eq!(found, Ok(vec!["127.0.0.1:9100".parse().unwrap()]));
    }

    #[tokio::test]
    async fn without_epmd_or_a_port_only_fixed_addresses_can_be_dialled() {
        let node: NodeName = "app@127.0.0.1".parse().unwrap();

        let found = resolver(Ports::Unknown)
            .locate(
                &node,
                &AllowedPeers::default(),
                soon(),
                &Progress::default(),
            )
            .await;
        assert_eq!(found, Err(ConnectError::PortUnknown(node)));
    }

    #[tokio::test]
    async fn a_connection_is_made_to_whichever_address_takes_it() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let resolver = resolver(Ports::Fixed(address.port()));

        let node = "app@localhost".parse().unwrap();
        let (everybody, progress) = (AllowedPeers::default(), Progress::default());
        let connecting = resolver.connect(&node, &everybody, soon(), &progress);
        let (stream, accepted) = tokio::join!(connecting, listener.accept());

        let (_, dialler) = accepted.unwrap();
        assert_eq!(stream.unwrap().local_addr().unwrap(), dialler);
    }

    #[tokio::test]
    async fn a_peer_that_does_not_listen_is_unreachable() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);

        let node = "app@127.0.0.1".parse().unwrap();
        let error = resolver(Ports::Fixed(address.port()))
            .connect(
                &node,
                &AllowedPeers::default(),
                soon(),
                &Progress::default(),
            )
            .await
            .unwrap_err();

        assert!(
            matches!(&error, ConnectError::Unreachable { address: tried, .. } if *tried == address)
        );
    }

    #[tokio::test]
    async fn an_address_in_no_network_that_is_allowed_is_not_dialled() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let resolver = resolver(Ports::Fixed(address.port()));
        let allowed = AllowedPeers {
            names: None,
            networks: Some(Networks::new(vec!["10.0.0.0/8".parse().unwrap()])),
        };

        let node: NodeName = "app@127.0.0.1".parse().unwrap();
        let error = resolver
            .connect(&node, &allowed, soon(), &Progress::default())
            .await
            .unwrap_err();

        let with = node.to_string();
        let address = address.ip();
        assert_eq!(error, ConnectError::NetworkNotAllowed { with, address });
    }
}
