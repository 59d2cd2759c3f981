//! What goes from one host to another.

use bytes::Bytes;

use super::connection::{ConnectionId, Side};

/// Something that one end of a connection sends to the other.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) connection: ConnectionId,
    /// The end that it is for.
    pub(super) to: Side,
    pub(super) body: Body,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    /// May I connect?
    Syn,
    /// Yes.
    SynAck,
    Data(Bytes),
    /// So many bytes were read: there is room for as many more.
    Credit(usize),
    /// There is no more to come.
    Fin,
    /// There is no such connection, or no more.
    Rst,
}

impl Body {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Syn => "SYN",
            Self::SynAck => "SYN-ACK",
            Self::Data(_) => "data",
            Self::Credit(_) => "credit",
            Self::Fin => "FIN",
            Self::Rst => "RST",
        }
    }

    /// For traces: what it is, and how long.
    pub(super) fn summary(&self) -> u64 {
        let (kind, length) = match self {
            Self::Syn => (1, 0),
            Self::SynAck => (2, 0),
            Self::Data(bytes) => (3, bytes.len()),
            Self::Credit(bytes) => (4, *bytes),
            Self::Fin => (5, 0),
            Self::Rst => (6, 0),
        };
        (length as u64) << 3 | kind
    }
}
