//! Writing values.

use std::mem;

use serde::ser::{self, Serialize};

use crate::{
    Atom, EncodeError, Float, Limits, Writer,
    encode::{check_arity, countable},
    serde::{
        compound::{Map, Sequence, Struct, Tuple},
        handoff::{self, RAW_TERM, TERM},
    },
};

/// Writes one value.
pub(super) struct Serializer<'w, 'b> {
    pub(super) writer: &'w mut Writer<'b>,
    levels_left: usize,
    /// Where in the buffer the last unit is.
    unit_at: Option<usize>,
    /// Whether the buffer is lent to the value, which then tells by a unit that it has written itself.
    lent: bool,
}

impl<'w, 'b> Serializer<'w, 'b> {
    pub(super) fn new(writer: &'w mut Writer<'b>) -> Self {
        Self {
            writer,
            levels_left: Limits::default().recursion,
            unit_at: None,
            lent: false,
        }
    }

    /// Goes into a container, before its first element; an empty one does not nest. A peer with the default limits refuses
    /// what is nested deeper than this allows.
    pub(super) fn enter(&mut self, elements_before: usize) -> Result<(), EncodeError> {
        if elements_before > 0 {
            return Ok(());
        }
        match self.levels_left.checked_sub(1) {
            Some(left) => {
                self.levels_left = left;
                Ok(())
            }
            None => Err(EncodeError::TooDeep {
                limit: Limits::default().recursion,
            }),
        }
    }

    /// Comes out of a container of so many elements.
    pub(super) fn leave(&mut self, elements: usize) {
        self.levels_left += usize::from(elements > 0);
    }

    /// Writes a name that may be too long for an atom.
    pub(super) fn name(&mut self, name: &'static str) -> Result<(), EncodeError> {
        self.writer.atom(&Atom::from_static_checked(name)?);
        Ok(())
    }

    fn tagged(&mut self, name: &'static str, elements: usize) -> Result<(), EncodeError> {
        self.enter(0)?;
        check_arity(elements.saturating_add(1))?;
        self.writer.tuple(elements + 1);
        self.name(name)
    }
}

impl<'s, 'w, 'b> ser::Serializer for &'s mut Serializer<'w, 'b> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Sequence<'s, 'w, 'b>;
    type SerializeTuple = Tuple<'s, 'w, 'b>;
    type SerializeTupleStruct = Tuple<'s, 'w, 'b>;
    type SerializeTupleVariant = Tuple<'s, 'w, 'b>;
    type SerializeMap = Map<'s, 'w, 'b>;
    type SerializeStruct = Struct<'s, 'w, 'b>;
    type SerializeStructVariant = Struct<'s, 'w, 'b>;

    fn serialize_bool(self, value: bool) -> Result<(), EncodeError> {
        self.writer.atom(&value.into());
        Ok(())
    }

    fn serialize_i8(self, value: i8) -> Result<(), EncodeError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), EncodeError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), EncodeError> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), EncodeError> {
        self.writer.integer(value);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), EncodeError> {
        self.writer.integer(value);
        Ok(())
    }

    fn serialize_u8(self, value: u8) -> Result<(), EncodeError> {
        self.serialize_i64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), EncodeError> {
        self.serialize_i64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), EncodeError> {
        self.serialize_i64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), EncodeError> {
        self.writer.integer(value);
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), EncodeError> {
        self.writer.integer(value);
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), EncodeError> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), EncodeError> {
        self.writer.float(Float::try_from(value)?);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), EncodeError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), EncodeError> {
        self.serialize_bytes(value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), EncodeError> {
        countable("a binary", value.len())?;
        self.writer.binary(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), EncodeError> {
        self.name("nil")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), EncodeError> {
        if mem::take(&mut self.lent) {
            return Ok(());
        }
        self.unit_at = Some(self.writer.position());
        self.name("ok")
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), EncodeError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), EncodeError> {
        self.name(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        if !matches!(name, TERM | RAW_TERM) {
            return value.serialize(self);
        }
        self.lent = true;
        let lent = self.writer.take();
        let (lent, result) = handoff::lend(lent, || value.serialize(&mut *self));
        self.writer.put_back(lent);
        result
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        let variant = match (name, variant) {
            ("Result", "Ok") => "ok",
            ("Result", "Err") => "error",
            _ => variant,
        };
        let start = self.writer.position();
        self.tagged(variant, 1)?;
        let payload = self.writer.position();
        self.unit_at = None;
        value.serialize(&mut *self)?;
        self.leave(2);
        if name == "Result" && self.unit_at == Some(payload) {
            // The conventional `ok` is bare.
            self.writer.truncate(start);
            self.name(variant)?;
        }
        Ok(())
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Sequence<'s, 'w, 'b>, EncodeError> {
        Ok(Sequence::open(self))
    }

    fn serialize_tuple(self, len: usize) -> Result<Tuple<'s, 'w, 'b>, EncodeError> {
        check_arity(len)?;
        self.writer.tuple(len);
        Ok(Tuple::open(self, 0, len))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        len: usize,
    ) -> Result<Tuple<'s, 'w, 'b>, EncodeError> {
        self.serialize_tuple(len)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Tuple<'s, 'w, 'b>, EncodeError> {
        self.tagged(variant, len)?;
        Ok(Tuple::open(self, 1, len))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Map<'s, 'w, 'b>, EncodeError> {
        Ok(Map::open(self))
    }

    fn serialize_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Struct<'s, 'w, 'b>, EncodeError> {
        Ok(Struct::open(self, false))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Struct<'s, 'w, 'b>, EncodeError> {
        self.tagged(variant, 1)?;
        Ok(Struct::open(self, true))
    }
}
