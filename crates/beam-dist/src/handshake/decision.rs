//! Whether a peer that connects is welcome.

use crate::NodeName;

/// What the acceptor's node thinks of a peer that wants to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// There is no link to the peer and none is being set up.
    Ok,
    /// The node has an attempt of its own under way, which it gives up in favour of this one.
    OkSimultaneous,
    /// The node has an attempt of its own under way, which is to survive.
    Nok,
    /// The peer may not connect: it is not on a list of those who may, or there is no room.
    NotAllowed,
    /// There is a link to a node of this name already, perhaps one whose end has not been noticed.
    ///
    /// If the peer confirms that it knows of no link, the handshake goes on. Once it is established
    /// the old link must be closed before the new one is used.
    Alive,
}

/// Which of two attempts survives when nodes connect to each other at the same time: that made by
/// the node with the greater name, byte by byte.
///
/// For a node named `own` that has an attempt towards `peer` under way and is asked to accept one
/// from it.
///
/// ```
/// use beam_dist::handshake::{Decision, simultaneous};
///
/// let (a, b) = ("a@host".parse()?, "b@host".parse()?);
/// assert_eq!(simultaneous(&a, &b), Decision::OkSimultaneous);
/// assert_eq!(simultaneous(&b, &a), Decision::Nok);
/// # Ok::<(), beam_dist::InvalidNodeName>(())
/// ```
pub fn simultaneous(own: &NodeName, peer: &NodeName) -> Decision {
    if own > peer {
        Decision::Nok
    } else {
        Decision::OkSimultaneous
    }
}
