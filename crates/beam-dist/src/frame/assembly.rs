//! Messages that arrive in fragments.

use std::{
    collections::btree_map::{BTreeMap, Entry},
    fmt,
};

use beam_term::AtomRefs;
use bytes::{Buf, Bytes, BytesMut};

use super::{
    FRAGMENT_BYTES, FrameDecodeError, FrameLimits,
    spare::{Reserved, Spare, SpareMemory},
};

/// The messages of which some but not all fragments have arrived. Their fragments may alternate.
///
/// What has arrived of a fragment goes to the end of its message: what is in the receive buffer is
/// copied there, and the rest can be [read](Self::room) straight to it. The receive buffer is then
/// free to be used again, however slowly the rest of the message comes. Memory is taken in
/// proportion to what has arrived, not to what is announced.
pub(super) struct Assembly {
    sequences: BTreeMap<u64, Sequence>,
    /// The message whose fragment is arriving.
    arriving: Option<u64>,
    /// How many bytes have arrived of all messages, or are to arrive of a fragment that has begun.
    bytes: usize,
    spare: Spare,
    limits: FrameLimits,
}

/// A message all of which has arrived.
#[derive(Debug)]
pub(super) struct Assembled {
    /// What its terms refer to.
    pub(super) atoms: AtomRefs,
    /// Its terms.
    pub(super) terms: Bytes,
}

struct Sequence {
    /// The fragment that is due, after the one that is arriving. The last one is 1.
    next: u64,
    atoms: AtomRefs,
    /// How many bytes the header with the atoms has.
    header_bytes: usize,
    terms: BytesMut,
    /// What is reserved for the memory of the terms, if it was of another message before.
    reserved: Option<Reserved>,
    /// How many bytes there will be at the end of the fragment that is arriving.
    end: usize,
    /// How long the message will be if the other fragments are no longer than this one.
    expected: usize,
}

/// Up to here, memory is taken for four times what has arrived, beyond it for twice that, so that
/// the usual large message is copied little more than once.
const EAGER_BYTES: usize = 1024 * 1024;

impl Assembly {
    pub(super) fn new(limits: FrameLimits) -> Self {
        Self {
            sequences: BTreeMap::new(),
            arriving: None,
            bytes: 0,
            spare: Spare::default(),
            limits,
        }
    }

    /// Shares what is kept of memory for large messages with others.
    pub(super) fn share(&mut self, memory: SpareMemory) {
        self.spare = Spare::new(memory);
    }

    /// Begins a message of so many fragments, after a header of so many bytes. The first has
    /// `length` bytes of terms.
    pub(super) fn begin(
        &mut self,
        sequence: u64,
        fragments: u64,
        atoms: AtomRefs,
        header_bytes: usize,
        length: usize,
    ) -> Result<(), FrameDecodeError> {
        if fragments == 0 {
            return Err(FrameDecodeError::NoFragments { sequence });
        }
        let limit = self.limits.sequences;
        let is_full = self.sequences.len() >= limit;
        let Entry::Vacant(place) = self.sequences.entry(sequence) else {
            return Err(FrameDecodeError::DuplicateSequence { sequence });
        };
        if is_full {
            return Err(FrameDecodeError::TooManySequences { limit });
        }
        place.insert(Sequence {
            next: fragments,
            atoms,
            header_bytes,
            terms: BytesMut::new(),
            reserved: None,
            end: 0,
            expected: 0,
        });
        self.bytes += header_bytes;
        self.proceed(sequence, fragments, length)
    }

