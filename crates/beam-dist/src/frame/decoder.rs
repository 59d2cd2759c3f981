//! Received frames.

use beam_term::{DecodeError, Limits};
use bytes::{Buf, BufMut, BytesMut, buf::Limit};

use super::{
    FRAGMENT_BYTES, FrameDecodeError, FrameLimits,
    assembly::{Assembled, Assembly},
    atom_cache::AtomCache,
    form::Form,
    header::Header,
    layout::LENGTH_BYTES,
    spare::SpareMemory,
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
    /// A message whose payload is beyond the [`Limits`] of terms: nested too
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
    /// The last frame was a fragment, so that others are likely to follow.
    in_fragments: bool,
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
            in_fragments: false,
        }
    }

    /// Sets the limits on the terms of payloads, which those who decode them are held to as well;
    /// the default ones otherwise. What is beyond them comes as an [`Event::Refused`].
    pub fn with_term_limits(mut self, limits: Limits) -> Self {
        self.term_limits = limits;
        self
    }

    /// Shares a bound on the memory that is kept for large messages with other links, which keeps up
    /// to [`SpareMemory::DEFAULT_BYTES`] by itself otherwise.
    pub fn with_spare_memory(mut self, memory: SpareMemory) -> Self {
        self.assembly.share(memory);
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
        loop {
            if self.assembly.is_arriving() {
                match self.assembly.fill(buffer) {
                    Some(message) => return self.event(message).map(Some),
                    None if self.assembly.is_arriving() => break,
                    None => continue,
                }
            }
            let Some(length) = self.frame_length(buffer)? else {
                break;
            };
            if buffer.len() - LENGTH_BYTES < length && !self.is_fragment(buffer, length) {
                break;
            }
            buffer.advance(LENGTH_BYTES);
            if length == 0 {
                return Ok(Some(Event::Tick));
            }
            if let Some(message) = self.frame(length, buffer)? {
                return self.event(message).map(Some);
            }
        }
        make_room(buffer, self.missing(buffer));
        Ok(None)
    }

    /// Where the next bytes of the link are best read to: `received`, which then is to be
    /// [decoded](Self::decode), or the memory of the message that they belong to, so that a large
    /// message is not copied. To be called after `decode` gave `None`. There is room for at least one
    /// byte, and for up to `most` in `received`.
    pub fn read_buffer<'a>(
        &'a mut self,
        received: &'a mut BytesMut,
        most: usize,
    ) -> Limit<&'a mut dyn BufMut> {
        let missing = self.missing(received);
        match self.assembly.room() {
            Some((terms, room)) => (terms as &mut dyn BufMut).limit(room),
            None => {
                // With no more than the beginning of a fragment, the rest can be read to its place.
                let limit = if self.in_fragments {
                    most.min(missing + FRAGMENT_HEAD_BYTES)
                } else {
                    most
                };
                received.reserve(limit);
                (received as &mut dyn BufMut).limit(limit)
            }
        }
    }

    /// Lets go of memory that is kept for large messages, if there was none since the last call. To be
    /// called from time to time.
    pub fn rest(&mut self) {
        self.assembly.rest();
    }

    /// The length of the first frame, if that much is there.
    fn frame_length(&self, buffer: &BytesMut) -> Result<Option<usize>, FrameDecodeError> {
        let Some(length) = buffer.first_chunk() else {
            return Ok(None);
        };
        let bytes = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let limit = self.limits.message_bytes;
        if bytes > limit {
            return Err(FrameDecodeError::MessageTooLarge { bytes, limit });
        }
        Ok(Some(bytes))
    }

    /// How many bytes are missing of the first frame, as far as is known.
    fn missing(&self, buffer: &BytesMut) -> usize {
        match self.frame_length(buffer) {
            Ok(Some(length)) => (LENGTH_BYTES + length).saturating_sub(buffer.len()),
            _ => 0,
        }
    }

    /// Whether the first frame is a further fragment of which the header is there: the rest may come
    /// piece by piece.
    fn is_fragment(&self, buffer: &BytesMut, length: usize) -> bool {
        self.form.fragments()
            && length >= Header::FURTHER_BYTES
            && buffer.len() >= LENGTH_BYTES + Header::FURTHER_BYTES
            && Header::is_further(&buffer[LENGTH_BYTES..])
    }

    /// Takes a frame without its length off the front of `buffer`, or the header of a further
    /// fragment. `None`: its message is not complete.
    fn frame(
        &mut self,
        length: usize,
        buffer: &mut BytesMut,
    ) -> Result<Option<Assembled>, FrameDecodeError> {
        let there = length.min(buffer.len());
        let mut rest = &buffer[..there];
        let header = Header::decode(&mut rest, self.form, &mut self.cache)?;
        let header_bytes = there - rest.len();
        let terms = length - header_bytes;
        buffer.advance(header_bytes);
        self.in_fragments = !matches!(header, Header::Whole(_));
        match header {
            Header::Whole(atoms) => {
                let terms = buffer.split_to(terms).freeze();
                return Ok(Some(Assembled { atoms, terms }));
            }
            Header::First {
                sequence,
                fragments,
                atoms,
            } => self
                .assembly
                .begin(sequence, fragments, atoms, header_bytes, terms)?,
            Header::Further { sequence, id } => self.assembly.proceed(sequence, id, terms)?,
        }
        Ok(self.assembly.fill(buffer))
    }

    /// What a message is that has arrived.
    fn event(&self, message: Assembled) -> Result<Event, FrameDecodeError> {
        let Assembled { atoms, terms } = message;
        let versioned = self.form.versioned_terms();
        terms::decode(terms, atoms, versioned, self.term_limits)
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

/// How much is read at a time where fragments arrive: enough for a header and a few small messages.
const FRAGMENT_HEAD_BYTES: usize = 4 * 1024;
