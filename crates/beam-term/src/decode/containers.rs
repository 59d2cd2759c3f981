//! The heads of tuples, maps and native records.

use super::{common, input::malformed};
use crate::{DecodeError, DecodeErrorKind, Reader, encode::MAX_ARITY, tag};

impl Reader {
    /// Opens a tuple and tells how many elements follow.
    #[inline]
    pub fn tuple(&mut self) -> Result<usize, DecodeError> {
        common::read!(self, tuple, any_tuple)
    }

    #[inline(never)]
    fn any_tuple(&mut self) -> Result<usize, DecodeError> {
        let start = self.position;
        let tag = self.tag()?;
        self.tuple_after(tag, start)
    }

    /// Opens a tuple that must have so many elements.
    #[inline]
    pub fn tuple_of(&mut self, arity: usize) -> Result<(), DecodeError> {
        let offset = self.position;
        let found = self.tuple()?;
        if found == arity {
            Ok(())
        } else {
            Err(DecodeErrorKind::Arity {
                expected: arity,
                found,
                offset,
            }
            .into())
        }
    }

    #[inline(always)]
    pub(super) fn tuple_after(&mut self, tag: u8, start: usize) -> Result<usize, DecodeError> {
        let arity = match tag {
            tag::SMALL_TUPLE_EXT => self.byte()?.into(),
            tag::LARGE_TUPLE_EXT => self.length()?,
            _ => return Err(self.unexpected("a tuple", start)),
        };
        match self.promised(arity, start)? {
            ..=MAX_ARITY => Ok(arity),
            _ => Err(malformed("a tuple of more elements than any has", start)),
        }
    }

    /// Opens a map and tells how many pairs of a key and a value follow.
    pub fn map(&mut self) -> Result<usize, DecodeError> {
        let start = self.position;
        match self.tag()? {
            tag::MAP_EXT => self.map_after(start),
            _ => Err(self.unexpected("a map", start)),
        }
    }

    #[inline(always)]
    pub(super) fn map_after(&mut self, start: usize) -> Result<usize, DecodeError> {
        let pairs = self.length()?;
        self.promised(pairs.saturating_mul(2), start)?;
        Ok(pairs)
    }

    /// How many fields a native record has, and its flags.
    pub(super) fn record_after(&mut self, start: usize) -> Result<(usize, u8), DecodeError> {
        let fields = self.length()?;
        let exported = self.byte()?;
        self.records = true;
        self.promised(record_elements(fields), start)?;
        Ok((fields, exported))
    }
}

/// How many terms a native record of so many fields holds: module, name, the fields' names, and their values.
pub(crate) fn record_elements(fields: usize) -> usize {
    fields.saturating_mul(2).saturating_add(2)
}
