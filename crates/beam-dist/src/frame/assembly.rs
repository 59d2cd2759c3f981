//! Messages that arrive in fragments.

use std::fmt;

use beam_term::AtomRefs;
use bytes::Bytes;

use super::{FrameDecodeError, FrameLimits};

/// The messages of which some but not all fragments have arrived. Their fragments may alternate.
///
/// A fragment is copied once, out of the receive buffer to the end of its message. The receive
/// buffer is then free to be used again, however slowly the rest of the message comes, and nothing
/// but what has arrived takes memory: a message holds at most twice its arrived bytes, or
/// [`FIRST_RESERVE`] if that is more.
pub(super) struct Assembly {
    sequences: Vec<Sequence>,
    /// How many bytes of all messages have arrived.
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
    id: u64,
    /// The fragment that is due. The last one is 1.
    next: u64,
    atoms: AtomRefs,
    terms: Vec<u8>,
    /// How long the message will be if the other fragments are no longer than the first.
    expected: usize,
}

/// How much a peer can have reserved by announcing fragments that do not come.
const FIRST_RESERVE: usize = 1024 * 1024;

impl Assembly {
    pub(super) fn new(limits: FrameLimits) -> Self {
        Self {
            sequences: Vec::new(),
            bytes: 0,
            limits,
        }
    }

    /// Takes the first of `fragments` fragments.
    pub(super) fn begin(
        &mut self,
        sequence: u64,
        fragments: u64,
        atoms: AtomRefs,
        terms: &[u8],
    ) -> Result<Option<Assembled>, FrameDecodeError> {
        if self.sequences.iter().any(|other| other.id == sequence) {
            return Err(FrameDecodeError::DuplicateSequence { sequence });
        }
        if self.sequences.len() >= self.limits.sequences {
            return Err(FrameDecodeError::TooManySequences {
                limit: self.limits.sequences,
            });
        }
        if fragments == 0 {
            return Err(FrameDecodeError::NoFragments { sequence });
        }
        let length = terms.len() as u64;
        self.sequences.push(Sequence {
            id: sequence,
            next: fragments,
            atoms,
            terms: Vec::new(),
            expected: usize::try_from(length.saturating_mul(fragments)).unwrap_or(usize::MAX),
        });
        self.proceed(sequence, fragments, terms)
    }

    /// Takes the next fragment, the one after which `id - 1` are left.
    pub(super) fn proceed(
        &mut self,
        sequence: u64,
        id: u64,
        terms: &[u8],
    ) -> Result<Option<Assembled>, FrameDecodeError> {
        let at = self
            .sequences
            .iter()
            .position(|other| other.id == sequence)
            .ok_or(FrameDecodeError::UnknownSequence { sequence })?;
        let under_way = &mut self.sequences[at];
        if under_way.next != id {
            return Err(FrameDecodeError::FragmentOrder {
                sequence,
                expected: under_way.next,
                found: id,
            });
        }
        let limit = self.limits.message_bytes;
        let bytes = under_way.terms.len() + terms.len();
        if bytes > limit {
            return Err(FrameDecodeError::MessageTooLarge { bytes, limit });
        }
        let limit = self.limits.assembly_bytes;
        self.bytes += terms.len();
        if self.bytes > limit {
            return Err(FrameDecodeError::TooMuchUnderAssembly { limit });
        }
        under_way.append(terms);
        under_way.next -= 1;
        if under_way.next > 0 {
            return Ok(None);
        }
        let complete = self.sequences.swap_remove(at);
        self.bytes -= complete.terms.len();
        Ok(Some(Assembled {
            atoms: complete.atoms,
            terms: complete.terms.into(),
        }))
    }
}

impl Sequence {
    /// Appends, with memory for what is expected, or for as much again as has arrived if that is
    /// less.
    fn append(&mut self, terms: &[u8]) {
        let length = self.terms.len() + terms.len();
        if self.terms.capacity() < length {
            let capacity = self
                .expected
                .min((2 * length).max(FIRST_RESERVE))
                .max(length);
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
