//! Names of nodes and modules as they are given, and a name for a node that was given none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use beam_node::NodeName;
use beam_term::Atom;
use tokio::net::{UdpSocket, lookup_host};

use crate::failure::Failure;

/// Reads the name of a node.
pub(super) fn node_name(text: &str) -> Result<NodeName, String> {
    text.parse()
        .map_err(|error| match (text, text.contains('@')) {
            ("", _) => {
                "it is empty; a node is named as in app@127.0.0.1 (on this machine), app@web1 or \
                    app@web1.example.org"
                    .to_owned()
            }
            (_, true) => format!("{error}"),
            (_, false) => format!(
                "it has no host; a node is named as in {text}@127.0.0.1 (on this machine), \
             {text}@web1 or {text}@web1.example.org"
            ),
        })
}

/// The atom of a module or a balancer: what starts with a capital is a module of Elixir.
pub(super) fn alias(name: &str) -> String {
    let is_elixir = name.starts_with(char::is_uppercase);
    let is_complete = name == "Elixir" || name.starts_with("Elixir.");
    if is_elixir && !is_complete {
        format!("Elixir.{name}")
    } else {
        name.to_owned()
    }
}

/// Reads the name of a balancer, as it was given.
pub(super) fn balancer_name(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("it is empty; a balancer is named as in my_balancer".to_owned());
    }
    match Atom::try_from(alias(text)) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Makes sure that nodes can connect: all have short names, or all have long ones.
pub(super) fn check_forms(own: &NodeName, peers: &[NodeName]) -> Result<(), Failure> {
    let form = |name: &NodeName| if name.is_long() { "long" } else { "short" };
    match peers.iter().find(|peer| peer.is_long() != own.is_long()) {
        None => Ok(()),
        Some(peer) => Err(Failure::usage(format!(
            "{peer} has a {} name and this node, {own}, a {} one, so they cannot connect",
            form(peer),
            form(own)
        ))
        .advise(
            "all nodes of a cluster have long names (name@10.0.0.7, name@web1.example.org), \
             or all have short ones (name@web1)",
        )),
    }
}

/// A name that no other node has, of the same form as that of the first peer.
///
/// Nodes that run for one command are never looked up by their name, so what matters of the host
/// is its form, and that others can tell where the node is.
pub(super) async fn unique_name(first: Option<&NodeName>) -> Result<NodeName, Failure> {
    let host = match first {
        None => Ipv4Addr::LOCALHOST.to_string(),
        Some(peer) if peer.is_long() => long_host(peer.host()).await,
        Some(peer) => short_host(peer.host(), &own_host()),
    };
    let number = getrandom::u64()
        .map_err(|error| Failure::internal(format!("no random number for a name: {error}")))?;
    format!("rlb-{number:016x}@{host}")
        .parse()
        .map_err(|error| Failure::usage(format!("no name for this node: {error}; give a --name")))
}

/// The host of this machine as a peer with a short name has it.
fn short_host(peer: &str, own: &str) -> String {
    let own = own.split('.').next().unwrap_or_default();
    if peer == "localhost" || own.is_empty() {
        peer.to_owned()
    } else {
        own.to_owned()
    }
}

/// The host of this machine as a peer with a long name has it.
async fn long_host(peer: &str) -> String {
    let literal: Option<IpAddr> = peer.parse().ok();
    let address = match literal {
        Some(address) => Some(address),
        None => first_address(peer).await,
    };
    let own = own_host();
    match address {
        Some(address) if address.is_loopback() => peer.to_owned(),
        _ if literal.is_none() && own.contains('.') => own,
        Some(address) => local_address(address)
            .await
            .map_or_else(|| peer.to_owned(), |address| address.to_string()),
        None => peer.to_owned(),
    }
}

fn own_host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

async fn first_address(host: &str) -> Option<IpAddr> {
    let mut addresses = lookup_host((host, 0)).await.ok()?;
    addresses.next().map(|address| address.ip())
}

/// The address of this machine on the way to another one. Nothing is sent to find it.
async fn local_address(peer: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match peer {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await.ok()?;
    socket.connect((peer, ANY_PORT)).await.ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// A port to find routes with; which one does not matter.
const ANY_PORT: u16 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> NodeName {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_without_host_is_refused_with_an_example() {
        let error = node_name("app").unwrap_err();
        assert!(error.contains("app@127.0.0.1"), "{error}");
        let error = node_name("").unwrap_err();
        assert!(error.contains("empty") && !error.contains(" @"), "{error}");
        assert!(node_name("app@h").is_ok());
        assert!(node_name("a b@h").is_err());
    }

    #[test]
    fn what_starts_with_a_capital_is_a_module_of_elixir() {
        for (given, expected) in [
            ("String", "Elixir.String"),
            ("Foo.Bar", "Elixir.Foo.Bar"),
            ("Elixir.String", "Elixir.String"),
            ("Elixir", "Elixir"),
            ("ElixirTools", "Elixir.ElixirTools"),
            ("lists", "lists"),
            ("my_balancer", "my_balancer"),
        ] {
            assert_eq!(alias(given), expected);
        }
    }

    #[tokio::test]
    async fn a_node_that_was_given_no_name_has_one_of_its_peers_form() {
        for (peer, host) in [
            (None, Some("127.0.0.1")),
            (Some("w@127.0.0.1"), Some("127.0.0.1")),
            (Some("w@::1"), Some("::1")),
            (Some("w@localhost"), Some("localhost")),
            (Some("w@203.0.113.9"), None),
            (Some("w@some-host"), None),
        ] {
            let peer = peer.map(name);
            let own = unique_name(peer.as_ref()).await.unwrap();
            if let Some(host) = host {
                assert_eq!(own.host(), host);
            }
            assert_eq!(own.is_long(), peer.is_none_or(|peer| peer.is_long()));
        }
        assert_ne!(
            unique_name(None).await.unwrap(),
            unique_name(None).await.unwrap()
        );
    }

    #[test]
    fn a_short_host_is_that_of_this_machine_up_to_the_first_dot() {
        assert_eq!(short_host("other", "web1.example.org"), "web1");
        assert_eq!(short_host("localhost", "web1"), "localhost");
        assert_eq!(short_host("other", ""), "other");
    }

    #[test]
    fn nodes_of_both_forms_do_not_go_together() {
        let own = name("app@10.0.0.7");
        assert!(check_forms(&own, &[name("a@10.0.0.8")]).is_ok());
        let error = check_forms(&own, &[name("a@10.0.0.8"), name("b@web1")]).unwrap_err();
        assert!(
            error.message().contains("b@web1 has a short name"),
            "{error}"
        );
    }
}
