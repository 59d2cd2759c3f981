//! The kinds of terms.

use std::fmt;

use crate::{Term, tag};

/// What kind of term something is. Displays with an article: "an atom".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// An integer of any size.
    Integer,
    /// A float.
    Float,
    /// An atom.
    Atom,
    /// A reference.
    Reference,
    /// An exported function or a closure.
    Fun,
    /// A port.
    Port,
    /// A process identifier.
    Pid,
    /// A tuple.
    Tuple,
    /// A map.
    Map,
    /// A list: proper, improper or empty.
    List,
    /// A binary.
    Binary,
    /// A bit string.
    BitString,
    /// A native record of OTP 29.
    Record,
    /// A term in a format that is local to its sender.
    Local,
}

impl Kind {
    /// What a tag stands for.
    #[inline]
    pub(crate) fn of(tag: u8) -> Option<Self> {
        Some(match tag {
            tag::SMALL_INTEGER_EXT | tag::INTEGER_EXT | tag::SMALL_BIG_EXT | tag::LARGE_BIG_EXT => {
                Self::Integer
            }
            tag::FLOAT_EXT | tag::NEW_FLOAT_EXT => Self::Float,
            tag::ATOM_CACHE_REF
            | tag::ATOM_EXT
            | tag::SMALL_ATOM_EXT
            | tag::ATOM_UTF8_EXT
            | tag::SMALL_ATOM_UTF8_EXT => Self::Atom,
            tag::REFERENCE_EXT | tag::NEW_REFERENCE_EXT | tag::NEWER_REFERENCE_EXT => {
                Self::Reference
            }
            tag::EXPORT_EXT | tag::NEW_FUN_EXT => Self::Fun,
            tag::PORT_EXT | tag::NEW_PORT_EXT | tag::V4_PORT_EXT => Self::Port,
            tag::PID_EXT | tag::NEW_PID_EXT => Self::Pid,
            tag::SMALL_TUPLE_EXT | tag::LARGE_TUPLE_EXT => Self::Tuple,
            tag::MAP_EXT => Self::Map,
            tag::NIL_EXT | tag::STRING_EXT | tag::LIST_EXT => Self::List,
            tag::BINARY_EXT => Self::Binary,
            tag::BIT_BINARY_EXT => Self::BitString,
            tag::RECORD_EXT => Self::Record,
            tag::LOCAL_EXT => Self::Local,
            _ => return None,
        })
    }
}

impl Term {
    /// What kind of term it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Integer(_) => Kind::Integer,
            Self::Float(_) => Kind::Float,
            Self::Atom(_) => Kind::Atom,
            Self::Reference(_) => Kind::Reference,
            Self::Fun(_) => Kind::Fun,
            Self::Port(_) => Kind::Port,
            Self::Pid(_) => Kind::Pid,
            Self::Tuple(_) => Kind::Tuple,
            Self::Map(_) => Kind::Map,
            Self::List(_) | Self::ImproperList(_) => Kind::List,
            Self::Binary(_) => Kind::Binary,
            Self::BitString(_) => Kind::BitString,
            Self::Opaque(opaque) if opaque.as_bytes().first() == Some(&tag::RECORD_EXT) => {
                Kind::Record
            }
            Self::Opaque(_) => Kind::Local,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Integer => "an integer",
            Self::Float => "a float",
            Self::Atom => "an atom",
            Self::Reference => "a reference",
            Self::Fun => "a fun",
            Self::Port => "a port",
            Self::Pid => "a pid",
            Self::Tuple => "a tuple",
            Self::Map => "a map",
            Self::List => "a list",
            Self::Binary => "a binary",
            Self::BitString => "a bit string",
            Self::Record => "a native record",
            Self::Local => "a local term",
        })
    }
}
