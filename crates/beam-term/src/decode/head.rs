//! The first level of parsing: the head of one term, without its elements. Everything else is built on it.

use std::ops::Range;

use bytes::Bytes;
use num_bigint::{BigInt, Sign};

use crate::{
    Atom, BitString, Closure, DecodeError, Float, Integer, Kind, Pid, Reader, Reference, tag,
};

/// The head of a term: a whole scalar, or a container whose elements follow. Bytes are ranges of the input, and text in
/// them is not checked yet, so that skipping costs little.
pub(crate) enum Head {
    Integer(i64),
    BigInteger {
        negative: bool,
        digits: Range<usize>,
    },
    Float(Float),
    Atom(AtomHead),
    Reference(ReferenceHead),
    Export {
        module: AtomHead,
        function: AtomHead,
        arity: u8,
    },
    Closure {
        closure: Box<Closure>,
        free: usize,
    },
    Port {
        node: AtomHead,
        id: u64,
        creation: u32,
    },
    Pid {
        node: AtomHead,
        id: u32,
        serial: u32,
        creation: u32,
    },
    Tuple(usize),
    Map(usize),
    Nil,
    /// That many elements, and the tail.
    List(usize),
    /// A list of small integers, one byte each.
    String(Range<usize>),
    Binary(Range<usize>),
    BitString {
        bytes: Range<usize>,
        last_bits: u8,
    },
    Record {
        fields: usize,
        exported: u8,
    },
    Local(Range<usize>),
}

/// An atom whose text is not checked yet.
pub(crate) enum AtomHead {
    Utf8(Range<usize>),
    Latin1(Range<usize>),
    Ref { index: u8, offset: usize },
}

/// A reference whose node is not checked yet.
pub(crate) struct ReferenceHead {
    node: AtomHead,
    creation: u32,
    ids: [u32; Reference::MAX_IDS],
    len: usize,
}

impl Head {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Integer(_) | Self::BigInteger { .. } => Kind::Integer,
            Self::Float(_) => Kind::Float,
            Self::Atom(_) => Kind::Atom,
            Self::Reference(_) => Kind::Reference,
            Self::Export { .. } | Self::Closure { .. } => Kind::Fun,
            Self::Port { .. } => Kind::Port,
            Self::Pid { .. } => Kind::Pid,
            Self::Tuple(_) => Kind::Tuple,
            Self::Map(_) => Kind::Map,
            Self::Nil | Self::List(_) | Self::String(_) => Kind::List,
            Self::Binary(_) => Kind::Binary,
            Self::BitString { .. } => Kind::BitString,
            Self::Record { .. } => Kind::Record,
            Self::Local(_) => Kind::Local,
        }
    }
}

