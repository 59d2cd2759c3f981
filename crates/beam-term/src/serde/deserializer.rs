//! Reading values in place.

use std::str;

use serde::{
    de::{self, Error, IntoDeserializer, Visitor},
    forward_to_deserialize_any,
};

use crate::{
    DecodeError, Integer, IntegerOutOfRange, Kind, Reader,
    decode::Head,
    serde::{
        elements::{Elements, Unread},
        handoff::{self, Handed, RAW_TERM, TERM},
        pairs::Pairs,
        room::Room,
        variant::Variant,
    },
};

/// Reads one value.
pub(super) struct Deserializer<'r> {
    reader: &'r mut Reader,
    room: Room,
    /// Whether it is the key of a map, where an atom counts as text.
    key: bool,
}

impl<'r> Deserializer<'r> {
    pub(super) fn new(reader: &'r mut Reader) -> Self {
        let room = Room::of(reader);
        Self::within(reader, room)
    }

    pub(super) fn within(reader: &'r mut Reader, room: Room) -> Self {
        Self {
            reader,
            room,
            key: false,
        }
    }

    pub(super) fn key(reader: &'r mut Reader, room: Room) -> Self {
        Self {
            reader,
            room,
            key: true,
        }
    }

    fn visit_head<'de, V: Visitor<'de>>(
        self,
        head: Head,
        offset: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match head {
            Head::Integer(value) => visitor.visit_i64(value),
            Head::BigInteger { negative, digits } => {
                let value = self.reader.resolve_big(negative, &digits);
                match visit_big(&value, visitor) {
                    Ok(result) => result,
                    Err(visitor) => visitor.visit_string(value.to_bigint().to_string()),
                }
            }
            Head::Float(value) => visitor.visit_f64(value.get()),
            Head::Atom(atom) => {
                let atom = self.reader.resolve(&atom)?;
                match atom.as_str() {
                    text if self.key => visitor.visit_str(text),
                    "true" => visitor.visit_bool(true),
                    "false" => visitor.visit_bool(false),
                    "nil" | "undefined" => visitor.visit_unit(),
                    text => visitor.visit_str(text),
                }
            }
            Head::Binary(bytes) => match str::from_utf8(&self.reader.bytes[bytes.clone()]) {
                Ok(text) => visitor.visit_str(text),
                Err(_) => visitor.visit_bytes(&self.reader.bytes[bytes]),
            },
            Head::Tuple(arity) => self.visit_tuple(arity, visitor),
            Head::Nil | Head::List(_) | Head::String(_) => self.visit_list(head, offset, visitor),
            Head::Map(pairs) => self.visit_map(pairs, Structs::AsTheyAre, visitor),
            Head::Reference(_)
            | Head::Export { .. }
            | Head::Closure { .. }
            | Head::Port { .. }
            | Head::Pid { .. }
            | Head::BitString { .. }
            | Head::Record { .. }
            | Head::Local(_) => {
                self.reader.position = offset;
                visitor.visit_string(self.reader.term()?.to_string())
            }
        }
    }

    fn visit_list<'de, V: Visitor<'de>>(
        self,
        head: Head,
        offset: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let unread = match head {
            Head::Nil => Unread::Nothing,
            Head::String(bytes) => Unread::Characters(self.reader.shared(&bytes)),
            Head::Binary(bytes) => Unread::Bytes(self.reader.shared(&bytes)),
            Head::List(len) => {
                let room = self.room.inside(len + 1, self.reader)?;
                return Elements::new(self.reader, room, Unread::List(len)).visit(visitor);
            }
            other => return Err(unexpected("a list", &other, offset)),
        };
        Elements::new(self.reader, self.room, unread).visit(visitor)
    }

    fn visit_tuple<'de, V: Visitor<'de>>(
        self,
        arity: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let room = self.room.inside(arity, self.reader)?;
        Elements::new(self.reader, room, Unread::Tuple(arity)).visit(visitor)
    }

    fn visit_map<'de, V: Visitor<'de>>(
        self,
        pairs: usize,
        structs: Structs,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let room = self.room.inside(2 * pairs, self.reader)?;
        Pairs::map(self.reader, room, pairs, structs).visit(visitor)
    }

