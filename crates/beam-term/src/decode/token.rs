//! What the pull parser yields.

use std::ops::Range;

use bytes::Bytes;

use super::{binaries::Bits, input::unknown_tag, lists::ListHead};
use crate::{
    Atom, BitString, Closure, DecodeError, Float, Integer, Pid, Port, Reader, Reference, tag,
};

/// A whole scalar, or the opening of a container, whose elements are the tokens that follow.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Token {
    /// An integer.
    Integer(Integer),
    /// A float.
    Float(Float),
    /// An atom.
    Atom(Atom),
    /// A reference.
    Reference(Reference),
    /// An exported function.
    Export {
        /// The module.
        module: Atom,
        /// The function.
        function: Atom,
        /// How many arguments it takes.
        arity: u8,
    },
    /// A closure: its environment is empty as yet, `free` terms follow that make it up.
    Closure {
        /// All but the environment.
        closure: Box<Closure>,
        /// How many terms follow.
        free: usize,
    },
    /// A port.
    Port(Port),
    /// A process identifier.
    Pid(Pid),
    /// A tuple, followed by that many elements.
    Tuple(usize),
    /// A map, followed by that many pairs of a key and a value. A key may come twice, which makes it invalid as a map.
    Map(usize),
    /// The empty list.
    Nil,
    /// A list, followed by that many elements and then the tail, which may be another list.
    List(usize),
    /// A whole proper list of small integers, one byte each.
    String(Bytes),
    /// A binary.
    Binary(Bytes),
    /// A bit string.
    BitString(BitString),
    /// A native record of OTP 29, followed by its module, its name, the fields' names and the fields' values.
    Record {
        /// How many fields there are.
        fields: usize,
        /// Its flags.
        exported: u8,
    },
    /// A term in a format that is local to its sender: all of the input, after the tag. Nobody else knows where it ends, and
    /// OTP makes none inside another term.
    Local(Bytes),
}

impl Reader {
    /// Reads the next token.
    pub fn token(&mut self) -> Result<Token, DecodeError> {
        let start = self.position;
        let tag = self.tag()?;
        Ok(match tag {
            tag::SMALL_INTEGER_EXT | tag::INTEGER_EXT | tag::SMALL_BIG_EXT | tag::LARGE_BIG_EXT => {
                let number = self.number_after(tag, start)?;
                Token::Integer(self.resolve(&number))
            }
            tag::NEW_FLOAT_EXT | tag::FLOAT_EXT => Token::Float(self.float_after(tag, start)?),
            tag::ATOM_CACHE_REF
            | tag::ATOM_EXT
            | tag::SMALL_ATOM_EXT
            | tag::ATOM_UTF8_EXT
            | tag::SMALL_ATOM_UTF8_EXT => Token::Atom(self.atom_after(tag, start)?),
            tag::REFERENCE_EXT | tag::NEW_REFERENCE_EXT | tag::NEWER_REFERENCE_EXT => {
                Token::Reference(self.reference_after(tag, start)?)
            }
            tag::PORT_EXT | tag::NEW_PORT_EXT | tag::V4_PORT_EXT => {
                Token::Port(self.port_after(tag, start)?)
            }
            tag::PID_EXT | tag::NEW_PID_EXT => Token::Pid(self.pid_after(tag, start)?),
            tag::SMALL_TUPLE_EXT | tag::LARGE_TUPLE_EXT => {
                Token::Tuple(self.tuple_after(tag, start)?)
            }
            tag::MAP_EXT => Token::Map(self.map_after(start)?),
            tag::NIL_EXT | tag::STRING_EXT | tag::LIST_EXT => match self.list_after(tag, start)? {
                ListHead::Nil => Token::Nil,
                ListHead::List(len) => Token::List(len),
                ListHead::String(range) => Token::String(self.shared(&range)),
            },
            tag::BINARY_EXT | tag::BIT_BINARY_EXT => match self.bits_after(tag, start)? {
                Bits::Binary(range) => Token::Binary(self.shared(&range)),
                Bits::BitString(range, last_bits) => {
                    Token::BitString(self.bit_string(&range, last_bits)?)
                }
            },
            tag::EXPORT_EXT => {
                let (module, function, arity) = self.export_after(start)?;
                Token::Export {
                    module,
                    function,
                    arity,
                }
            }
            tag::NEW_FUN_EXT => {
                let (closure, free) = self.closure_after(start)?;
                Token::Closure { closure, free }
            }
            tag::RECORD_EXT => {
                let (fields, exported) = self.record_after(start)?;
                Token::Record { fields, exported }
            }
            tag::LOCAL_EXT => {
                let rest = self.local_after(start)?;
                Token::Local(self.shared(&rest))
            }
            _ => return Err(unknown_tag(tag, start)),
        })
    }

    /// All the rest of the input, if a term in a local format may start there.
    pub(super) fn local_after(&mut self, start: usize) -> Result<Range<usize>, DecodeError> {
        if start > 0 {
            return Err(unknown_tag(tag::LOCAL_EXT, start));
        }
        self.take(self.remaining())
    }
}
