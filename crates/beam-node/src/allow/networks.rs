//! Lists of networks.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::Error;

/// Networks of either version of IP. An address is a network of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Networks(Vec<IpNet>);

impl Networks {
    /// Reads networks; `bad_request` with the one that is none.
    pub(crate) fn read<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        networks
            .into_iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether an address is in one of them. One of version 4 in the clothes of version 6, as sockets
    /// for both versions tell it, counts as what it is.
    pub(crate) fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

fn read(text: &str) -> Result<IpNet, Error> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| {
        Error::bad_request(format!(
            "{text:?} is no network: expected an address or one with the length of its prefix, as \
             10.0.0.7, 10.0.0.0/8 and fd00::/8"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        Networks::read([network])
            .unwrap()
            .contain(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_in_the_networks_of_its_prefixes() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3/8", "10.255.0.1", "11.0.0.1"),
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
        assert!(!Networks::read([]).unwrap().contain([127, 0, 0, 1].into()));
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_is_expected() {
        for text in ["", "10.0.0/8", "10.0.0.0/33", "host", "10.0.0.0/8,::1"] {
            let error = Networks::read([text]).unwrap_err();
            assert!(error.message.contains("10.0.0.0/8 and fd00::/8"), "{error}");
        }
    }
}
