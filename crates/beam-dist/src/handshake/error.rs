//! How a handshake can fail.

use std::fmt;

use thiserror::Error;

use super::{Decision, MAX_PACKET_LEN};
use crate::{Flags, InvalidNodeName, NodeName};

/// Why a handshake came to nothing. The connection is of no further use.
///
/// No variant carries or prints anything that was made from a cookie.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The peer proved that it has another cookie.
    #[error("{peer} has another cookie: nodes of a cluster must share one")]
    CookieMismatch {
        /// The node at the other end.
        peer: NodeName,
    },

    /// The peer closed the connection when it saw the digest, as nodes do that have another cookie.
    #[error("{peer} refused the cookie: nodes of a cluster must share one")]
    CookieRefused {
        /// The node at the other end.
        peer: NodeName,
    },

    /// The peer does not want to be connected to.
    #[error(
        "{peer} does not allow this node to connect: it is shutting down, it has a list of nodes that may, \
         it has as many peers as it may have, or the two differ too much"
    )]
    NotAllowed {
        /// The node at the other end.
        peer: NodeName,
    },

    /// Both nodes connected to each other at the same time, and the peer's attempt survives.
    ///
    /// No fault: the peer's connection arrives, or has arrived already.
    #[error("{peer} connected to this node at the same time, and its attempt has precedence")]
    SimultaneousLost {
        /// The node at the other end.
        peer: NodeName,
    },

    /// There was a link to a node of this name already, and the new attempt was given up for it.
    #[error("there is a link with {peer} already")]
    AliveRefused {
        /// The node at the other end.
        peer: NodeName,
    },

    /// The own node decided against the peer.
    #[error("{peer} was refused by this node ({decision:?})")]
    Refused {
        /// The node that wanted to connect, or only its host if it asked for a name.
        peer: String,
        /// What was decided.
        decision: Decision,
    },

    /// The peer has the own node's name.
    #[error(
        "the peer has this node's own name {name}: it is this node itself, or two share a name"
    )]
    OwnName {
        /// The name that both have.
        name: NodeName,
    },

    /// Another node than the one that was dialled answered.
    #[error(
        "the node that answered is {answered}, not {dialled}: \
         check the address, the port and what epmd knows"
    )]
    WrongPeer {
        /// The node that was to be reached.
        dialled: NodeName,
        /// The node that was.
        answered: NodeName,
    },

    /// The peer cannot do what every node must.
    #[error("{peer} cannot do {missing}, which is mandatory: Erlang/OTP 25 or later is needed")]
    MissingFlags {
        /// The node at the other end, or only its host if it asked for a name.
        peer: String,
        /// What it lacks.
        missing: Flags,
    },

    /// The peer speaks version 5 of the handshake, as nodes before OTP 23 did.
    #[error("the peer speaks version 5 of the handshake: Erlang/OTP 25 or later is needed")]
    OldVersion,

    /// The name that the peer says it has is none.
    #[error("the peer has no proper name: {0}")]
    InvalidName(#[from] InvalidNodeName),

    /// A name was given for another host than the one that asked for it.
    #[error("the name {given} was given to a node on the host {host}")]
    NameForOtherHost {
        /// The name.
        given: NodeName,
        /// The host of the node that asked.
        host: String,
    },

    /// The peer answered a node without a name, but gave it none.
    #[error("{peer} gives no names: connect with a name of one's own")]
    NoNameGiven {
        /// The node at the other end.
        peer: NodeName,
    },

    /// The peer answered with a status that does not exist or does not fit.
    #[error("the peer answered with the status {status:?}, which means nothing here")]
    UnknownStatus {
        /// The beginning of it.
        status: String,
    },

    /// The peer sent something that is no packet of the handshake.
    #[error("malformed {stage} from the peer: it may be no Erlang node, or one that wants TLS")]
    Malformed {
        /// What was expected.
        stage: Stage,
    },

    /// The peer sent a packet that is longer than any of a handshake.
    #[error(
        "the peer sent a packet of {len} bytes, more than {MAX_PACKET_LEN}: \
         it may be no Erlang node, or one that wants TLS"
    )]
    TooLong {
        /// Bytes that the packet would have.
        len: usize,
    },

    /// The peer sent a packet when it was not its turn, or the driver acted when it was not its.
    #[error("a step of the handshake came out of turn")]
    OutOfTurn,

    /// The peer closed the connection.
    #[error("the peer closed the connection before its {stage}")]
    Closed {
        /// What was expected.
        stage: Stage,
    },
}

/// What a side of a handshake waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// The name of the node that connects.
    Name,
    /// What the node that accepts decided.
    Status,
    /// Whether the node that connects knows of a link.
    AliveReply,
    /// The challenge of the node that accepts.
    Challenge,
    /// The digest and the challenge of the node that connects.
    Reply,
    /// The digest of the node that accepts.
    Ack,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::Status => "status",
            Self::AliveReply => "answer to the status alive",
            Self::Challenge => "challenge",
            Self::Reply => "challenge reply",
            Self::Ack => "challenge acknowledgement",
        })
    }
}
