//! Passing over terms: the same checks as for terms that are read, but nothing is built.

use std::mem;

use bytes::Buf;

use super::{
    binaries::Bits,
    common,
    containers::record_elements,
    input::unknown_tag,
    lists::ListHead,
    nesting::{Elements, Nesting},
};
use crate::{DecodeError, RawTerm, Reader, tag};

impl Reader {
    /// Passes over a term, checked as if it had been read, but for keys that a map has twice.
    #[inline]
    pub fn skip(&mut self) -> Result<(), DecodeError> {
        let most = COMMON_TERMS.min(self.limits.depth).min(self.elements_left);
        match common::skip(self.unread(), most, self.atoms.len()) {
            Some((terms, rest)) => {
                self.position = self.bytes.len() - rest.len();
                self.elements_left -= terms;
                Ok(())
            }
            None => self.skip_any(),
        }
    }

    /// Passes over a term of any length and kind, and tells what is wrong with it.
    #[inline(never)]
    fn skip_any(&mut self) -> Result<(), DecodeError> {
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

    /// The same for the last term: it takes the input over rather than share it.
    ///
    /// Fails if there are bytes after the term.
    pub fn into_raw(mut self) -> Result<RawTerm, DecodeError> {
        let start = self.position;
        self.records = false;
        self.skip()?;
        self.finish()?;
        self.bytes.advance(start);
        Ok(RawTerm::new(
            self.bytes,
            self.atoms,
            self.limits,
            self.records,
        ))
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

/// Terms of up to so many elements, inner ones included, are passed over the short way.
const COMMON_TERMS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Atom, AtomRefs, DecodeErrorKind, Limits};

    /// A list of the common kinds, and of others.
    const COMMON: &[u8] = b"l\0\0\0\x09a\x07b\xff\xff\xff\xfew\x02okw\0R\0\
        h\x02w\x16a_name_of_22_character\x6am\0\0\0\x03abct\0\0\0\x01a\x01a\x02\
        XR\0\0\0\0\x01\0\0\0\0\0\0\0\x07Z\0\x03w\x08a@host.xa\0\0\0\x07\0\0\0\x01\0\0\0\x02\0\0\0\x03j";
    const OTHERS: &[u8] = b"h\x05F\x3f\xf0\0\0\0\0\0\0n\x01\0\x80k\0\x02abw\x02\xc3\xa9s\x01x";

    #[test]
    fn the_short_way_leads_where_the_long_one_does() {
        for whole in [COMMON, OTHERS] {
            assert_eq!(both_ways(whole.to_vec()), Ok(()));
            for at in 0..whole.len() {
                let _ = both_ways(whole[..at].to_vec());
                for byte in 0..=255 {
                    let mut damaged = whole.to_vec();
                    damaged[at] = byte;
                    let _ = both_ways(damaged);
                }
            }
        }
    }

    #[test]
    fn terms_beyond_the_short_way_are_passed_over_all_the_same() {
        let many = [b"l\0\0\0\xc8".to_vec(), b"a\x07".repeat(200), b"j".to_vec()].concat();
        assert_eq!(both_ways(many), Ok(()));
        let nested = [b"h\x01".repeat(100), b"j".to_vec()].concat();
        assert_eq!(both_ways(nested), Ok(()));
    }

    #[test]
    fn the_short_way_is_no_way_around_limits() {
        let nested = [b"h\x01".repeat(9), b"j".to_vec()].concat();
        let limits = Limits {
            depth: 8,
            ..Limits::default()
        };
        let too_deep = Reader::new(nested.clone()).with_limits(limits).skip();
        assert_eq!(too_deep, Err(DecodeErrorKind::TooDeep { limit: 8 }.into()));

        let limits = Limits {
            elements: 9,
            ..Limits::default()
        };
        let too_many = Reader::new(nested).with_limits(limits).skip();
        let expected = DecodeErrorKind::TooManyElements { limit: 9 };
        assert_eq!(too_many, Err(expected.into()));
    }

    /// Passes over a term the short way, if there is one, and the long way.
    fn both_ways(encoded: Vec<u8>) -> Result<(), DecodeError> {
        let atoms: AtomRefs = [Atom::from_static("a@h")].into_iter().collect();
        let mut short = Reader::new(encoded).with_atoms(atoms);
        let mut long = short.clone();
        let result = short.skip();
        assert_eq!(result, long.skip_any());
        if result.is_ok() {
            assert_eq!(short.position, long.position);
            assert_eq!(short.elements_left, long.elements_left);
        }
        result
    }
}
