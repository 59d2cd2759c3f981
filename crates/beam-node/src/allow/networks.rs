//! Lists of networks.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

use super::{from_text, given_as_text};
use crate::Error;

/// A network of either version of IP: an address, as `10.0.0.7` or `::1`, or one with the length of its
/// prefix, as `10.0.0.0/8` or `fd00::/8`.
///
/// An address that is not the first one of its network, as `10.0.0.1/8`, is refused: as likely as not
/// the address alone is meant.
///
/// ```
/// use beam_node::Network;
///
/// let own: Network = "10.0.0.0/8".parse()?;
/// assert!(own.contains("10.255.0.1".parse().unwrap()));
/// assert!("10.0.0.1/8".parse::<Network>().is_err());
/// # Ok::<(), beam_node::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// Whether an address is in it. One of version 4 in the clothes of version 6, as sockets for both
    /// versions tell it, counts as what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        let network: IpNet = text.parse().or_else(|_| address()).map_err(|_| {
            Error::bad_request(format!(
                "{text:?} is no network: expected an address or one with the length of its prefix, as \
                 10.0.0.7, 10.0.0.0/8 and fd00::/8"
            ))
        })?;
        // Addresses are compared as those of version 4 that they are.
        if let IpNet::V6(mapped) = network
            && mapped.addr().to_ipv4_mapped().is_some()
        {
            return Err(Error::bad_request(format!(
                "{text} is a network of version 4 in the clothes of version 6: write it as one of version 4, \
                 as 10.0.0.0/8"
            )));
        }
        match network.trunc() {
            whole if whole == network => Ok(Self(network)),
            whole => Err(Error::bad_request(format!(
                "{text} is an address amid a network: write {whole} for the network, or {} for the address",
                network.addr()
            ))),
        }
    }
}

/// With the length of its prefix.
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

given_as_text!(Network);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(
            deserializer,
            "an address, as 10.0.0.7, or a network by its first address and the length of its prefix, as \
             10.0.0.0/8 and fd00::/8",
        )
    }
}

/// Networks of which one is enough.
#[derive(Clone, Debug, Default)]
pub(crate) struct Networks(Vec<Network>);

impl Networks {
    pub(crate) fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Whether an address is in one of them.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        let networks = Networks::new(vec![network.parse().unwrap()]);
        networks.contain(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_in_the_networks_of_its_prefixes() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.0.0.7", "10.0.0.7", "10.0.0.8"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("fd00::/8", "fd12::1", "fe80::1"),
            ("::1", "::1", "::2"),
            ("::/0", "fd00::1", "10.0.0.7"),
        ] {
            assert!(contains(network, inside), "{network} {inside}");
            assert!(!contains(network, outside), "{network} {outside}");
        }
    }

    #[test]
    fn an_address_of_version_4_is_one_in_any_form() {
        assert!(contains("10.0.0.0/8", "::ffff:10.0.0.7"));
        assert!(!contains("::/0", "::ffff:10.0.0.7"));
    }

    #[test]
    fn no_networks_have_no_addresses() {
        assert!(!Networks::new(Vec::new()).contain([127, 0, 0, 1].into()));
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_is_expected() {
        for text in ["", "10.0.0/8", "10.0.0.0/33", "host", "10.0.0.0/8,::1"] {
            let error = text.parse::<Network>().unwrap_err();
            assert!(error.message.contains("10.0.0.0/8 and fd00::/8"), "{error}");
        }
    }

    #[test]
    fn an_address_amid_a_network_is_refused_with_what_may_be_meant() {
        for (text, said) in [
            (
                "10.0.0.1/8",
                "write 10.0.0.0/8 for the network, or 10.0.0.1 for",
            ),
            (
                "fd00::1/8",
                "write fd00::/8 for the network, or fd00::1 for",
            ),
            ("::ffff:10.0.0.0/104", "write it as one of version 4"),
        ] {
            let error = text.parse::<Network>().unwrap_err();
            assert!(error.message.contains(said), "{error}");
        }
        assert!(contains("10.0.0.1/32", "10.0.0.1"));
    }
}
