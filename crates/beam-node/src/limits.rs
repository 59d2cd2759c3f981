//! What a peer can make this node hold, each with a bound.

use beam_dist::frame::FrameLimits;
use serde::Deserialize;

use crate::Error;

/// Bounds on everything that a peer, or a caller in a hurry, can grow.
///
/// Every field is also a configuration key of the same name. At a bound the one who asked gets a
/// clear error at once (`too_many_requests` for a call); memory does not grow. A node does not start
/// with a bound that it could not work with.
///
/// What counts to a bound for all peers is counted ahead for each peer, so that connections seldom have to
/// look at what others do: up to 64 calls and 64 KiB of them, no more than the peer has in use, and no
/// more than a thousandth of the bound. So with a thousand busy peers a bound may be found reached when
/// little more than half of it is in use.
///
/// ```
/// use beam_node::Limits;
///
/// let limits = Limits { calls_per_peer: 256, ..Limits::default() };
/// assert_eq!(limits.calls_per_node, 65_536);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Calls sent to one peer and not answered, at least 1. Default: 4,096.
    pub calls_per_peer: usize,
    /// Calls sent to all peers and not answered, at least 1. Default: 65,536.
    pub calls_per_node: usize,
    /// Calls received from one peer and not answered; beyond it a call is refused at
    /// once with `system_limit`, with 0 every call. Those that go on after the connection that they came over count as well.
    /// Default: 4,096.
    pub served_per_peer: usize,
    /// Calls received from all peers and not answered; with 0 this node serves nobody, which suits one that
    /// only calls others. Default: 65,536.
    pub served_per_node: usize,
    /// Bytes of calls that are served for one peer: of their arguments, and then of their results
    /// until those are queued. One call may have more by itself. Beyond it a call is refused with
    /// `system_limit`, and a result becomes the exception `error:{system_limit, Message}`. Default:
    /// 256 MiB.
    pub served_bytes_per_peer: usize,
    /// The same for all peers, and for calls of this node to itself. Default: 1 GiB.
    pub served_bytes_per_node: usize,
    /// Bytes queued for one peer; one message that is larger by itself, or a result that had to
    /// wait, may be queued beside them. As much again, or 1 MiB, may be owed in short answers before
    /// the peer is read no further. Default: 64 MiB.
    pub outgoing_bytes_per_peer: usize,
    /// Whether a call or a cast that finds no room in `outgoing_bytes_per_peer` waits for it, until
    /// its timeout at most, instead of failing at once. A balanced call then waits as well, rather
    /// than go to another member. Default: false.
    pub wait_for_room: bool,
    /// Bytes of one message, assembled from its fragments, at least 4,096. Default: 256 MiB.
    pub message_bytes: usize,
    /// Fragmented messages under assembly at a time, per link, at least 1. Default: 4,096, as OTP
    /// begins many large messages side by side when a link is busy.
    pub sequences_per_link: usize,
    /// Bytes of fragmented messages under assembly, per link, at least 4,096. Default: 512 MiB.
    pub assembly_bytes_per_link: usize,
    /// Bytes that all links together keep of the memory of large messages, to receive the next ones
    /// in it, until a link has had none for a while: half of the net tick time at the most. Fresh
    /// memory halves the rate of messages of 64 MiB. With 0 none is kept. Default: 256 MiB.
    pub spare_bytes_per_node: usize,
    /// How deeply the terms of a message may nest, at least 16, and at most 1,024, as some of what
    /// reads them takes up stack for each level: more counts as that. Default: 512.
    pub term_depth: usize,
    /// Connections that have not proved that they know the cookie, at least 1. Beyond it a new one
    /// takes the place of an old one, of the address that has most of them. Default: 64.
    pub unauthenticated_connections: usize,
    /// Milliseconds that a handshake may take; for an attempt of this node, with all that comes
    /// before: finding the address, asking EPMD and opening the connection. At least 1. Default:
    /// 5,000.
    pub handshake_ms: u64,
    /// Peers that are connected. Beyond it a further one that connects is refused, while those that
    /// are connected may connect anew; nodes that this one connects to by itself count, and are never
    /// refused. At least 1. Default: 4,096.
    pub connected_peers: usize,
    /// Monitors and links that one peer may hold on processes of this node. Default: 65,536.
    pub monitors_per_peer: usize,
    /// Group memberships that one peer may announce. Default: 65,536.
    pub memberships_per_peer: usize,
    /// Bytes of memory for the names of the groups that one peer announces, each counted with all
    /// copies that there may be of it; further groups are ignored. Room for 65,536 names of a few
    /// words, or for 400 of the most expensive ones, which have 1,024 bytes when encoded and 40 times as
    /// many as terms. Default: 64 MiB.
    pub group_name_bytes_per_peer: usize,
    /// Bytes of output of called functions that wait for the output sink. Default: 1 MiB.
    pub output_bytes: usize,
    /// Messages that wait in a mailbox, at least 1; later ones are dropped. Default: 4,096.
    pub mailbox_messages: usize,
    /// Bytes of the messages that wait in a mailbox; one message may be larger by itself. Later ones
    /// are dropped. Default: 64 MiB.
    pub mailbox_bytes: usize,
    /// Nodes that were learned from others: that are tried, connected, or left alone for a while as
    /// they cannot be reached. The last make room for new ones. Default: 4,096.
    pub learned_peers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls_per_peer: 4_096,
            calls_per_node: 65_536,
            served_per_peer: 4_096,
            served_per_node: 65_536,
            served_bytes_per_peer: 256 * 1024 * 1024,
            served_bytes_per_node: 1024 * 1024 * 1024,
            outgoing_bytes_per_peer: 64 * 1024 * 1024,
            wait_for_room: false,
            message_bytes: 256 * 1024 * 1024,
            sequences_per_link: FrameLimits::DEFAULT_SEQUENCES,
            assembly_bytes_per_link: 512 * 1024 * 1024,
            spare_bytes_per_node: 256 * 1024 * 1024,
            term_depth: 512,
            unauthenticated_connections: 64,
            handshake_ms: 5_000,
            connected_peers: 4_096,
            monitors_per_peer: 65_536,
            memberships_per_peer: 65_536,
            group_name_bytes_per_peer: 64 * 1024 * 1024,
            output_bytes: 1024 * 1024,
            mailbox_messages: 4_096,
            mailbox_bytes: 64 * 1024 * 1024,
            learned_peers: 4_096,
        }
    }
}

