//! What the pull parser yields.

use bytes::Bytes;

use crate::{
    Atom, BitString, Closure, DecodeError, Float, Integer, Pid, Port, Reader, Reference,
    decode::head::Head,
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
    /// A term in a format that is local to its sender: all the rest of the input, after the tag.
    Local(Bytes),
}

impl Reader {
    /// Reads the next token.
    pub fn token(&mut self) -> Result<Token, DecodeError> {
        Ok(match self.head()? {
            Head::Integer(value) => Token::Integer(value.into()),
            Head::BigInteger { negative, digits } => {
                Token::Integer(self.resolve_big(negative, &digits))
            }
            Head::Float(value) => Token::Float(value),
            Head::Atom(atom) => Token::Atom(self.resolve(&atom)?),
            Head::Reference(reference) => Token::Reference(self.resolve_reference(&reference)?),
            Head::Export {
                module,
                function,
                arity,
            } => Token::Export {
                module: self.resolve(&module)?,
                function: self.resolve(&function)?,
                arity,
            },
            Head::Closure { closure, free } => Token::Closure { closure, free },
            Head::Port { node, id, creation } => Token::Port(Port {
                node: self.resolve(&node)?,
                id,
                creation,
            }),
            Head::Pid {
                node,
                id,
                serial,
                creation,
            } => Token::Pid(Pid {
                node: self.resolve(&node)?,
                id,
                serial,
                creation,
            }),
            Head::Tuple(arity) => Token::Tuple(arity),
            Head::Map(pairs) => Token::Map(pairs),
            Head::Nil => Token::Nil,
            Head::List(len) => Token::List(len),
            Head::String(bytes) => Token::String(self.shared(&bytes)),
            Head::Binary(bytes) => Token::Binary(self.shared(&bytes)),
            Head::BitString { bytes, last_bits } => {
                Token::BitString(self.resolve_bits(&bytes, last_bits)?)
            }
            Head::Record { fields, exported } => Token::Record { fields, exported },
            Head::Local(bytes) => Token::Local(self.shared(&bytes)),
        })
    }
}