    /// Begins the next fragment, the one after which `id - 1` are left, of so many bytes. They are to
    /// be [filled](Self::fill) in.
    pub(super) fn proceed(
        &mut self,
        sequence: u64,
        id: u64,
        length: usize,
    ) -> Result<(), FrameDecodeError> {
        let Some(message) = self.sequences.get_mut(&sequence) else {
            return Err(FrameDecodeError::UnknownSequence { sequence });
        };
        if message.next != id {
            return Err(FrameDecodeError::FragmentOrder {
                sequence,
                expected: message.next,
                found: id,
            });
        }
        let limit = self.limits.message_bytes;
        let bytes = message.terms.len() + length;
        if bytes > limit {
            return Err(FrameDecodeError::MessageTooLarge { bytes, limit });
        }
        let limit = self.limits.assembly_bytes;
        self.bytes += length;
        if self.bytes > limit {
            return Err(FrameDecodeError::TooMuchUnderAssembly { limit });
        }
        message.next -= 1;
        message.end = bytes;
        let further = (length as u64).saturating_mul(message.next);
        message.expected = bytes.saturating_add(usize::try_from(further).unwrap_or(usize::MAX));
        self.arriving = Some(sequence);
        Ok(())
    }

    /// Whether a part of a fragment is still to come.
    pub(super) fn is_arriving(&self) -> bool {
        self.arriving.is_some()
    }

    /// Takes off the front of `received` what belongs to the fragment that is arriving. Gives the
    /// message if that is its end.
    pub(super) fn fill(&mut self, received: &mut BytesMut) -> Option<Assembled> {
        let sequence = self.arriving?;
        let Entry::Occupied(mut place) = self.sequences.entry(sequence) else {
            return None;
        };
        let message = place.get_mut();
        let arrived = message.missing().min(received.len());
        message.append(&received[..arrived], &mut self.spare);
        received.advance(arrived);
        if message.missing() > 0 {
            return None;
        }
        self.arriving = None;
        if message.next > 0 {
            return None;
        }
        let message = place.remove();
        self.bytes -= message.header_bytes + message.terms.len();
        Some(Assembled {
            atoms: message.atoms,
            terms: self.spare.keep(message.terms, message.reserved),
        })
    }

    /// Lets go of memory that is kept for messages, if there was none since the last call.
    pub(super) fn rest(&mut self) {
        self.spare.rest();
    }

    /// Where what is still to come of the fragment that is arriving goes, or the next part of it, and
    /// how many bytes that is.
    pub(super) fn room(&mut self) -> Option<(&mut BytesMut, usize)> {
        let message = self.sequences.get_mut(&self.arriving?)?;
        let missing = message.missing();
        let arrived = message.terms.len();
        if message.terms.capacity() == arrived {
            message.make_room(arrived, &mut self.spare);
        }
        let room = message.terms.capacity() - arrived;
        Some((&mut message.terms, missing.min(room)))
    }
}

impl Sequence {
    /// How many bytes of the fragment that is arriving are still to come.
    fn missing(&self) -> usize {
        self.end - self.terms.len()
    }

    fn append(&mut self, terms: &[u8], spare: &mut Spare) {
        let length = self.terms.len() + terms.len();
        if self.terms.capacity() < length {
            self.make_room(length, spare);
        }
        self.terms.extend_from_slice(terms);
    }

    /// Makes room for what has arrived, and for more of the message as long as that is in proportion.
    /// How long the message and its fragments are is only a claim.
    fn make_room(&mut self, arrived: usize, spare: &mut Spare) {
        if let Some((mut memory, reserved)) = spare.take(self.expected) {
            memory.extend_from_slice(&self.terms);
            self.terms = memory;
            self.reserved = Some(reserved);
            return;
        }
        let fragment = (self.end - arrived).min(arrived.max(FRAGMENT_BYTES));
        let factor = if arrived < EAGER_BYTES { 4 } else { 2 };
        let capacity = (factor * arrived).max(arrived + fragment);
        // The last fragment is shorter than the others, so that the message may just fit where less than
        // what is expected would; and the memory then would not do for the next one of its kind.
        let is_nearly_all = capacity + FRAGMENT_BYTES >= self.expected;
        let capacity = match arrived >= FRAGMENT_BYTES && is_nearly_all {
            true => self.expected.max(arrived + fragment),
            false => self.expected.min(capacity).max(arrived + fragment),
        };
        self.terms.reserve(capacity - self.terms.len());
    }
}

impl fmt::Debug for Assembly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembly")
            .field("sequences", &self.sequences.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
