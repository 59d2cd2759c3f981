//! Reading values in place.

use std::str;

use serde::{
    Deserialize,
    de::{self, Visitor},
};

use crate::{
    DecodeError, DecodeErrorKind, Integer, Kind, Reader,
    decode::{ListHead, Number},
    serde::{
        elements::{Elements, Unread},
        handoff::{self, Handed, RAW_TERM, TERM},
        pairs::Pairs,
        room::Room,
        text::{charlist, utf8},
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
    #[inline]
    pub(super) fn new(reader: &'r mut Reader) -> Self {
        let room = Room::of(reader);
        Self::within(reader, room)
    }

    #[inline]
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

    /// Visits a list by its head, which was read.
    #[inline]
    fn visit_list<'de, V: Visitor<'de>>(
        self,
        head: ListHead,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let (room, unread) = match head {
            ListHead::Nil => (self.room, Unread::Nothing),
            ListHead::String(range) => (self.room, Unread::Characters(self.reader.shared(&range))),
            ListHead::List(len) => (self.room.inside(len + 1, self.reader)?, Unread::List(len)),
        };
        Elements::new(self.reader, room, unread).visit(visitor)
    }

    /// Visits a binary as the list of its bytes.
    fn visit_binary<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let bytes = self.reader.binary()?;
        Elements::new(self.reader, self.room, Unread::Bytes(bytes)).visit(visitor)
    }

    #[inline]
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
        structs: Structs,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let start = self.reader.position();
        match self.reader.peek_kind()? {
            Kind::Map => {
                let pairs = self.reader.map()?;
                self.visit_map(pairs, structs, visitor)
            }
            Kind::List => match self.reader.list_head()? {
                ListHead::Nil => Pairs::list(self.reader, self.room, None, structs).visit(visitor),
                ListHead::List(len) => {
                    let room = self.room.inside(len + 1, self.reader)?;
                    Pairs::list(self.reader, room, Some(len), structs).visit(visitor)
                }
                ListHead::String(_) => Err(self.reader.unexpected("a map", start)),
            },
            _ => Err(self.reader.unexpected("a map", start)),
        }
    }

    /// Visits an integer by the narrowest type that serde has for it; gives all back if there is none.
    #[inline]
    fn visit_number<'de, V: Visitor<'de>>(
        &self,
        number: &Number,
        visitor: V,
    ) -> Result<Result<V::Value, DecodeError>, (Integer, V)> {
        if let Number::Small(value) = number {
            return Ok(visitor.visit_i64(*value));
        }
        let integer = self.reader.resolve(number);
        if let Ok(value) = i64::try_from(&integer) {
            Ok(visitor.visit_i64(value))
        } else if let Ok(value) = u64::try_from(&integer) {
            Ok(visitor.visit_u64(value))
        } else if let Ok(value) = i128::try_from(&integer) {
            Ok(visitor.visit_i128(value))
        } else if let Ok(value) = u128::try_from(&integer) {
            Ok(visitor.visit_u128(value))
        } else {
            Err((integer, visitor))
        }
    }

    /// The float nearest to a big integer, if there is one.
    fn float_of(&self, number: &Number) -> Option<f64> {
        match number {
            // No finite float has more digits.
            Number::Big { digits, .. } if digits.len() > 128 => None,
            _ => {
                let decimal = self.reader.resolve(number).to_string();
                decimal.parse().ok().filter(|value: &f64| value.is_finite())
            }
        }
    }

    /// Whether the next term is one of the atoms; reads it if so.
    fn next_is(&mut self, atoms: &[&str]) -> Result<bool, DecodeError> {
        if self.reader.peek_kind()? != Kind::Atom {
            return Ok(false);
        }
        let before = self.reader.checkpoint();
        let atom = self.reader.atom()?;
        let found = atoms.iter().any(|text| atom == *text);
        if !found {
            self.reader.rewind(before);
        }
        Ok(found)
    }
}