impl Limits {
    /// Refuses what no node could work with, as the start of a node does.
    ///
    /// # Errors
    ///
    /// `bad_request` with the name of the limit and the least that it may be.
    pub fn check(&self) -> Result<(), Error> {
        let handshake_ms = usize::try_from(self.handshake_ms).unwrap_or(usize::MAX);
        for (name, limit, least) in [
            ("calls_per_peer", self.calls_per_peer, 1),
            ("calls_per_node", self.calls_per_node, 1),
            ("message_bytes", self.message_bytes, SMALLEST_MESSAGE),
            ("sequences_per_link", self.sequences_per_link, 1),
            (
                "assembly_bytes_per_link",
                self.assembly_bytes_per_link,
                SMALLEST_MESSAGE,
            ),
            ("term_depth", self.term_depth, SHALLOWEST_TERM),
            (
                "unauthenticated_connections",
                self.unauthenticated_connections,
                1,
            ),
            ("handshake_ms", handshake_ms, 1),
            ("connected_peers", self.connected_peers, 1),
            ("mailbox_messages", self.mailbox_messages, 1),
        ] {
            if limit < least {
                return Err(Error::bad_request(format!(
                    "the limit `{name}` is {limit}, at least {least} is needed"
                )));
            }
        }
        Ok(())
    }
}

/// What nodes say to each other by themselves fits into this.
const SMALLEST_MESSAGE: usize = 4 * 1024;

/// What nodes say to each other by themselves nests no deeper.
const SHALLOWEST_TERM: usize = 16;

/// A thread of tokio has room for terms of this depth.
const DEEPEST_TERM: usize = 1_024;

impl From<&Limits> for beam_term::Limits {
    fn from(limits: &Limits) -> Self {
        let mut terms = Self::default();
        terms.depth = limits.term_depth.min(DEEPEST_TERM);
        terms
    }
}

impl From<&Limits> for FrameLimits {
    fn from(limits: &Limits) -> Self {
        Self {
            message_bytes: limits.message_bytes,
            sequences: limits.sequences_per_link,
            assembly_bytes: limits.assembly_bytes_per_link,
        }
    }
}