    fn visit_pairs<'de, V: Visitor<'de>>(
        self,
        expected: &'static str,
        structs: Structs,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let offset = self.reader.position();
        match self.reader.head()? {
            Head::Map(pairs) => self.visit_map(pairs, structs, visitor),
            Head::Nil => Pairs::list(self.reader, self.room, None, structs).visit(visitor),
            Head::List(len) => {
                let room = self.room.inside(len + 1, self.reader)?;
                Pairs::list(self.reader, room, Some(len), structs).visit(visitor)
            }
            other => Err(unexpected(expected, &other, offset)),
        }
    }

    /// Whether the next term is one of the atoms; reads it if so.
    fn next_is(&mut self, atoms: &[&str]) -> Result<bool, DecodeError> {
        if self.reader.peek_kind()? != Kind::Atom {
            return Ok(false);
        }
        let before = self.reader.position();
        let atom = self.reader.atom()?;
        let found = atoms.iter().any(|text| atom == *text);
        if !found {
            self.reader.position = before;
        }
        Ok(found)
    }
}

impl<'de> de::Deserializer<'de> for Deserializer<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let offset = self.reader.position();
        let head = self.reader.head()?;
        self.visit_head(head, offset, visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, DecodeError> {
        let offset = self.reader.position();
        if self.next_is(&["true"])? {
            visitor.visit_bool(true)
        } else if self.next_is(&["false"])? {
            visitor.visit_bool(false)
        } else {
            let head = self.reader.head()?;
            Err(unexpected("true or false", &head, offset))
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let offset = self.reader.position();
        match self.reader.head()? {
            Head::Integer(value) => visitor.visit_i64(value),
            Head::BigInteger { negative, digits } => {
                let value = self.reader.resolve_big(negative, &digits);
                visit_big(&value, visitor).unwrap_or(Err(DecodeError::IntegerOutOfRange { offset }))
            }
            other => Err(unexpected("an integer", &other, offset)),
        }
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let offset = self.reader.position();
        match self.reader.head()? {
            Head::Float(value) => visitor.visit_f64(value.get()),
            Head::Integer(value) => visitor.visit_f64(value as f64),
            // No finite float has more digits.
            Head::BigInteger { negative, digits } if digits.len() <= 128 => {
                let value = self.reader.resolve_big(negative, &digits).to_bigint();
                let float = value.to_string().parse::<f64>();
                match float {
                    Ok(float) if float.is_finite() => visitor.visit_f64(float),
                    _ => Err(DecodeError::IntegerOutOfRange { offset }),
                }
            }
            Head::BigInteger { .. } => Err(DecodeError::IntegerOutOfRange { offset }),
            other => Err(unexpected("a number", &other, offset)),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let offset = self.reader.position();
        match self.reader.head()? {
            Head::Integer(value) => match u32::try_from(value).ok().and_then(char::from_u32) {
                Some(character) => visitor.visit_char(character),
                None => Err(DecodeError::IntegerOutOfRange { offset }),
            },
            Head::Binary(bytes) => visitor.visit_str(utf8(&self.reader.bytes[bytes], offset)?),
            other => Err(unexpected("a character", &other, offset)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let offset = self.reader.position();
        match self.reader.head()? {
            Head::Binary(bytes) => visitor.visit_str(utf8(&self.reader.bytes[bytes], offset)?),
            Head::Atom(atom) if self.key => visitor.visit_str(&self.reader.resolve(&atom)?),
            Head::Nil | Head::String(_) | Head::List(_) => {
                self.reader.position = offset;
                visitor.visit_string(charlist(self.reader)?)
            }
            other => Err(unexpected("text as a binary", &other, offset)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let offset = self.reader.position();
        match self.reader.head()? {
            Head::Binary(bytes) => visitor.visit_bytes(&self.reader.bytes[bytes]),
            other => Err(unexpected("a binary", &other, offset)),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.next_is(&["nil", "undefined"])? {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, DecodeError> {
        if self.next_is(&["ok", "nil", "undefined"])? {
            return visitor.visit_unit();
        }
        let offset = self.reader.position();
        match self.reader.head()? {
            Head::Tuple(0) => visitor.visit_unit(),
            other => Err(unexpected("the atom ok", &other, offset)),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let handed = match name {
            TERM => Handed::Term(self.reader.term()?),
            RAW_TERM => Handed::Raw(self.reader.raw()?),
            _ => return visitor.visit_newtype_struct(self),
        };
        handoff::hand(handed, || visitor.visit_unit())
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let offset = self.reader.position();
        let head = self.reader.head()?;
        self.visit_list(head, offset, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let offset = self.reader.position();
        match self.reader.head()? {
            Head::Tuple(found) if found == len => self.visit_tuple(found, visitor),
            Head::Tuple(found) => Err(DecodeError::Arity {
                expected: len,
                found,
                offset,
            }),
            list @ (Head::Nil | Head::String(_) | Head::List(_) | Head::Binary(_)) => {
                self.visit_list(list, offset, visitor)
            }
            other => Err(unexpected("a tuple", &other, offset)),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.visit_pairs("a map", Structs::AsTheyAre, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.visit_pairs("a map", Structs::WithoutTheirName, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let offset = self.reader.position();
        let (elements, room) = match self.reader.head()? {
            Head::Atom(atom) => {
                let tag = self.reader.resolve(&atom)?;
                return visitor.visit_enum(Variant::bare(self.reader, tag, name, variants));
            }
            Head::Tuple(arity @ 1..) => (arity - 1, self.room.inside(arity, self.reader)?),
            other => return Err(unexpected("an atom or a tagged tuple", &other, offset)),
        };
        let tag = self.reader.atom()?;
        let variant = Variant::tagged(self.reader, room, tag, elements, name, variants);
        visitor.visit_enum(variant)
    }

    fn deserialize_identifier<V: Visitor<'de>>(
        mut self,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.key = true;
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.reader.skip()?;
        visitor.visit_unit()
    }
}

/// What becomes of the key `__struct__` in a map.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Structs {
    AsTheyAre,
    WithoutTheirName,
}

/// A byte of a binary that is read as a sequence.
pub(super) struct Byte(pub(super) u8);

impl<'de> de::Deserializer<'de> for Byte {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_u8(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match name {
            TERM | RAW_TERM => Err(DecodeError::custom("expected a list, found a binary")),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string
        bytes byte_buf option unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, DecodeError> for Byte {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl Error for DecodeError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Message(message.to_string().into())
    }
}

pub(super) fn unexpected(expected: &'static str, found: &Head, offset: usize) -> DecodeError {
    DecodeError::Unexpected {
        expected,
        found: found.kind(),
        offset,
    }
}

/// Visits an integer beyond 64 bits by the narrowest type that serde has for it; gives the visitor back if there is none.
fn visit_big<'de, V: Visitor<'de>>(
    value: &Integer,
    visitor: V,
) -> Result<Result<V::Value, DecodeError>, V> {
    let narrow: Result<u64, IntegerOutOfRange> = value.try_into();
    if let Ok(value) = narrow {
        Ok(visitor.visit_u64(value))
    } else if let Ok(value) = value.try_into() {
        Ok(visitor.visit_i128(value))
    } else if let Ok(value) = value.try_into() {
        Ok(visitor.visit_u128(value))
    } else {
        Err(visitor)
    }
}

fn utf8(bytes: &[u8], offset: usize) -> Result<&str, DecodeError> {
    str::from_utf8(bytes).map_err(|_| DecodeError::Malformed {
        reason: "text that is not UTF-8",
        offset,
    })
}

fn charlist(reader: &mut Reader) -> Result<String, DecodeError> {
    let mut text = String::new();
    reader.for_each(|reader| {
        let offset = reader.position();
        let character = char::from_u32(reader.integer()?);
        text.push(character.ok_or(DecodeError::IntegerOutOfRange { offset })?);
        Ok(())
    })?;
    Ok(text)
}
