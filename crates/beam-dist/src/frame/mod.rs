//! Frames: how messages are put on a link.
//!
//! Every frame begins with its length in 4 bytes; one of length 0 is a tick, which says no more
//! than that the sender is alive. What follows depends on what the nodes negotiated
//! ([`Flags`](crate::Flags)):
//!
//! - with `DIST_HDR_ATOM_CACHE` or `FRAGMENTS`: a distribution header, the control message and the
//!   payload. The header lists the atoms that the terms refer to by number, which a cache on both
//!   sides shortens further. With `FRAGMENTS`, what is longer than 64 KiB comes as a row of frames,
//!   among which other frames may be.
//! - with neither: the byte 112, then the control message and the payload, each after its version
//!   byte.
//!
//! [`FrameDecoder`] takes what was read from a link and gives events; [`FrameEncoder`] puts
//! messages where they will be written to a link from. Neither reads or writes by itself.
//!
//! ```
//! use beam_dist::{
//!     Flags, Message,
//!     control::{Control, Demonitor, Target},
//!     frame::{Encoded, Event, FrameDecoder, FrameEncoder, FrameLimits},
//! };
//! use beam_term::{Atom, Pid, Reference};
//! use bytes::BytesMut;
//!
//! let node = Atom::from_static("a@localhost");
//! let control = Control::Demonitor(Demonitor {
//!     from: Pid { node: node.clone(), id: 102, serial: 0, creation: 7 },
//!     to: Target::Name(Atom::from_static("rex")),
//!     reference: Reference::new(node, 7, &[1, 2, 3])?,
//! });
//!
//! let negotiated = Flags::for_node(false);
//! let mut link = BytesMut::new();
//! FrameEncoder::new(negotiated, FrameLimits::default()).encode(&control, &mut link)?;
//!
//! let mut decoder = FrameDecoder::new(negotiated, FrameLimits::default());
//! match decoder.decode(&mut link)? {
//!     Some(Event::Message(message)) => assert_eq!(message.control, control),
//!     other => panic!("{other:?}"),
//! }
//! assert!(decoder.decode(&mut link)?.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Source: "Protocol between Connected Nodes" and "Distribution Header" in the chapters
//! "Distribution Protocol" and "External Term Format" of the ERTS user's guide.

mod assembly;
mod atom_cache;
mod decoder;
mod encoder;
mod error;
mod form;
mod fragments;
mod header;
mod layout;
mod limits;
mod spare;
mod terms;

pub use self::{
    decoder::{Event, FrameDecoder},
    encoder::{Encoded, FrameEncoder, TICK},
    error::{FrameDecodeError, FrameEncodeError},
    fragments::{FRAGMENT_BYTES, Fragment, Fragments},
    limits::FrameLimits,
    spare::SpareMemory,
};
