//! Received frames.

use beam_term::{DecodeError, Limits};
use bytes::{Buf, BytesMut};

use super::{
    FRAGMENT_BYTES, FrameDecodeError, FrameLimits,
    assembly::{Assembled, Assembly},
    atom_cache::AtomCache,
    form::Form,
    header::Header,
    layout::LENGTH_BYTES,
    terms,
};
use crate::{Flags, Message, control::Control};

/// What a frame brings.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A sign of life, and nothing else.
    Tick,
    /// A message.
    Message(Message),
    /// A message whose payload is beyond the [`Limits`](beam_term::Limits) of terms: nested too
    /// deep, or of too many elements. OTP has no such limits, so nobody broke the protocol; the
    /// payload is lost, and the link can go on.
    Refused {
        /// The control message.
        control: Control,
        /// Which limit it is.
        error: DecodeError,
    },
}

/// The receiving side of a link: takes frames off the buffer that the link is read into.
///
/// It holds what a link keeps between frames: the atom cache of the peer, and the messages of which
/// not all fragments have arrived. Both are bounded, the latter by [`FrameLimits`].
#[derive(Debug)]
pub struct FrameDecoder {
    form: Form,
    limits: FrameLimits,
    term_limits: Limits,
    cache: AtomCache,
    assembly: Assembly,
}

impl FrameDecoder {
    /// How many bytes a link should be read for at a time, at least: 16 KiB.
    pub const READ_BYTES: usize = 16 * 1024;

    /// For a link whose nodes negotiated these flags ([`Flags::negotiate`]).
    pub fn new(negotiated: Flags, limits: FrameLimits) -> Self {
        Self {
            form: Form::new(negotiated),
            limits,
            term_limits: Limits::default(),
            cache: AtomCache::default(),
            assembly: Assembly::new(limits),
        }
    }

    /// Sets the limits on the terms of payloads, which those who decode them are held to as well;
    /// the default ones otherwise. What is beyond them comes as an [`Event::Refused`].
    pub fn with_term_limits(mut self, limits: Limits) -> Self {
        self.term_limits = limits;
        self
    }

    /// Takes frames off the front of `buffer` until one gives an event. `None`: more bytes are
    /// needed, and `buffer` has room for [`READ_BYTES`](Self::READ_BYTES) or more of them.
    ///
    /// Payloads and long atoms are slices of the memory of `buffer`. As long as one of them lives,
    /// so does all that `buffer` had when it was read; after that, the memory is used again.
    ///
    /// # Errors
    ///
    /// After an error the link must be closed: this side no longer knows what the peer believes.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Event>, FrameDecodeError> {
        while let Some(length) = self.whole_frame(buffer)? {
            buffer.advance(LENGTH_BYTES);
            if length == 0 {
                return Ok(Some(Event::Tick));
            }
            if let Some(event) = self.frame(length, buffer)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// The length of the first frame if all of it is there; else makes room for more of it.
    fn whole_frame(&self, buffer: &mut BytesMut) -> Result<Option<usize>, FrameDecodeError> {
        let mut missing = 0;
        if let Some(length) = buffer.first_chunk() {
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            let limit = self.limits.message_bytes;
            if length > limit {
                return Err(FrameDecodeError::MessageTooLarge {
                    bytes: length,
                    limit,
                });
            }
            let arrived = buffer.len() - LENGTH_BYTES;
            if arrived >= length {
                return Ok(Some(length));
            }
            missing = length - arrived;
        }
        make_room(buffer, missing);
        Ok(None)
    }

    /// Takes a frame without its length off the front of `buffer`. `None`: its message is not
    /// complete.
    fn frame(
        &mut self,
        length: usize,
        buffer: &mut BytesMut,
    ) -> Result<Option<Event>, FrameDecodeError> {
        let mut rest = &buffer[..length];
        let assembled = match Header::decode(&mut rest, self.form, &mut self.cache)? {
            Header::Whole(atoms) => {
                let terms = rest.len();
                buffer.advance(length - terms);
                let terms = buffer.split_to(terms).freeze();
                Some(Assembled { atoms, terms })
            }
            Header::First {
                sequence,
                fragments,
                atoms,
            } => {
                let header = length - rest.len();
                let assembled = self
                    .assembly
                    .begin(sequence, fragments, atoms, header, rest)?;
                buffer.advance(length);
                assembled
            }
            Header::Further { sequence, id } => {
                let assembled = self.assembly.proceed(sequence, id, rest)?;
                buffer.advance(length);
                assembled
            }
        };
        match assembled {
            Some(Assembled { atoms, terms }) => {
                let versioned = self.form.versioned_terms();
                terms::decode(terms, atoms, versioned, self.term_limits).map(Some)
            }
            None => Ok(None),
        }
    }
}

/// Makes room to read into, and lets go of memory that was needed for one large frame.
///
/// The length of a frame is only a claim. Beyond the size of a fragment, no more room is made than
/// was filled before.
fn make_room(buffer: &mut BytesMut, missing: usize) {
    let most = buffer.len().max(FRAGMENT_BYTES + FrameDecoder::READ_BYTES);
    buffer.reserve(missing.clamp(FrameDecoder::READ_BYTES, most));
    if buffer.is_empty() && buffer.capacity() > MOST_IDLE_BYTES {
        *buffer = BytesMut::with_capacity(FrameDecoder::READ_BYTES);
    }
}

/// The most memory that an empty buffer keeps.
const MOST_IDLE_BYTES: usize = 256 * 1024;
