//! Why there is no connection to a peer.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use beam_dist::{NodeName, epmd::AliveName, handshake::HandshakeError};

use super::{IoError, TlsError, WaitingFor};

/// Why a connection to a peer was not made.
///
/// Nothing was asked of the peer yet: whatever the connection was wanted for did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The host has no address.
    #[error(
        "the host {host} does not resolve to an address ({error}): \
         check the name of the node and DNS, or give the peer a fixed address"
    )]
    HostUnresolved {
        /// The host, as the name of the node has it.
        host: String,
        /// What the resolver said.
        error: IoError,
    },

    /// No EPMD answers on the host.
    #[error("{}", display::no_epmd(host, *port, error))]
    NoEpmd {
        /// The host, as the name of the node has it.
        host: String,
        /// The port that was asked.
        port: u16,
        /// What happened instead of an answer.
        error: IoError,
    },

    /// The EPMD of the host does not know the node.
    #[error(
        "{node} is not registered with the EPMD of its host{}: is it running?",
        display::registered(registered, *more)
    )]
    NotRegistered {
        /// The node that was looked up.
        node: NodeName,
        /// Some of the nodes that are registered there.
        registered: Vec<AliveName>,
        /// How many more are.
        more: usize,
    },

    /// The node speaks no version of the distribution protocol that this one does.
    #[error(
        "{node} speaks the versions {lowest} to {highest} of the distribution protocol, not 6: \
         Erlang/OTP 25 or later is needed"
    )]
    OldVersion {
        /// The node that was looked up.
        node: NodeName,
        /// The lowest version that it speaks.
        lowest: u16,
        /// The highest version that it speaks.
        highest: u16,
    },

    /// There is no EPMD to ask, and no fixed address or port either.
    #[error(
        "the port of {0} is not known, as EPMD is off: \
         give this peer a fixed address, or all nodes the same port"
    )]
    PortUnknown(NodeName),

    /// Nobody accepts connections at the peer's address.
    #[error(
        "{node} cannot be reached at {address} ({error}): is it running, and is the port open?"
    )]
    Unreachable {
        /// The node that was dialled.
        node: NodeName,
        /// The last address that was tried.
        address: SocketAddr,
        /// What the operating system said.
        error: IoError,
    },

    /// There was no connection in time.
    #[error("no connection to {node} within {after:?}: {waiting_for}")]
    TimedOut {
        /// The node that was dialled.
        node: NodeName,
        /// How long was waited.
        after: Duration,
        /// For what at last.
        waiting_for: WaitingFor,
    },

    /// The handshake failed: another cookie, a refusal, a lost race, or no proper peer.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),

    /// The peer does not allow this node, as [`HandshakeError::NotAllowed`] says, and this node shows a
    /// certificate that is not for the host of its name, which may be why.
    #[error("{peer} does not allow this node to connect; {certificate}")]
    NotAllowed {
        /// The node that was dialled.
        peer: NodeName,
        /// What is wrong with the certificate of this node, which is [`TlsError::OwnHost`].
        certificate: TlsError,
    },

    /// The peer speaks TLS, and this node does not.
    #[error(
        "{with} speaks TLS, and this node does not: \
         give this node TLS as well, or start the other one without -proto_dist inet_tls"
    )]
    WantsTls {
        /// The node, or its address as long as its name is not known.
        with: String,
    },

    /// There was no TLS with the peer. A node that has TLS connects over nothing else.
    #[error("no TLS with {with}: {error}")]
    Tls {
        /// The node, or its address as long as its name is not known.
        with: String,
        /// Why not.
        error: TlsError,
    },

    /// One of the two nodes has a short name and the other a long one.
    #[error(
        "{peer} has a {} name and this node, {own}, a {} one: \
         all nodes of a cluster have short names, or all have long ones",
        display::form(peer),
        display::form(own)
    )]
    NameForm {
        /// This node.
        own: NodeName,
        /// The node that was dialled.
        peer: NodeName,
    },

    /// The node that was to be dialled is this one.
    #[error("{0} is this node itself: a node has no connection to itself")]
    OwnName(NodeName),

    /// The name of the peer is not on the list of those that this node is connected with, of
    /// [`NodeBuilder::allow_peers`](crate::NodeBuilder::allow_peers).
    #[error("{0} is not among the allowed peers of this node: add it to them, or allow all")]
    PeerNotAllowed(NodeName),

    /// The peer was refused, as this node has as many peers as it may have.
    #[error(
        "{peer} is one more than the {limit} peers that this node may have: \
         raise the limit `connected_peers` if these are as they should be"
    )]
    TooManyPeers {
        /// The peer that connected.
        peer: NodeName,
        /// How many peers there may be.
        limit: usize,
    },

    /// The address of the peer is in none of the networks that this node is connected with, of
    /// [`NodeBuilder::allow_networks`](crate::NodeBuilder::allow_networks). It was not connected to, nor
    /// its EPMD.
    #[error(
        "{with} is at {address}, which is in none of the allowed networks of this node: \
         add one, or allow all"
    )]
    NetworkNotAllowed {
        /// The node, or the host that was to be asked for nodes.
        with: String,
        /// The first of its addresses.
        address: IpAddr,
    },

    /// Somebody connected from an address that is in none of the networks that this node is connected
    /// with.
    #[error("{0} is in none of the allowed networks of this node: add one, or allow all")]
    AddressNotAllowed(IpAddr),

    /// The connection failed while the nodes were introducing themselves.
    #[error("the connection with {with} failed during the handshake: {error}")]
    Io {
        /// The node, or its address as long as its name is not known.
        with: String,
        /// What the operating system said.
        error: IoError,
    },

    /// The connection was lost before it could be used.
    #[error("the connection to {0} was lost before anything was sent over it")]
    Lost(NodeName),

    /// The operating system has no random numbers to give.
    #[error("no random number for the handshake: {0}")]
    Entropy(String),

    /// This node is shutting down.
    #[error("this node is shutting down")]
    ShutDown,
}