impl<'de> de::Deserializer<'de> for Deserializer<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.reader.peek_kind()? {
            Kind::Integer => {
                let number = self.reader.number()?;
                match self.visit_number(&number, visitor) {
                    Ok(result) => result,
                    Err((integer, visitor)) => visitor.visit_string(integer.to_string()),
                }
            }
            Kind::Float => visitor.visit_f64(self.reader.float()?.get()),
            Kind::Atom => match self.reader.atom()?.as_str() {
                text if self.key => visitor.visit_str(text),
                "true" => visitor.visit_bool(true),
                "false" => visitor.visit_bool(false),
                "nil" | "undefined" => visitor.visit_unit(),
                text => visitor.visit_str(text),
            },
            Kind::Binary => {
                let range = self.reader.binary_range()?;
                let bytes = &self.reader.bytes[range];
                match str::from_utf8(bytes) {
                    Ok(text) => visitor.visit_str(text),
                    Err(_) => visitor.visit_bytes(bytes),
                }
            }
            Kind::Tuple => {
                let arity = self.reader.tuple()?;
                self.visit_tuple(arity, visitor)
            }
            Kind::List => {
                let head = self.reader.list_head()?;
                self.visit_list(head, visitor)
            }
            Kind::Map => {
                let pairs = self.reader.map()?;
                self.visit_map(pairs, Structs::AsTheyAre, visitor)
            }
            Kind::Reference
            | Kind::Fun
            | Kind::Port
            | Kind::Pid
            | Kind::BitString
            | Kind::Record
            | Kind::Local => visitor.visit_string(self.reader.term()?.to_string()),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let start = self.reader.position();
        if self.reader.peek_kind()? == Kind::Atom {
            match self.reader.atom()?.as_bytes() {
                b"true" => return visitor.visit_bool(true),
                b"false" => return visitor.visit_bool(false),
                _ => {}
            }
        }
        Err(self.reader.unexpected("true or false", start))
    }

    #[inline]
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let offset = self.reader.position();
        let number = self.reader.number()?;
        self.visit_number(&number, visitor)
            .unwrap_or_else(|_| Err(DecodeErrorKind::IntegerOutOfRange { offset }.into()))
    }

    #[inline]
    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    #[inline]
    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    #[inline]
    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    #[inline]
    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    #[inline]
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    #[inline]
    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    #[inline]
    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    #[inline]
    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    #[inline]
    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let offset = self.reader.position();
        let value: f64 = f64::deserialize(self)?;
        // Beyond the range, the conversion gives an infinity, which no term is.
        if (value as f32).is_finite() {
            visitor.visit_f64(value)
        } else {
            Err(DecodeErrorKind::Malformed {
                reason: "a number that is out of the range of an f32",
                offset,
            }
            .into())
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let offset = self.reader.position();
        match self.reader.peek_kind()? {
            Kind::Float => visitor.visit_f64(self.reader.float()?.get()),
            Kind::Integer => match self.reader.number()? {
                Number::Small(value) => visitor.visit_f64(value as f64),
                big => match self.float_of(&big) {
                    Some(value) => visitor.visit_f64(value),
                    None => Err(DecodeErrorKind::IntegerOutOfRange { offset }.into()),
                },
            },
            _ => Err(self.reader.unexpected("a number", offset)),
        }
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let offset = self.reader.position();
        match self.reader.peek_kind()? {
            Kind::Integer => match char::from_u32(self.reader.integer()?) {
                Some(character) => visitor.visit_char(character),
                None => Err(DecodeErrorKind::IntegerOutOfRange { offset }.into()),
            },
            Kind::Binary => {
                let range = self.reader.binary_range()?;
                visitor.visit_str(utf8(&self.reader.bytes[range], offset)?)
            }
            _ => Err(self.reader.unexpected("a character", offset)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let offset = self.reader.position();
        match self.reader.peek_kind()? {
            Kind::Binary => {
                let range = self.reader.binary_range()?;
                visitor.visit_str(utf8(&self.reader.bytes[range], offset)?)
            }
            Kind::Atom if self.key => visitor.visit_str(&self.reader.atom()?),
            Kind::List => visitor.visit_string(charlist(self.reader)?),
            Kind::Atom => Err(self
                .reader
                .unexpected("text as a binary (an atom is read as `Atom`)", offset)),
            _ => Err(self.reader.unexpected("text as a binary", offset)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let range = self.reader.binary_range()?;
        visitor.visit_bytes(&self.reader.bytes[range])
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
        let offset = self.reader.position();
        if self.next_is(&["ok", "nil", "undefined"])? {
            return visitor.visit_unit();
        }
        match self.reader.peek_kind()? {
            Kind::Tuple if self.reader.tuple()? == 0 => visitor.visit_unit(),
            _ => Err(self.reader.unexpected("the atom ok", offset)),
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

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.reader.peek_kind()? {
            Kind::Binary => self.visit_binary(visitor),
            _ => {
                let head = self.reader.list_head()?;
                self.visit_list(head, visitor)
            }
        }
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.reader.peek_kind()? {
            Kind::List | Kind::Binary => self.deserialize_seq(visitor),
            _ => {
                self.reader.tuple_of(len)?;
                self.visit_tuple(len, visitor)
            }
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
        self.visit_pairs(Structs::AsTheyAre, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.visit_pairs(Structs::WithoutTheirName, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        const EXPECTED: &str = "an atom or a tagged tuple";

        let offset = self.reader.position();
        match self.reader.peek_kind()? {
            Kind::Atom => {
                let tag = self.reader.atom()?;
                visitor.visit_enum(Variant::bare(self.reader, tag, name, variants))
            }
            Kind::Tuple => match self.reader.tuple()?.checked_sub(1) {
                Some(elements) => {
                    let room = self.room.inside(elements + 1, self.reader)?;
                    let tag = self.reader.atom()?;
                    let tagged = Variant::tagged(self.reader, room, tag, elements, name, variants);
                    visitor.visit_enum(tagged)
                }
                None => Err(self.reader.unexpected(EXPECTED, offset)),
            },
            _ => Err(self.reader.unexpected(EXPECTED, offset)),
        }
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
