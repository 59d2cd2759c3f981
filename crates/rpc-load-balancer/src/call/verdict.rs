//! What an error, or a node, means for whom to ask next.

use beam_node::{Cause, Error, Peer};

/// Whether another node may be asked at once: the one that was is certain not to have run it, and
/// the reason lies with that node.
pub(super) fn goes_elsewhere(error: &Error) -> bool {
    matches!(
        error.cause(),
        Cause::NotConnected(_)
            | Cause::Refused(_)
            | Cause::Limit(
                "calls_per_peer"
                    | "outgoing_bytes_per_peer"
                    | "served_per_node"
                    | "served_bytes_per_node"
            )
    )
}

/// Whether a node is connected, and says something.
pub(super) fn is_well(peer: &Peer) -> bool {
    peer.is_connected() && !peer.is_suspect()
}

/// Whether another node may do what this one did not, though it may have begun to.
pub(super) fn may_be_better_elsewhere(error: &Error) -> bool {
    matches!(
        error.cause(),
        Cause::ConnectionLost | Cause::Silent(_) | Cause::Killed(_)
    )
}