mod display {
    use std::{fmt, io::ErrorKind};

    use super::{AliveName, IoError, NodeName};
    use crate::epmd::SilentEpmd;

    pub(super) fn form(name: &NodeName) -> &'static str {
        if name.is_long() { "long" } else { "short" }
    }

    pub(super) fn no_epmd(host: &str, port: u16, error: &IoError) -> impl fmt::Display {
        fmt::from_fn(move |f| match error.kind {
            ErrorKind::TimedOut => write!(f, "{}", SilentEpmd { host, port }),
            _ => write!(
                f,
                "no EPMD answers on {host} at port {port} ({error}): \
                 is a node running there, and is the port open to this machine?"
            ),
        })
    }

    pub(super) fn registered(names: &[AliveName], more: usize) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            if names.is_empty() {
                return Ok(());
            }
            f.write_str(", which has ")?;
            for (index, name) in names.iter().enumerate() {
                let separator = match index {
                    0 => "",
                    _ if more == 0 && index + 1 == names.len() => " and ",
                    _ => ", ",
                };
                write!(f, "{separator}{name}")?;
            }
            match more {
                0 => Ok(()),
                more => write!(f, " and {more} more"),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_registered(registered: &[&str], more: usize) -> String {
        ConnectError::NotRegistered {
            node: "shop@web1".parse().unwrap(),
            registered: registered
                .iter()
                .map(|name| name.parse().unwrap())
                .collect(),
            more,
        }
        .to_string()
    }

    #[test]
    fn a_node_that_is_not_registered_is_shown_with_those_that_are() {
        for (registered, more, expected) in [
            (&[][..], 0, ""),
            (&["a"], 0, ", which has a"),
            (&["a", "b", "c"], 0, ", which has a, b and c"),
            (&["a", "b"], 7, ", which has a, b and 7 more"),
        ] {
            let message = not_registered(registered, more);
            let expected = format!("its host{expected}: is it running?");
            assert!(message.ends_with(&expected), "{message}");
        }
    }

    #[test]
    fn names_of_different_forms_are_told_which_is_which() {
        let error = ConnectError::NameForm {
            own: "app@10.0.0.7".parse().unwrap(),
            peer: "shop@web1".parse().unwrap(),
        };

        let expected = "shop@web1 has a short name and this node, app@10.0.0.7, a long one";
        assert!(error.to_string().starts_with(expected), "{error}");
    }

    #[test]
    fn what_failed_in_a_handshake_is_said_by_the_handshake() {
        let failed = HandshakeError::CookieRefused {
            peer: "shop@web1".parse().unwrap(),
        };

        assert_eq!(
            ConnectError::from(failed.clone()).to_string(),
            failed.to_string()
        );
    }
}
