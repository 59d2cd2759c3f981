//! The bytes under the reader, and its budgets.

use std::ops::Range;

use bytes::Bytes;

use crate::{DecodeError, DecodeErrorKind, Kind, Reader};

impl Reader {
    /// Reads the tag that begins a term.
    #[inline(always)]
    pub(super) fn tag(&mut self) -> Result<u8, DecodeError> {
        let tag = self.byte()?;
        self.spend(1)?;
        Ok(tag)
    }

    #[inline(always)]
    pub(super) fn byte(&mut self) -> Result<u8, DecodeError> {
        match self.bytes.get(self.position) {
            Some(&byte) => {
                self.position += 1;
                Ok(byte)
            }
            None => Err(truncated(self.position)),
        }
    }

    #[inline(always)]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        match rest.first_chunk() {
            Some(&array) => {
                self.position += N;
                Ok(array)
            }
            None => Err(truncated(self.position)),
        }
    }

    #[inline(always)]
    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline(always)]
    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A length of four bytes.
    #[inline(always)]
    pub(super) fn length(&mut self) -> Result<usize, DecodeError> {
        let offset = self.position;
        usize::try_from(self.u32()?).map_err(|_| truncated(offset))
    }

    /// Passes over so many bytes and tells where they are.
    #[inline(always)]
    pub(super) fn take(&mut self, len: usize) -> Result<Range<usize>, DecodeError> {
        if len > self.remaining() {
            return Err(truncated(self.position));
        }
        let start = self.position;
        self.position += len;
        Ok(start..self.position)
    }

    /// A slice of the input that shares its memory.
    pub(crate) fn shared(&self, range: &Range<usize>) -> Bytes {
        self.bytes.slice(range.clone())
    }

    /// Refuses a number of elements for which there cannot be enough bytes, before anything is allocated for them.
    #[inline(always)]
    pub(super) fn promised(&self, elements: usize, offset: usize) -> Result<usize, DecodeError> {
        if elements <= self.remaining() {
            Ok(elements)
        } else {
            Err(truncated(offset))
        }
    }

    /// Counts terms against [`Limits::elements`](crate::Limits::elements).
    #[inline(always)]
    pub(super) fn spend(&mut self, elements: usize) -> Result<(), DecodeError> {
        match self.elements_left.checked_sub(elements) {
            Some(left) => {
                self.elements_left = left;
                Ok(())
            }
            None => Err(too_many_elements(self.limits.elements)),
        }
    }

    /// Where the reader is, and what its budget is there.
    #[inline]
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            position: self.position,
            elements_left: self.elements_left,
        }
    }

    /// Goes back, so that what was read since can be read, and is counted, anew.
    #[inline]
    pub(crate) fn rewind(&mut self, to: Checkpoint) {
        self.position = to.position;
        self.elements_left = to.elements_left;
    }

    /// The error for a term at `offset` that is not what it should be.
    #[cold]
    #[inline(never)]
    pub(crate) fn unexpected(&self, expected: &'static str, offset: usize) -> DecodeError {
        match self.bytes.get(offset) {
            Some(&tag) => match Kind::of(tag) {
                Some(found) => DecodeErrorKind::Unexpected {
                    expected,
                    found,
                    offset,
                }
                .into(),
                None => DecodeErrorKind::UnknownTag { tag, offset }.into(),
            },
            None => DecodeErrorKind::Truncated { offset }.into(),
        }
    }
}

/// A place to [go back](Reader::rewind) to.
#[derive(Clone, Copy)]
pub(crate) struct Checkpoint {
    position: usize,
    elements_left: usize,
}

impl Checkpoint {
    pub(super) fn position(self) -> usize {
        self.position
    }
}

#[cold]
#[inline(never)]
pub(super) fn truncated(offset: usize) -> DecodeError {
    DecodeErrorKind::Truncated { offset }.into()
}

#[cold]
#[inline(never)]
pub(super) fn unknown_tag(tag: u8, offset: usize) -> DecodeError {
    DecodeErrorKind::UnknownTag { tag, offset }.into()
}

#[cold]
#[inline(never)]
fn too_many_elements(limit: usize) -> DecodeError {
    DecodeErrorKind::TooManyElements { limit }.into()
}

#[cold]
#[inline(never)]
pub(super) fn malformed(reason: &'static str, offset: usize) -> DecodeError {
    DecodeErrorKind::Malformed { reason, offset }.into()
}
