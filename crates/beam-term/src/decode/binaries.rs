//! Binaries and bit strings.

use std::ops::Range;

use bytes::Bytes;

use super::input::malformed;
use crate::{BitString, DecodeError, Reader, tag};

/// Where bits are.
pub(super) enum Bits {
    /// Whole bytes.
    Binary(Range<usize>),
    /// Of the last byte, only so many: 1 to 7.
    BitString(Range<usize>, u8),
}

impl Reader {
    /// Reads a binary, as a slice of the input.
    pub fn binary(&mut self) -> Result<Bytes, DecodeError> {
        let range = self.binary_range()?;
        Ok(self.shared(&range))
    }

    /// Reads a binary and tells where it is in the input.
    #[inline]
    pub(crate) fn binary_range(&mut self) -> Result<Range<usize>, DecodeError> {
        let start = self.position;
        let tag = self.tag()?;
        match self.bits_after(tag, start)? {
            Bits::Binary(range) => Ok(range),
            Bits::BitString(..) => Err(self.unexpected("a binary", start)),
        }
    }

    #[inline(always)]
    pub(super) fn bits_after(&mut self, tag: u8, start: usize) -> Result<Bits, DecodeError> {
        match tag {
            tag::BINARY_EXT => {
                let len = self.length()?;
                Ok(Bits::Binary(self.take(len)?))
            }
            tag::BIT_BINARY_EXT => {
                let len = self.length()?;
                let last_bits = self.byte()?;
                let range = self.take(len)?;
                match (len, last_bits) {
                    (0, 0) | (1.., 8) => Ok(Bits::Binary(range)),
                    (1.., 1..=7) => Ok(Bits::BitString(range, last_bits)),
                    _ => Err(impossible(start)),
                }
            }
            _ => Err(self.unexpected("a binary", start)),
        }
    }

    pub(super) fn bit_string(
        &self,
        range: &Range<usize>,
        last_bits: u8,
    ) -> Result<BitString, DecodeError> {
        BitString::new(self.shared(range), last_bits).ok_or_else(|| impossible(range.start))
    }
}

#[cold]
fn impossible(offset: usize) -> DecodeError {
    malformed("a bit string with an impossible number of bits", offset)
}
