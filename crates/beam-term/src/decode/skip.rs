//! Passing over terms: the same checks as for terms that are read, but nothing is built.

use std::mem;

use super::{
    binaries::Bits,
    containers::record_elements,
    input::unknown_tag,
    lists::ListHead,
    nesting::{Elements, Nesting},
};
use crate::{DecodeError, RawTerm, Reader, tag};

impl Reader {
    /// Passes over a term, checked as if it had been read, but for keys that a map has twice.
    pub fn skip(&mut self) -> Result<(), DecodeError> {
        let elements = self.skip_head()?;
        if elements.count == 0 {
            return Ok(());
        }
        let mut nesting = Nesting::new(self.limits.depth);
        nesting.enter(elements, self)?;
        while nesting.next() {
            let elements = self.skip_head()?;
            nesting.enter(elements, self)?;
        }
        Ok(())
    }

    /// Passes over a term and keeps it as it is encoded, a slice of the input.
    pub fn raw(&mut self) -> Result<RawTerm, DecodeError> {
        let start = self.position;
        let records_before = mem::take(&mut self.records);
        self.skip()?;
        let encoded = self.shared(&(start..self.position));
        let raw = RawTerm::new(encoded, self.atoms.clone(), self.limits, self.records);
        self.records |= records_before;
        Ok(raw)
    }

    /// Passes over a scalar or the head of a container, and tells what follows.
    #[inline(always)]
    fn skip_head(&mut self) -> Result<Elements, DecodeError> {
        let start = self.position;
        let tag = self.tag()?;
        match tag {
            tag::SMALL_INTEGER_EXT => {
                self.byte()?;
            }
            tag::INTEGER_EXT => {
                self.u32()?;
            }
            tag::SMALL_BIG_EXT | tag::LARGE_BIG_EXT => {
                self.number_after(tag, start)?;
            }
            tag::NEW_FLOAT_EXT | tag::FLOAT_EXT => {
                self.float_after(tag, start)?;
            }
            tag::ATOM_CACHE_REF
            | tag::ATOM_EXT
            | tag::SMALL_ATOM_EXT
            | tag::ATOM_UTF8_EXT
            | tag::SMALL_ATOM_UTF8_EXT => self.skip_atom_after(tag, start)?,
            tag::PID_EXT => self.skip_identifier(4 + 4 + 1)?,
            tag::NEW_PID_EXT => self.skip_identifier(4 + 4 + 4)?,
            tag::PORT_EXT => self.skip_identifier(4 + 1)?,
            tag::NEW_PORT_EXT => self.skip_identifier(4 + 4)?,
            tag::V4_PORT_EXT => self.skip_identifier(8 + 4)?,
            tag::REFERENCE_EXT => self.skip_identifier(4 + 1)?,
            tag::NEW_REFERENCE_EXT => {
                let words = self.reference_len(tag, start)?;
                self.skip_identifier(1 + 4 * words)?;
            }
            tag::NEWER_REFERENCE_EXT => {
                let words = self.reference_len(tag, start)?;
                self.skip_identifier(4 + 4 * words)?;
            }
            tag::NIL_EXT | tag::STRING_EXT | tag::LIST_EXT => {
                if let ListHead::List(len) = self.list_after(tag, start)? {
                    return Ok(Elements::of_list(len));
                }
            }
            tag::BINARY_EXT | tag::BIT_BINARY_EXT => {
                let (Bits::Binary(_) | Bits::BitString(..)) = self.bits_after(tag, start)?;
            }
            tag::EXPORT_EXT => {
                self.export_after(start)?;
            }
            tag::LOCAL_EXT => {
                self.local_after(start)?;
            }
            tag::SMALL_TUPLE_EXT | tag::LARGE_TUPLE_EXT => {
                return Ok(Elements::of(self.tuple_after(tag, start)?));
            }
            tag::MAP_EXT => return Ok(Elements::of(2 * self.map_after(start)?)),
            tag::NEW_FUN_EXT => return Ok(Elements::of(self.closure_after(start)?.1)),
            tag::RECORD_EXT => {
                let (fields, _) = self.record_after(start)?;
                return Ok(Elements::of(record_elements(fields)));
            }
            _ => return Err(unknown_tag(tag, start)),
        }
        Ok(Elements::of(0))
    }

    /// Passes over a node and so many bytes of numbers.
    #[inline(always)]
    fn skip_identifier(&mut self, numbers: usize) -> Result<(), DecodeError> {
        self.skip_inner_atom()?;
        self.take(numbers).map(|_| ())
    }
}
