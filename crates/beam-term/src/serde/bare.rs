//! What a bare `ok` or `error` holds.

use serde::{
    de::{self, Visitor},
    forward_to_deserialize_any,
};

use crate::{
    DecodeError,
    serde::handoff::{RAW_TERM, TERM},
};

/// The unit that a [`Result`] leaves out when it is sent; what stands around it there left no trace, either.
pub(super) struct BareUnit;

impl<'de> de::Deserializer<'de> for BareUnit {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        // A function of Erlang that answers `ok` or `{ok, Value}` has no value here.
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match name {
            TERM | RAW_TERM => visitor.visit_unit(),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string
        bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}
