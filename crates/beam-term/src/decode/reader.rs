//! The pull parser.

use bytes::Bytes;

use super::{
    external,
    input::{truncated, unknown_tag},
    tree,
};
use crate::{AtomRefs, DecodeError, DecodeErrorKind, Kind, Limits, Term};

/// Reads terms one after another from encoded bytes: a pull parser, bounded by [`Limits`], that never recurses.
///
/// Nothing is allocated for scalars, short atoms and identifiers; binaries and long atoms are slices of the input. After an
/// error, what the reader yields is unspecified, yet still bounded.
///
/// ```
/// use beam_term::Reader;
///
/// // {ok, 7, <<"seven">>}
/// let mut reader = Reader::new(b"h\x03w\x02oka\x07m\x00\x00\x00\x05seven".as_slice());
/// reader.tuple_of(3)?;
/// assert_eq!(reader.atom()?, "ok");
/// assert_eq!(reader.integer::<u32>()?, 7);
/// assert_eq!(reader.binary()?, "seven");
/// assert!(reader.is_empty());
/// # Ok::<(), beam_term::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reader {
    pub(crate) bytes: Bytes,
    pub(crate) position: usize,
    pub(super) atoms: AtomRefs,
    pub(super) limits: Limits,
    pub(super) elements_left: usize,
    /// Whether there was a native record.
    pub(super) records: bool,
    /// Whether atoms are copied.
    pub(super) detaches_atoms: bool,
}

impl Reader {
    /// Reads terms that no version byte precedes, as in a distribution message.
    #[inline]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let limits = Limits::default();
        Self {
            bytes: bytes.into(),
            position: 0,
            atoms: AtomRefs::default(),
            limits,
            elements_left: limits.elements,
            records: false,
            detaches_atoms: false,
        }
    }

    /// Reads a term in the external format: after the version byte 131, and perhaps compressed.
    pub fn external(bytes: impl Into<Bytes>, limits: Limits) -> Result<Self, DecodeError> {
        let bytes = external::open(bytes.into(), &limits)?;
        Ok(Self::new(bytes).with_limits(limits))
    }

    /// Sets the atoms that the terms may refer to; none otherwise.
    #[inline]
    pub fn with_atoms(mut self, atoms: AtomRefs) -> Self {
        self.atoms = atoms;
        self
    }

    /// Sets whether long atoms are copied rather than be slices of the input, as for what outlives it by
    /// far and is small; `false` otherwise.
    #[inline]
    pub fn with_detached_atoms(mut self, detached: bool) -> Self {
        self.detaches_atoms = detached;
        self
    }

    /// Sets the limits; the default ones otherwise. Depth is counted within each term that is read, skipped or decoded at
    /// once; elements over all that is read.
    #[inline]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self.elements_left = limits.elements;
        self
    }

    /// Goes back to where it began.
    pub fn restart(&mut self) {
        self.position = 0;
        self.elements_left = self.limits.elements;
        self.records = false;
    }

    /// How many bytes were read.
    #[inline]
    pub fn position(&self) -> usize {
        self.position
    }

    /// How many bytes are left.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// Whether all bytes were read.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// Refuses bytes after the last term.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.remaining() {
            0 => Ok(()),
            count => Err(DecodeErrorKind::TrailingBytes { count }.into()),
        }
    }

    /// What the next term is by its tag, without reading it.
    #[inline]
    pub fn peek_kind(&self) -> Result<Kind, DecodeError> {
        let offset = self.position;
        let tag = match self.bytes.get(offset) {
            Some(&tag) => tag,
            None => return Err(truncated(offset)),
        };
        match Kind::of(tag) {
            Some(kind) => Ok(kind),
            None => Err(unknown_tag(tag, offset)),
        }
    }

    /// Reads a term as a value tree.
    pub fn term(&mut self) -> Result<Term, DecodeError> {
        tree::read(self)
    }

    /// The limits that it reads within.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }
}
