//! Messages that arrive in fragments.

use std::{
    collections::btree_map::{BTreeMap, Entry},
    fmt,
};

use beam_term::AtomRefs;
use bytes::Bytes;

use super::{FrameDecodeError, FrameLimits};

/// The messages of which some but not all fragments have arrived. Their fragments may alternate.
///
/// A fragment is copied once, out of the receive buffer to the end of its message. The receive
/// buffer is then free to be used again, however slowly the rest of the message comes. Memory is
/// taken in proportion to what has arrived, not to what is announced.
pub(super) struct Assembly {
    sequences: BTreeMap<u64, Sequence>,
    /// How many bytes have arrived of all messages.
    bytes: usize,
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
    /// The fragment that is due. The last one is 1.
    next: u64,
    atoms: AtomRefs,
    /// How many bytes the header with the atoms has.
    header_bytes: usize,
    terms: Vec<u8>,
    /// How long the message will be if the other fragments are no longer than the first.
    expected: usize,
}

/// Up to here, memory is taken for four times what has arrived, beyond it for twice that, so that
/// the usual large message is copied little more than once.
const EAGER_BYTES: usize = 1024 * 1024;

impl Assembly {
    pub(super) fn new(limits: FrameLimits) -> Self {
        Self {
            sequences: BTreeMap::new(),
            bytes: 0,
            limits,
        }
    }

    /// Takes the first of `fragments` fragments, after a header of so many bytes.
    pub(super) fn begin(
        &mut self,
        sequence: u64,
        fragments: u64,
        atoms: AtomRefs,
        header_bytes: usize,
        terms: &[u8],
    ) -> Result<Option<Assembled>, FrameDecodeError> {
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
        let expected = (terms.len() as u64).saturating_mul(fragments);
        place.insert(Sequence {
            next: fragments,
            atoms,
            header_bytes,
            terms: Vec::new(),
            expected: usize::try_from(expected).unwrap_or(usize::MAX),
        });
        self.bytes += header_bytes;
        self.proceed(sequence, fragments, terms)
    }

    /// Takes the next fragment, the one after which `id - 1` are left.
    pub(super) fn proceed(
        &mut self,
        sequence: u64,
        id: u64,
        terms: &[u8],
    ) -> Result<Option<Assembled>, FrameDecodeError> {
        let Entry::Occupied(mut place) = self.sequences.entry(sequence) else {
            return Err(FrameDecodeError::UnknownSequence { sequence });
        };
        let message = place.get_mut();
        if message.next != id {
            return Err(FrameDecodeError::FragmentOrder {
                sequence,
                expected: message.next,
                found: id,
            });
        }
        let limit = self.limits.message_bytes;
        let bytes = message.terms.len() + terms.len();
        if bytes > limit {
            return Err(FrameDecodeError::MessageTooLarge { bytes, limit });
        }
        let limit = self.limits.assembly_bytes;
        self.bytes += terms.len();
        if self.bytes > limit {
            return Err(FrameDecodeError::TooMuchUnderAssembly { limit });
        }
        message.append(terms);
        message.next -= 1;
        if message.next > 0 {
            return Ok(None);
        }
        let message = place.remove();
        self.bytes -= message.header_bytes + message.terms.len();
        Ok(Some(Assembled {
            atoms: message.atoms,
            terms: message.terms.into(),
        }))
    }
}

impl Sequence {
    fn append(&mut self, terms: &[u8]) {
        let length = self.terms.len() + terms.len();
        if self.terms.capacity() < length {
            let factor = if length < EAGER_BYTES { 4 } else { 2 };
            let capacity = self.expected.clamp(length, factor * length);
            self.terms.reserve_exact(capacity - self.terms.len());
        }
        self.terms.extend_from_slice(terms);
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
