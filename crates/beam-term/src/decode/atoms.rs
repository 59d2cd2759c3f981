//! Atoms.

use std::{ops::Range, str};

use bytes::Bytes;

use super::{common, input::malformed};
use crate::{Atom, DecodeError, DecodeErrorKind, Reader, tag};

impl Reader {
    /// Reads an atom.
    #[inline]
    pub fn atom(&mut self) -> Result<Atom, DecodeError> {
        common::read!(self, atom, any_atom)
    }

    #[inline(never)]
    fn any_atom(&mut self) -> Result<Atom, DecodeError> {
        let start = self.position;
        let tag = self.tag()?;
        self.atom_after(tag, start)
    }

    /// Reads an atom that is a part of another scalar.
    pub(super) fn inner_atom(&mut self) -> Result<Atom, DecodeError> {
        let start = self.position;
        let tag = self.byte()?;
        self.atom_after(tag, start)
    }

    pub(super) fn atom_after(&mut self, tag: u8, start: usize) -> Result<Atom, DecodeError> {
        if tag == tag::ATOM_CACHE_REF {
            return self.cached(start).cloned();
        }
        let text = self.atom_text(tag, start)?;
        match Atom::short_ascii(&self.bytes[text.start..], text.len()) {
            Some(atom) => Ok(atom),
            None => self.long_atom(tag, text),
        }
    }

    /// Passes over an atom that is a part of another scalar.
    #[inline(always)]
    pub(super) fn skip_inner_atom(&mut self) -> Result<(), DecodeError> {
        let start = self.position;
        let tag = self.byte()?;
        self.skip_atom_after(tag, start)
    }

    #[inline(always)]
    pub(super) fn skip_atom_after(&mut self, tag: u8, start: usize) -> Result<(), DecodeError> {
        if tag == tag::ATOM_CACHE_REF {
            return self.cached(start).map(|_| ());
        }
        let text = self.atom_text(tag, start)?;
        match Atom::short_ascii(&self.bytes[text.start..], text.len()) {
            Some(_) => Ok(()),
            None => self.long_atom(tag, text).map(|_| ()),
        }
    }

    /// Where the text of an atom is.
    #[inline(always)]
    fn atom_text(&mut self, tag: u8, start: usize) -> Result<Range<usize>, DecodeError> {
        let len = match tag {
            tag::SMALL_ATOM_UTF8_EXT | tag::SMALL_ATOM_EXT => self.byte()?.into(),
            tag::ATOM_UTF8_EXT | tag::ATOM_EXT => self.u16()?.into(),
            _ => return Err(self.unexpected("an atom", start)),
        };
        self.take(len)
    }

    /// An atom that is not short, or not ASCII.
    #[cold]
    #[inline(never)]
    fn long_atom(&self, tag: u8, range: Range<usize>) -> Result<Atom, DecodeError> {
        let bytes = &self.bytes[range.clone()];
        let is_latin1 = matches!(tag, tag::ATOM_EXT | tag::SMALL_ATOM_EXT);
        let atom = if is_latin1 && !bytes.is_ascii() {
            let text: String = bytes.iter().copied().map(char::from).collect();
            Atom::try_from(text).ok()
        } else {
            let text = str::from_utf8(bytes)
                .map_err(|_| malformed("an atom that is not UTF-8", range.start))?;
            Atom::from_checked(text, || match self.detaches_atoms {
                true => Bytes::copy_from_slice(bytes),
                false => self.shared(&range),
            })
        };
        atom.ok_or_else(|| malformed("an atom of more than 255 characters", range.start))
    }

    /// The atom of a reference that starts at `start`.
    #[inline(always)]
    fn cached(&mut self, start: usize) -> Result<&Atom, DecodeError> {
        let index = self.byte()?;
        match self.atoms.get(index) {
            Some(atom) => Ok(atom),
            None => Err(unknown_atom_ref(index, start)),
        }
    }
}

#[cold]
#[inline(never)]
fn unknown_atom_ref(index: u8, offset: usize) -> DecodeError {
    DecodeErrorKind::UnknownAtomRef { index, offset }.into()
}
