//! A short way to the terms that nearly all messages are made of: small ones, of common kinds, well-formed.
//!
//! Each function takes what it reads off the front of a slice, so that all that changes on the way stays in registers. It
//! gives nothing for whatever is not common or not in order, which is then read with all forms and errors in mind.

use crate::{Atom, DecodeError, Pid, Reader, Reference, tag};

/// A value, and what is behind it.
type Read<'a, T> = Option<(T, &'a [u8])>;

/// Reads a term the short way, or else the long one. A macro, as only so all of it is inlined.
macro_rules! read {
    ($reader:ident, $short:ident, $long:ident) => {
        common::read!($reader, $short => |value| value, $long)
    };
    ($reader:ident, $short:ident => |$value:ident| $made:expr, $long:ident) => {
        match common::$short($reader.unread()) {
            Some(($value, rest)) => {
                let unread = rest.len();
                $reader.pass(unread)?;
                Ok($made)
            }
            None => $reader.$long(),
        }
    };
}

pub(super) use read;

impl Reader {
    /// What was not read yet.
    #[inline(always)]
    pub(super) fn unread(&self) -> &[u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// Goes on where so many bytes are unread, behind one more term.
    #[inline(always)]
    pub(super) fn pass(&mut self, unread: usize) -> Result<(), DecodeError> {
        self.position = self.bytes.len() - unread;
        self.spend(1)
    }
}

/// An integer of up to 32 bits.
#[inline(always)]
pub(super) fn integer(input: &[u8]) -> Read<'_, i32> {
    match input.split_first()? {
        (&tag::SMALL_INTEGER_EXT, rest) => {
            let (&byte, rest) = rest.split_first()?;
            Some((byte.into(), rest))
        }
        (&tag::INTEGER_EXT, rest) => {
            let (&bytes, rest) = rest.split_first_chunk()?;
            Some((i32::from_be_bytes(bytes), rest))
        }
        _ => None,
    }
}

/// An atom of short ASCII.
#[inline(always)]
pub(super) fn atom(input: &[u8]) -> Read<'_, Atom> {
    let (len, text) = atom_head(input)?;
    Some((Atom::short_ascii(text, len)?, text.get(len..)?))
}

#[inline(always)]
pub(super) fn pid(input: &[u8]) -> Read<'_, Pid> {
    let (&tag::NEW_PID_EXT, rest) = input.split_first()? else {
        return None;
    };
    let (node, rest) = atom(rest)?;
    let (numbers, rest) = rest.split_first_chunk::<{ 3 * size_of::<u32>() }>()?;
    let [id, serial, creation] = words(numbers);
    let pid = Pid {
        node,
        id,
        serial,
        creation,
    };
    Some((pid, rest))
}

/// A reference of three words, as OTP makes them.
#[inline(always)]
pub(super) fn reference(input: &[u8]) -> Read<'_, Reference> {
    let ([tag::NEWER_REFERENCE_EXT, 0, 3], rest) = input.split_first_chunk()? else {
        return None;
    };
    let (node, rest) = atom(rest)?;
    let (numbers, rest) = rest.split_first_chunk::<{ 4 * size_of::<u32>() }>()?;
    let [creation, ids @ ..]: [u32; 4] = words(numbers);
    Some((Reference::of_three(node, creation, ids), rest))
}

/// The head of a tuple: how many elements follow.
#[inline(always)]
pub(super) fn tuple(input: &[u8]) -> Read<'_, usize> {
    match input.split_first_chunk()? {
        (&[tag::SMALL_TUPLE_EXT, arity], rest) => followed_by(arity.into(), rest),
        _ => None,
    }
}

/// The head of a list that is not empty: how many elements follow before the tail.
#[inline(always)]
pub(super) fn list(input: &[u8]) -> Read<'_, usize> {
    let (&tag::LIST_EXT, rest) = input.split_first()? else {
        return None;
    };
    match length(rest)? {
        (0, _) => None,
        (len, rest) => {
            followed_by(len + 1, rest)?;
            Some((len, rest))
        }
    }
}

