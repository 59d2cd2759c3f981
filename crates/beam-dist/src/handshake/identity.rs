//! Who takes part in a handshake, and what comes of it.

use crate::{Creation, Flags, NodeName};

/// What a node says of itself in a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub name: NodeName,
    /// Its incarnation.
    pub creation: Creation,
    /// What it can do; [`Flags::for_node`] for a node of this crate.
    pub flags: Flags,
}

/// A link that both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Established {
    /// The own name: for a node that had none before the one that the peer gave it.
    pub own: NodeName,
    /// The own incarnation, which comes with the name.
    pub own_creation: Creation,
    /// The name of the node at the other end.
    pub peer: NodeName,
    /// The incarnation of the node at the other end.
    pub peer_creation: Creation,
    /// What may be used on the link: what both announced.
    pub flags: Flags,
}

impl Established {
    pub(super) fn between(own: Identity, peer: Identity) -> Self {
        Self {
            own: own.name,
            own_creation: own.creation,
            peer: peer.name,
            peer_creation: peer.creation,
            flags: own.flags.negotiate(peer.flags),
        }
    }

    /// Whether each side shows in the `nodes()` of the other. If not, the link is a hidden one.
    pub const fn is_visible(&self) -> bool {
        self.flags.contains(Flags::PUBLISHED)
    }
}
