//! What can be wrong with frames, received or to be sent.

use beam_term::{DecodeError, EncodeError};

use crate::control::{ControlDecodeError, ControlEncodeError};

/// A received frame that this side cannot or will not take. The peer is at fault, or the limits are
/// too tight for it; after any of these the link must be closed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameDecodeError {
    /// The frame begins as no frame does under the flags that were negotiated.
    #[error("a frame of a form that was not negotiated: {found}")]
    Form {
        /// The byte that tells forms apart.
        found: u8,
    },
    /// The frame ends inside its header.
    #[error("a frame ends inside its header")]
    TruncatedHeader,
    /// The header refers to atoms, but no atom cache was negotiated.
    #[error("a header refers to an atom cache that was not negotiated")]
    NoAtomCache,
    /// The header refers to a slot of the atom cache that nothing was put into.
    #[error("a header refers to an empty slot of the atom cache")]
    EmptyCacheSlot,
    /// A text for the atom cache is no atom: not UTF-8, or more than 255 characters.
    #[error("a header has an invalid atom")]
    InvalidAtom,
    /// A message is larger than [`FrameLimits::message_bytes`](super::FrameLimits::message_bytes).
    #[error("a message of {bytes} bytes or more, the limit is {limit}")]
    MessageTooLarge {
        /// Its length, as far as it is known.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The first fragment of a message whose sequence is already under way.
    #[error("sequence {sequence} began twice")]
    DuplicateSequence {
        /// The sequence.
        sequence: u64,
    },
    /// A further fragment of a sequence that did not begin.
    #[error("a fragment of the sequence {sequence}, which did not begin")]
    UnknownSequence {
        /// The sequence.
        sequence: u64,
    },
    /// A message of no fragments.
    #[error("sequence {sequence} of no fragments")]
    NoFragments {
        /// The sequence.
        sequence: u64,
    },
    /// A fragment is missing, or comes twice.
    #[error("fragment {found} of sequence {sequence}, expected {expected}")]
    FragmentOrder {
        /// The sequence.
        sequence: u64,
        /// The fragment that is due.
        expected: u64,
        /// The fragment that came.
        found: u64,
    },
    /// [`FrameLimits::sequences`](super::FrameLimits::sequences) is exceeded.
    #[error("more than {limit} messages in fragments at a time")]
    TooManySequences {
        /// The limit.
        limit: usize,
    },
    /// [`FrameLimits::assembly_bytes`](super::FrameLimits::assembly_bytes) is exceeded.
    #[error("more than {limit} bytes of messages in fragments at a time")]
    TooMuchUnderAssembly {
        /// The limit.
        limit: usize,
    },
    /// The control message is malformed.
    #[error("malformed control message: {0}")]
    Control(#[from] ControlDecodeError),
    /// The payload is malformed.
    #[error("malformed payload: {0}")]
    Payload(DecodeError),
    /// A control message that needs a payload came without one.
    #[error("a payload is missing")]
    MissingPayload,
    /// Bytes follow that belong to nothing.
    #[error("{bytes} surplus bytes in a frame")]
    Surplus {
        /// How many.
        bytes: usize,
    },
}

/// A message that cannot be sent. Nothing was written, and the link can go on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameEncodeError {
    /// The control message cannot be encoded. The caller is at fault.
    #[error("no control message: {0}")]
    Control(#[from] ControlEncodeError),
    /// The payload cannot be encoded. The caller is at fault.
    #[error("no payload: {0}")]
    Payload(#[from] EncodeError),
    /// There is a payload, but the control message carries none, or the other way round. The caller
    /// is at fault.
    #[error("the control message and the payload do not go together")]
    PayloadMismatch,
    /// The message is larger than
    /// [`FrameLimits::message_bytes`](super::FrameLimits::message_bytes).
    #[error("a message of {bytes} bytes, the limit is {limit}")]
    MessageTooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}
