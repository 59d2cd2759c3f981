//! Terms that stay encoded.

use bytes::{Bytes, BytesMut};

use crate::{
    AtomRefs, DecodeError, EncodeError, Limits, Reader, Term, Writer, encode::MAX_INTEGER_BYTES,
    tag,
};

/// One whole term as it is encoded: a slice of the message that it came in, cheap to clone and to pass on.
///
/// It was checked when it was made ([`Reader::raw`]): it is well-formed and within the limits, but a map in it may have a key
/// twice, as [`decode`](Self::decode) finds out. There is no `==`, as equal
/// terms have more than one encoding.
#[derive(Clone, Debug)]
pub struct RawTerm {
    encoded: Bytes,
    atoms: AtomRefs,
    limits: Limits,
    records: bool,
}

impl RawTerm {
    /// Takes one whole term that a reader with these atoms and limits has passed over.
    pub(super) fn new(encoded: Bytes, atoms: AtomRefs, limits: Limits, records: bool) -> Self {
        Self {
            encoded,
            atoms,
            limits,
            records,
        }
    }

    /// Checks a term in the external format, as [`Term::from_bytes`] takes it.
    pub fn from_external(bytes: impl Into<Bytes>) -> Result<Self, DecodeError> {
        let mut reader = Reader::external(bytes, Limits::default())?;
        let raw = reader.raw()?;
        reader.finish()?;
        Ok(raw)
    }

    /// The same term, in memory of its own if it is short.
    ///
    /// A term keeps the whole buffer that it was read into. One that is kept for long, and is no more than a small part of
    /// it, is cheaper as a copy.
    #[must_use]
    pub fn compact(mut self) -> Self {
        if self.encoded.len() <= COPIED_BYTES {
            self.encoded = Bytes::copy_from_slice(&self.encoded);
        }
        self
    }

    /// How many bytes the encoding has.
    pub fn encoded_len(&self) -> usize {
        self.encoded.len()
    }

    /// A reader of this term, with the limits that it was checked against.
    #[inline]
    pub fn reader(&self) -> Reader {
        self.clone().into_reader()
    }

    /// The same reader, without sharing the memory of the term.
    pub fn into_reader(self) -> Reader {
        Reader::new(self.encoded)
            .with_atoms(self.atoms)
            .with_limits(self.limits)
    }

    /// The value tree. Fails if a map has a key twice.
    pub fn decode(&self) -> Result<Term, DecodeError> {
        self.reader().term()
    }

    /// The external format, which anyone can decode: after the version byte, with no reference to an atom cache.
    pub fn to_external(&self) -> Result<Bytes, DecodeError> {
        let mut buffer = BytesMut::with_capacity(1 + self.encoded.len());
        buffer.extend_from_slice(&[tag::VERSION]);
        self.write(&mut buffer)?;
        Ok(buffer.freeze())
    }

    /// Refuses a term that a peer would not decode, as [`Writer::check_for_peer`] does.
    pub fn check_for_peer(&self, knows_records: bool) -> Result<(), EncodeError> {
        if self.is_local() {
            Err(EncodeError::Local)
        } else if self.records && !knows_records {
            Err(EncodeError::NativeRecord)
        } else {
            Ok(())
        }
    }

    /// The encoding, if it refers to no atom cache.
    pub(crate) fn without_atoms(&self) -> Option<&Bytes> {
        self.atoms.is_empty().then_some(&self.encoded)
    }

    /// Whether there are native records in it.
    pub(crate) fn has_records(&self) -> bool {
        self.records
    }

    /// Whether it is in a format that is local to its sender.
    pub(crate) fn is_local(&self) -> bool {
        self.encoded.first() == Some(&tag::LOCAL_EXT)
    }

    /// Whether it was checked against wider limits than those of all nodes.
    pub(crate) fn may_be_out_of_bounds(&self) -> bool {
        self.limits.integer_bytes > MAX_INTEGER_BYTES
    }

    /// The encoding, with no reference to an atom cache.
    pub(crate) fn self_contained(&self) -> Result<Bytes, DecodeError> {
        if self.atoms.is_empty() {
            return Ok(self.encoded.clone());
        }
        let mut buffer = BytesMut::with_capacity(self.encoded.len());
        self.write(&mut buffer)?;
        Ok(buffer.freeze())
    }

    pub(crate) fn write(&self, buffer: &mut BytesMut) -> Result<(), DecodeError> {
        if self.atoms.is_empty() {
            buffer.extend_from_slice(&self.encoded);
            Ok(())
        } else {
            Writer::new(buffer).copy(&mut self.reader())
        }
    }
}

/// Terms of up to so many bytes are copied rather than kept with the buffer that they came in, which has room for 64 KiB or
/// more where it was read from a socket.
const COPIED_BYTES: usize = 16 * 1024;
