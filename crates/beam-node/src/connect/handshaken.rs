//! What a handshake came to.

use beam_dist::{
    NodeName,
    handshake::{Decision, Established, simultaneous},
};

/// A connection that came through its handshake.
#[derive(Debug)]
pub(crate) struct Handshaken {
    pub(crate) established: Established,
    pub(crate) made_by: Side,
    /// The live link that this connection replaces: the peer said that it knew nothing of it, or this
    /// node connected anew because nothing came over it.
    pub(crate) disowned: Option<u64>,
}

/// Which side made a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    ThisNode,
    Peer,
}

impl Side {
    /// Whether, of two connections that both nodes made at the same time, the one that this side
    /// made is the one to keep. Both nodes find the same.
    pub(crate) fn has_precedence(self, own: &NodeName, peer: &NodeName) -> bool {
        let own_survives = simultaneous(own, peer) == Decision::Nok;
        own_survives == (self == Self::ThisNode)
    }
}