impl Reader {
    /// Reads the head of the next term.
    pub(crate) fn head(&mut self) -> Result<Head, DecodeError> {
        let offset = self.position;
        let tag = self.byte()?;
        self.spend(1)?;
        Ok(match tag {
            tag::SMALL_INTEGER_EXT => Head::Integer(self.byte()?.into()),
            tag::INTEGER_EXT => Head::Integer(i32::from_be_bytes(self.array()?).into()),
            tag::SMALL_BIG_EXT => {
                let len = self.byte()?.into();
                self.big_integer(len, offset)?
            }
            tag::LARGE_BIG_EXT => {
                let len = self.length()?;
                self.big_integer(len, offset)?
            }
            tag::NEW_FLOAT_EXT => Head::Float(finite(f64::from_be_bytes(self.array()?), offset)?),
            tag::FLOAT_EXT => self.text_float(offset)?,
            tag::ATOM_CACHE_REF
            | tag::ATOM_EXT
            | tag::SMALL_ATOM_EXT
            | tag::ATOM_UTF8_EXT
            | tag::SMALL_ATOM_UTF8_EXT => Head::Atom(self.atom_after(tag, offset)?),
            tag::REFERENCE_EXT | tag::NEW_REFERENCE_EXT | tag::NEWER_REFERENCE_EXT => {
                Head::Reference(self.reference_after(tag, offset)?)
            }
            tag::PORT_EXT | tag::NEW_PORT_EXT | tag::V4_PORT_EXT => {
                let node = self.atom_head()?;
                let id = match tag {
                    tag::V4_PORT_EXT => u64::from_be_bytes(self.array()?),
                    _ => self.u32()?.into(),
                };
                let creation = self.creation(tag == tag::PORT_EXT)?;
                Head::Port { node, id, creation }
            }
            tag::PID_EXT | tag::NEW_PID_EXT => {
                let node = self.atom_head()?;
                let (id, serial) = (self.u32()?, self.u32()?);
                let creation = self.creation(tag == tag::PID_EXT)?;
                Head::Pid {
                    node,
                    id,
                    serial,
                    creation,
                }
            }
            tag::SMALL_TUPLE_EXT => {
                let arity = self.byte()?.into();
                Head::Tuple(self.promised(arity, offset)?)
            }
            tag::LARGE_TUPLE_EXT => {
                let arity = self.length()?;
                Head::Tuple(self.promised(arity, offset)?)
            }
            tag::MAP_EXT => {
                let pairs = self.length()?;
                self.promised(pairs.saturating_mul(2), offset)?;
                Head::Map(pairs)
            }
            tag::NIL_EXT => Head::Nil,
            tag::LIST_EXT => {
                let len = self.length()?;
                self.promised(len.saturating_add(1), offset)?;
                Head::List(len)
            }
            tag::STRING_EXT => {
                let len = u16::from_be_bytes(self.array()?).into();
                self.spend(len)?;
                Head::String(self.take(len)?)
            }
            tag::BINARY_EXT => {
                let len = self.length()?;
                Head::Binary(self.take(len)?)
            }
            tag::BIT_BINARY_EXT => self.bit_binary(offset)?,
            tag::EXPORT_EXT => self.export(offset)?,
            tag::NEW_FUN_EXT => self.closure(offset)?,
            tag::RECORD_EXT => {
                let fields = self.length()?;
                let exported = self.byte()?;
                self.promised(record_elements(fields), offset)?;
                Head::Record { fields, exported }
            }
            tag::LOCAL_EXT => Head::Local(self.take(self.remaining())?),
            _ => return Err(DecodeError::UnknownTag { tag, offset }),
        })
    }

    /// Checks a text that is skipped as [`Reader::resolve`] checks one that is used.
    pub(crate) fn check(&self, atom: &AtomHead) -> Result<(), DecodeError> {
        match atom {
            AtomHead::Latin1(range) if range.len() > Atom::MAX_CHARACTERS => {
                Err(atom_too_long(range))
            }
            AtomHead::Latin1(_) => Ok(()),
            AtomHead::Utf8(range) => {
                let text = self.utf8(range)?;
                // Only a text of more bytes than that can have too many characters.
                if range.len() > Atom::MAX_CHARACTERS && text.chars().count() > Atom::MAX_CHARACTERS
                {
                    return Err(atom_too_long(range));
                }
                Ok(())
            }
            &AtomHead::Ref { index, offset } => self.cached(index, offset).map(|_| ()),
        }
    }

    /// The atom itself.
    pub(crate) fn resolve(&self, atom: &AtomHead) -> Result<Atom, DecodeError> {
        let (range, atom) = match atom {
            &AtomHead::Ref { index, offset } => return self.cached(index, offset).cloned(),
            AtomHead::Latin1(range) if !self.bytes[range.clone()].is_ascii() => {
                let latin1 = &self.bytes[range.clone()];
                let text: String = latin1.iter().copied().map(char::from).collect();
                (range, Atom::try_from(text).ok())
            }
            AtomHead::Latin1(range) | AtomHead::Utf8(range) => {
                let text = self.utf8(range)?;
                (range, Atom::from_checked(text, || self.shared(range)))
            }
        };
        atom.ok_or_else(|| atom_too_long(range))
    }

    pub(crate) fn resolve_reference(&self, head: &ReferenceHead) -> Result<Reference, DecodeError> {
        let node = self.resolve(&head.node)?;
        Reference::new(node, head.creation, &head.ids[..head.len])
            .map_err(|_| malformed("a reference of no words", self.position))
    }

    pub(crate) fn check_reference(&self, head: &ReferenceHead) -> Result<(), DecodeError> {
        self.check(&head.node)
    }

    /// The value of a big integer, which may be small after all.
    pub(crate) fn resolve_big(&self, negative: bool, digits: &Range<usize>) -> Integer {
        let sign = if negative { Sign::Minus } else { Sign::Plus };
        BigInt::from_bytes_le(sign, &self.bytes[digits.clone()]).into()
    }

    pub(crate) fn resolve_bits(
        &self,
        bytes: &Range<usize>,
        last_bits: u8,
    ) -> Result<BitString, DecodeError> {
        BitString::new(self.shared(bytes), last_bits).ok_or_else(|| bad_bits(bytes.start))
    }

