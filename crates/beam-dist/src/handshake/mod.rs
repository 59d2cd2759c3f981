//! The handshake that opens a link: version 6, without I/O.
//!
//! The node that connects runs an [`Initiator`], the one that listens an [`Acceptor`]. Each is fed
//! the packets that the other side sent and answers with an event; whatever is to be sent waits in
//! its `outgoing`, after errors too. Packets are cut from the byte stream by [`take_packet`]; over TLS
//! their lengths are longer, which [`take_long_packet`] and [`with_long_lengths`] are for.
//!
//! ```text
//!   initiator                                acceptor
//!       │ ── name: flags, creation, name ──────► │
//!       │                                        │  decide: is this peer welcome?
//!       │ ◄── status: ok, nok, alive, … ──────── │
//!       │ ◄── challenge: flags, number, name ─── │
//!       │ ── reply: digest, own number ────────► │  the peer knows the cookie
//!       │ ◄── ack: digest ────────────────────── │
//!       ▼ so does this one                       ▼
//! ```
//!
//! A digest is the MD5 of the cookie and the other side's number, so that each side proves that it
//! has the cookie without sending it. Neither side is safe from one who can change packets on their
//! way; that is the business of TLS.
//!
//! How long a handshake may take is for the driver to say. See "Distribution Handshake" in the
//! chapter "Distribution Protocol" of the ERTS reference.

mod acceptor;
mod challenge;
mod decision;
mod error;
mod identity;
mod initiator;
mod packet;

pub use acceptor::{Acceptor, AcceptorEvent};
pub use challenge::Challenge;
pub use decision::{Decision, simultaneous};
pub use error::{HandshakeError, Stage};
pub use identity::{Established, Identity};
pub use initiator::{Initiator, InitiatorEvent};
pub use packet::{MAX_PACKET_LEN, take_long_packet, take_packet, with_long_lengths};

#[cfg(test)]
mod tests;
