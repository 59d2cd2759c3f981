//! The bytes under the reader, and its budgets.

use std::ops::Range;

use bytes::Bytes;

use crate::{DecodeError, Kind, Reader};

impl Reader {
    /// Reads the tag that begins a term.
    #[inline]
    pub(super) fn tag(&mut self) -> Result<u8, DecodeError> {
        let tag = self.byte()?;
        self.spend(1)?;
        Ok(tag)
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, DecodeError> {
        match self.bytes.get(self.position) {
            Some(&byte) => {
                self.position += 1;
                Ok(byte)
            }
            None => Err(self.truncated()),
        }
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        match rest.first_chunk() {
            Some(&array) => {
                self.position += N;
                Ok(array)
            }
            None => Err(self.truncated()),
        }
    }

    #[inline]
    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// A length of four bytes.
    #[inline]
    pub(super) fn length(&mut self) -> Result<usize, DecodeError> {
        let offset = self.position;
        usize::try_from(self.u32()?).map_err(|_| DecodeError::Truncated { offset })
    }

    /// Passes over so many bytes and tells where they are.
    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Result<Range<usize>, DecodeError> {
        if len > self.remaining() {
            return Err(self.truncated());
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
    #[inline]
    pub(super) fn promised(&self, elements: usize, offset: usize) -> Result<usize, DecodeError> {
        if elements <= self.remaining() {
            Ok(elements)
        } else {
            Err(DecodeError::Truncated { offset })
        }
    }

    /// Counts terms against [`Limits::elements`](crate::Limits::elements).
    #[inline]
    pub(super) fn spend(&mut self, elements: usize) -> Result<(), DecodeError> {
        match self.elements_left.checked_sub(elements) {
            Some(left) => {
                self.elements_left = left;
                Ok(())
            }
            None => Err(DecodeError::TooManyElements {
                limit: self.limits.elements,
            }),
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
    pub(crate) fn unexpected(&self, expected: &'static str, offset: usize) -> DecodeError {
        match self.bytes.get(offset) {
            Some(&tag) => match Kind::of(tag) {
                Some(found) => DecodeError::Unexpected {
                    expected,
                    found,
                    offset,
                },
                None => DecodeError::UnknownTag { tag, offset },
            },
            None => DecodeError::Truncated { offset },
        }
    }

    #[cold]
    fn truncated(&self) -> DecodeError {
        DecodeError::Truncated {
            offset: self.position,
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

pub(super) fn malformed(reason: &'static str, offset: usize) -> DecodeError {
    DecodeError::Malformed { reason, offset }
}