/// The empty list.
#[inline(always)]
pub(super) fn nil(input: &[u8]) -> Read<'_, ()> {
    match input.split_first()? {
        (&tag::NIL_EXT, rest) => Some(((), rest)),
        _ => None,
    }
}

/// Passes over a term, whose elements at all levels are no more than `most`, it included, and tells how many they are. As
/// many levels it may have.
///
/// `cached` is the number of atoms that can be referred to.
#[inline]
pub(super) fn skip(input: &[u8], most: usize, cached: usize) -> Read<'_, usize> {
    let mut rest = input;
    let mut passed = 0;
    // How many there are, as far as the heads tell.
    let mut terms = 1;
    while passed < terms {
        if passed == most {
            return None;
        }
        passed += 1;
        let elements;
        (elements, rest) = skip_head(rest, cached)?;
        terms += elements;
        if terms - passed > rest.len() {
            return None;
        }
    }
    Some((terms, rest))
}

/// Passes over a scalar or the head of a container, and tells how many elements follow.
#[inline(always)]
fn skip_head(input: &[u8], cached: usize) -> Read<'_, usize> {
    let (&tag, rest) = input.split_first()?;
    let elements = match tag {
        tag::SMALL_TUPLE_EXT => {
            let (&arity, rest) = rest.split_first()?;
            return Some((arity.into(), rest));
        }
        tag::LIST_EXT => {
            let (len, rest) = length(rest)?;
            return Some((len + 1, rest));
        }
        tag::MAP_EXT => {
            let (pairs, rest) = length(rest)?;
            return Some((pairs.checked_mul(2)?, rest));
        }
        tag::SMALL_INTEGER_EXT => rest.get(1..)?,
        tag::INTEGER_EXT => rest.get(4..)?,
        tag::ATOM_CACHE_REF => {
            let (&index, rest) = rest.split_first()?;
            (usize::from(index) < cached).then_some(rest)?
        }
        tag::SMALL_ATOM_UTF8_EXT => skip_atom(input)?,
        tag::NIL_EXT => rest,
        tag::BINARY_EXT => {
            let (len, rest) = length(rest)?;
            rest.get(len..)?
        }
        tag::NEW_PID_EXT => skip_node(rest, cached)?.get(4 + 4 + 4..)?,
        tag::NEWER_REFERENCE_EXT => {
            let (&words, rest) = rest.split_first_chunk()?;
            let words = usize::from(u16::from_be_bytes(words));
            if !(1..=Reference::MAX_IDS).contains(&words) {
                return None;
            }
            skip_node(rest, cached)?.get(4 + 4 * words..)?
        }
        _ => return None,
    };
    Some((0, elements))
}

#[inline(always)]
fn skip_node(input: &[u8], cached: usize) -> Option<&[u8]> {
    match input.split_first_chunk()? {
        (&[tag::ATOM_CACHE_REF, index], rest) => (usize::from(index) < cached).then_some(rest),
        _ => skip_atom(input),
    }
}

#[inline(always)]
fn skip_atom(input: &[u8]) -> Option<&[u8]> {
    let (len, text) = atom_head(input)?;
    let (text, rest) = text.split_at_checked(len)?;
    Atom::is_short_ascii(text).then_some(rest)
}

/// How many bytes an atom has.
#[inline(always)]
fn atom_head(input: &[u8]) -> Read<'_, usize> {
    match input.split_first_chunk()? {
        (&[tag::SMALL_ATOM_UTF8_EXT, len], rest) => Some((len.into(), rest)),
        _ => None,
    }
}

#[inline(always)]
fn length(input: &[u8]) -> Read<'_, usize> {
    let (&len, rest) = input.split_first_chunk()?;
    Some((usize::try_from(u32::from_be_bytes(len)).ok()?, rest))
}

/// Refuses more elements than there can be.
#[inline(always)]
fn followed_by(elements: usize, rest: &[u8]) -> Read<'_, usize> {
    (elements <= rest.len()).then_some((elements, rest))
}

#[inline(always)]
fn words<const N: usize, const BYTES: usize>(bytes: &[u8; BYTES]) -> [u32; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    words
}
