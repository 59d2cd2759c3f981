//! Writing containers.

use std::ops::Range;

use serde::ser::{
    self, Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple,
};

use crate::{EncodeError, encode::countable, serde::serializer::Serializer};

/// A list.
pub(super) struct Sequence<'s, 'w, 'b> {
    serializer: &'s mut Serializer<'w, 'b>,
    start: usize,
    len: usize,
}

impl<'s, 'w, 'b> Sequence<'s, 'w, 'b> {
    pub(super) fn open(serializer: &'s mut Serializer<'w, 'b>) -> Self {
        let start = serializer.writer.position();
        // Its length is set at the end.
        serializer.writer.list(usize::from(u8::MAX));
        Self {
            serializer,
            start,
            len: 0,
        }
    }
}

impl SerializeSeq for Sequence<'_, '_, '_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.serializer.enter(self.len)?;
        self.len += 1;
        value.serialize(&mut *self.serializer)
    }

    fn end(self) -> Result<(), EncodeError> {
        countable("a list", self.len)?;
        self.serializer.leave(self.len);
        self.serializer.writer.close_list(self.start, self.len);
        Ok(())
    }
}

/// A tuple.
pub(super) struct Tuple<'s, 'w, 'b> {
    serializer: &'s mut Serializer<'w, 'b>,
    len: usize,
    left: usize,
}

impl<'s, 'w, 'b> Tuple<'s, 'w, 'b> {
    /// A tuple whose head is written, and that lacks the last `left` elements.
    pub(super) fn open(serializer: &'s mut Serializer<'w, 'b>, len: usize, left: usize) -> Self {
        Self {
            serializer,
            len,
            left,
        }
    }
}

impl SerializeTuple for Tuple<'_, '_, '_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.serializer.enter(self.len)?;
        self.len += 1;
        self.left = self.left.checked_sub(1).ok_or_else(wrong_size)?;
        value.serialize(&mut *self.serializer)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.serializer.leave(self.len);
        match self.left {
            0 => Ok(()),
            _ => Err(wrong_size()),
        }
    }
}

impl ser::SerializeTupleStruct for Tuple<'_, '_, '_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.serialize_element(value)
    }

    fn end(self) -> Result<(), EncodeError> {
        SerializeTuple::end(self)
    }
}

impl ser::SerializeTupleVariant for Tuple<'_, '_, '_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.serialize_element(value)
    }

    fn end(self) -> Result<(), EncodeError> {
        SerializeTuple::end(self)
    }
}

/// A map of any keys.
pub(super) struct Map<'s, 'w, 'b> {
    serializer: &'s mut Serializer<'w, 'b>,
    start: usize,
    /// Where the keys are in the buffer.
    keys: Vec<Range<usize>>,
}

impl<'s, 'w, 'b> Map<'s, 'w, 'b> {
    pub(super) fn open(serializer: &'s mut Serializer<'w, 'b>) -> Self {
        let start = serializer.writer.position();
        // Its size is set at the end.
        serializer.writer.map(0);
        Self {
            serializer,
            start,
            keys: Vec::new(),
        }
    }
}

impl SerializeMap for Map<'_, '_, '_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        self.serializer.enter(self.keys.len())?;
        let start = self.serializer.writer.position();
        // They are compared by what is in the buffer.
        let shared = self.serializer.writer.suspend_sharing();
        key.serialize(&mut *self.serializer)?;
        self.serializer.writer.resume_sharing(shared);
        self.keys.push(start..self.serializer.writer.position());
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        value.serialize(&mut *self.serializer)
    }

    /// Refuses a key that comes twice: OTP closes the link on which such a map arrives.
    fn end(mut self) -> Result<(), EncodeError> {
        countable("a map", self.keys.len())?;
        let writer = &mut self.serializer.writer;
        writer.close_map(self.start, self.keys.len());
        let written = writer.written();
        let key = |range: &Range<usize>| &written[range.clone()];
        self.keys.sort_unstable_by(|a, b| key(a).cmp(key(b)));
        if self.keys.windows(2).any(|two| key(&two[0]) == key(&two[1])) {
            return Err(EncodeError::custom("a map has a key twice"));
        }
        self.serializer.leave(self.keys.len());
        Ok(())
    }
}

/// A map with the names of fields as keys.
pub(super) struct Struct<'s, 'w, 'b> {
    serializer: &'s mut Serializer<'w, 'b>,
    start: usize,
    fields: usize,
    /// Whether it is the second element of a tuple, which ends with it.
    tagged: bool,
}

impl<'s, 'w, 'b> Struct<'s, 'w, 'b> {
    pub(super) fn open(serializer: &'s mut Serializer<'w, 'b>, tagged: bool) -> Self {
        let start = serializer.writer.position();
        // Its size is set at the end.
        serializer.writer.map(0);
        Self {
            serializer,
            start,
            fields: 0,
            tagged,
        }
    }
}

impl SerializeStruct for Struct<'_, '_, '_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.serializer.enter(self.fields)?;
        self.fields += 1;
        self.serializer.name(name)?;
        value.serialize(&mut *self.serializer)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.serializer.writer.close_map(self.start, self.fields);
        self.serializer.leave(self.fields);
        self.serializer.leave(usize::from(self.tagged));
        Ok(())
    }
}

impl ser::SerializeStructVariant for Struct<'_, '_, '_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        SerializeStruct::serialize_field(self, name, value)
    }

    fn end(self) -> Result<(), EncodeError> {
        SerializeStruct::end(self)
    }
}

fn wrong_size() -> EncodeError {
    EncodeError::custom("a tuple has another size than it announced")
}
