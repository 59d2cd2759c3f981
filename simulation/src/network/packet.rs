//! What goes from one host to another.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;

use super::connection::{ConnectionId, Side};

/// Something that one end of a connection sends to the other.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) connection: ConnectionId,
    /// The end that it is for.
    pub(super) to: Side,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    /// May I connect?
    Syn,
    /// Yes.
    SynAck,
    Data(Data),
    /// So many bytes were read: there is room for as many more.
    Credit(usize),
    /// There is no more to come.
    Fin,
    /// There is no such connection, or no more.
    Rst,
}

/// Bytes of a stream, which count while the network holds them.
#[derive(Debug)]
pub(super) struct Data {
    bytes: Bytes,
    /// How many there were at first: all of their memory is held until the last one is read.
    counted: usize,
    held: Arc<AtomicUsize>,
}

impl Data {
    pub(super) fn new(bytes: &[u8], held: &Arc<AtomicUsize>) -> Self {
        held.fetch_add(bytes.len(), Ordering::Relaxed);
        Self {
            bytes: Bytes::copy_from_slice(bytes),
            counted: bytes.len(),
            held: Arc::clone(held),
        }
    }

    /// Takes at most so many from the front.
    pub(super) fn read(&mut self, most: usize) -> Bytes {
        self.bytes.split_to(most.min(self.bytes.len()))
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        self.held.fetch_sub(self.counted, Ordering::Relaxed);
    }
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