    /// A slice of the input that shares its memory.
    pub(crate) fn shared(&self, range: &Range<usize>) -> Bytes {
        self.bytes.slice(range.clone())
    }

    fn big_integer(&mut self, len: usize, offset: usize) -> Result<Head, DecodeError> {
        let negative = self.byte()? != 0;
        let digits = self.take(len)?;
        if len > self.limits.integer_bytes {
            return Err(DecodeError::IntegerTooLarge { bytes: len, offset });
        }
        let mut magnitude = [0; 8];
        if let Some(place) = magnitude.get_mut(..len) {
            place.copy_from_slice(&self.bytes[digits.clone()]);
            let magnitude = u64::from_le_bytes(magnitude);
            let value = if negative {
                0_i64.checked_sub_unsigned(magnitude)
            } else {
                0_i64.checked_add_unsigned(magnitude)
            };
            if let Some(value) = value {
                return Ok(Head::Integer(value));
            }
        }
        Ok(Head::BigInteger { negative, digits })
    }

    fn text_float(&mut self, offset: usize) -> Result<Head, DecodeError> {
        let range = self.take(FLOAT_TEXT_BYTES)?;
        let text = self.bytes[range].split(|&byte| byte == 0).next();
        let value = text
            .and_then(|text| std::str::from_utf8(text).ok())
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| malformed("a float that is not a number", offset))?;
        Ok(Head::Float(finite(value, offset)?))
    }

    /// An atom inside another scalar.
    fn atom_head(&mut self) -> Result<AtomHead, DecodeError> {
        let offset = self.position;
        let tag = self.byte()?;
        self.atom_after(tag, offset)
    }

    fn atom_after(&mut self, tag: u8, offset: usize) -> Result<AtomHead, DecodeError> {
        Ok(match tag {
            tag::SMALL_ATOM_UTF8_EXT => {
                let len = self.byte()?.into();
                AtomHead::Utf8(self.take(len)?)
            }
            tag::ATOM_UTF8_EXT => {
                let len = u16::from_be_bytes(self.array()?).into();
                AtomHead::Utf8(self.take(len)?)
            }
            tag::ATOM_EXT => {
                let len = u16::from_be_bytes(self.array()?).into();
                AtomHead::Latin1(self.take(len)?)
            }
            tag::SMALL_ATOM_EXT => {
                let len = self.byte()?.into();
                AtomHead::Latin1(self.take(len)?)
            }
            tag::ATOM_CACHE_REF => AtomHead::Ref {
                index: self.byte()?,
                offset,
            },
            _ => return Err(malformed("something other than an atom in a term", offset)),
        })
    }

    fn reference_after(&mut self, tag: u8, offset: usize) -> Result<ReferenceHead, DecodeError> {
        let mut ids = [0; Reference::MAX_IDS];
        if tag == tag::REFERENCE_EXT {
            let node = self.atom_head()?;
            ids[0] = self.u32()?;
            return Ok(ReferenceHead {
                node,
                creation: self.creation(true)?,
                ids,
                len: 1,
            });
        }
        let len = usize::from(u16::from_be_bytes(self.array()?));
        if !(1..=Reference::MAX_IDS).contains(&len) {
            return Err(malformed("a reference of other than 1 to 5 words", offset));
        }
        let node = self.atom_head()?;
        let creation = self.creation(tag == tag::NEW_REFERENCE_EXT)?;
        for id in &mut ids[..len] {
            *id = self.u32()?;
        }
        Ok(ReferenceHead {
            node,
            creation,
            ids,
            len,
        })
    }

    fn bit_binary(&mut self, offset: usize) -> Result<Head, DecodeError> {
        let len = self.length()?;
        let last_bits = self.byte()?;
        let bytes = self.take(len)?;
        match (len, last_bits) {
            (0, 0) | (1.., 8) => Ok(Head::Binary(bytes)),
            (1.., 1..=7) => Ok(Head::BitString { bytes, last_bits }),
            _ => Err(bad_bits(offset)),
        }
    }

    fn export(&mut self, offset: usize) -> Result<Head, DecodeError> {
        let module = self.atom_head()?;
        let function = self.atom_head()?;
        let arity = u8::try_from(self.integer_in_fun()?)
            .map_err(|_| malformed("a fun of more than 255 arguments", offset))?;
        Ok(Head::Export {
            module,
            function,
            arity,
        })
    }

    fn closure(&mut self, offset: usize) -> Result<Head, DecodeError> {
        // The size in bytes is of no use: everything inside has its own.
        let _size = self.u32()?;
        let arity = self.byte()?;
        let uniq = self.array()?;
        let index = self.u32()?;
        let free = self.length()?;
        let module = self.atom_head()?;
        let old_index = self.integer_in_fun()?;
        let old_uniq = self.integer_in_fun()?;
        let pid_offset = self.position;
        let short_creation = match self.byte()? {
            tag::PID_EXT => true,
            tag::NEW_PID_EXT => false,
            _ => return Err(malformed("a fun without a pid", pid_offset)),
        };
        let node = self.atom_head()?;
        let creator = Pid {
            node: self.resolve(&node)?,
            id: self.u32()?,
            serial: self.u32()?,
            creation: self.creation(short_creation)?,
        };
        let closure = Box::new(Closure {
            module: self.resolve(&module)?,
            arity,
            uniq,
            index,
            old_index,
            old_uniq,
            creator,
            free: Vec::new(),
        });
        let free = self.promised(free, offset)?;
        Ok(Head::Closure { closure, free })
    }

    /// An integer inside another scalar.
    fn integer_in_fun(&mut self) -> Result<i32, DecodeError> {
        let offset = self.position;
        match self.byte()? {
            tag::SMALL_INTEGER_EXT => Ok(self.byte()?.into()),
            tag::INTEGER_EXT => Ok(i32::from_be_bytes(self.array()?)),
            _ => Err(malformed(
                "something other than an integer in a fun",
                offset,
            )),
        }
    }

    fn creation(&mut self, short: bool) -> Result<u32, DecodeError> {
        if short {
            Ok(self.byte()?.into())
        } else {
            self.u32()
        }
    }

    fn cached(&self, index: u8, offset: usize) -> Result<&Atom, DecodeError> {
        self.atoms
            .get(index)
            .ok_or(DecodeError::UnknownAtomRef { index, offset })
    }

    fn utf8(&self, range: &Range<usize>) -> Result<&str, DecodeError> {
        std::str::from_utf8(&self.bytes[range.clone()])
            .map_err(|_| malformed("an atom that is not UTF-8", range.start))
    }

    /// Refuses a number of elements for which there cannot be enough bytes, before anything is allocated for them.
    fn promised(&self, elements: usize, offset: usize) -> Result<usize, DecodeError> {
        if elements <= self.remaining() {
            Ok(elements)
        } else {
            Err(DecodeError::Truncated { offset })
        }
    }

    /// Counts terms against [`Limits::elements`](crate::Limits::elements).
    fn spend(&mut self, elements: usize) -> Result<(), DecodeError> {
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

    fn length(&mut self) -> Result<usize, DecodeError> {
        let offset = self.position;
        usize::try_from(self.u32()?).map_err(|_| DecodeError::Truncated { offset })
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        let byte = self.bytes.get(self.position).copied();
        let byte = byte.ok_or(DecodeError::Truncated {
            offset: self.position,
        })?;
        self.position += 1;
        Ok(byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let array = rest.first_chunk().copied().ok_or(DecodeError::Truncated {
            offset: self.position,
        })?;
        self.position += N;
        Ok(array)
    }

    fn take(&mut self, len: usize) -> Result<Range<usize>, DecodeError> {
        if len > self.remaining() {
            return Err(DecodeError::Truncated {
                offset: self.position,
            });
        }
        let start = self.position;
        self.position += len;
        Ok(start..self.position)
    }
}

/// How many terms a native record of so many fields holds: module, name, the fields' names, and their values.
pub(crate) fn record_elements(fields: usize) -> usize {
    fields.saturating_mul(2).saturating_add(2)
}

/// What the text of an obsolete float is padded to.
const FLOAT_TEXT_BYTES: usize = 31;

fn finite(value: f64, offset: usize) -> Result<Float, DecodeError> {
    Float::try_from(value).map_err(|_| malformed("a float that is not finite", offset))
}

fn malformed(reason: &'static str, offset: usize) -> DecodeError {
    DecodeError::Malformed { reason, offset }
}

fn bad_bits(offset: usize) -> DecodeError {
    malformed("a bit string with an impossible number of bits", offset)
}

fn atom_too_long(range: &Range<usize>) -> DecodeError {
    malformed("an atom of more than 255 characters", range.start)
}
