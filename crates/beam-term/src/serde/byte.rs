//! Reading the bytes of a binary one by one.

use serde::{
    de::{self, Error, IntoDeserializer, Visitor},
    forward_to_deserialize_any,
};

use crate::{
    DecodeError,
    serde::handoff::{RAW_TERM, TERM},
};

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
