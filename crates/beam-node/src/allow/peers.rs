//! Which nodes a node is connected with.

use std::net::{IpAddr, SocketAddr};

use beam_dist::NodeName;

use super::{Names, Networks};

/// The nodes that may connect, and that are connected to; all where nothing is said.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllowedPeers {
    pub(crate) names: Option<Names>,
    pub(crate) networks: Option<Networks>,
}

impl AllowedPeers {
    pub(crate) fn allows_name(&self, name: &NodeName) -> bool {
        self.names.as_ref().is_none_or(|names| names.contain(name))
    }

    /// Those addresses that are allowed, in their order, or the first one where none is.
    pub(crate) fn only_allowed(
        &self,
        mut addresses: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, IpAddr> {
        let first = addresses.first().map(SocketAddr::ip);
        addresses.retain(|address| self.allows_address(address.ip()));
        match first.filter(|_| addresses.is_empty()) {
            Some(refused) => Err(refused),
            None => Ok(addresses),
        }
    }

    pub(crate) fn allows_address(&self, address: IpAddr) -> bool {
        let networks = self.networks.as_ref();
        networks.is_none_or(|networks| networks.contain(address))
    }
}
