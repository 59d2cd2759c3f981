//! Reading sequences.

use bytes::{Buf, Bytes};
use serde::de::{DeserializeSeed, Error, SeqAccess, Visitor};

use crate::{
    DecodeError, Reader,
    decode::ListHead,
    serde::{byte::Byte, deserializer::Deserializer, room::Room},
};

/// The elements of a tuple, of a list in any of its forms, or of a binary.
pub(super) struct Elements<'r> {
    reader: &'r mut Reader,
    room: Room,
    unread: Unread,
    index: usize,
}

/// What is still to be read.
pub(super) enum Unread {
    Nothing,
    /// So many elements.
    Tuple(usize),
    /// So many elements, and the tail.
    List(usize),
    /// A list of integers that take a byte each.
    Characters(Bytes),
    /// A binary, taken for a list of bytes.
    Bytes(Bytes),
}

impl<'r> Elements<'r> {
    #[inline]
    pub(super) fn new(reader: &'r mut Reader, room: Room, unread: Unread) -> Self {
        Self {
            reader,
            room,
            unread,
            index: 0,
        }
    }

    /// Lets the visitor read the elements, which must be all of them.
    #[inline]
    pub(super) fn visit<'de, V: Visitor<'de>>(
        mut self,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let value = visitor.visit_seq(&mut self)?;
        self.follow_tail()?;
        match self.len() {
            0 => Ok(value),
            more => Err(DecodeError::custom(format_args!(
                "surplus elements after the first {}: {more}",
                self.index
            ))),
        }
    }

    /// At the end of a list, goes on with its tail.
    #[inline]
    fn follow_tail(&mut self) -> Result<(), DecodeError> {
        match self.unread {
            Unread::List(0) => self.read_tail(),
            _ => Ok(()),
        }
    }

    fn read_tail(&mut self) -> Result<(), DecodeError> {
        while let Unread::List(0) = self.unread {
            self.unread = match self.reader.tail()? {
                ListHead::Nil => Unread::Nothing,
                ListHead::String(range) => Unread::Characters(self.reader.shared(&range)),
                ListHead::List(len) => {
                    self.room.check(len + 1, self.reader)?;
                    Unread::List(len)
                }
            };
        }
        Ok(())
    }

    #[inline]
    fn len(&self) -> usize {
        match &self.unread {
            Unread::Nothing => 0,
            Unread::Tuple(left) | Unread::List(left) => *left,
            Unread::Characters(bytes) | Unread::Bytes(bytes) => bytes.len(),
        }
    }

    #[inline]
    fn read<'de, T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        match &mut self.unread {
            Unread::Nothing => Ok(None),
            Unread::Tuple(0) | Unread::List(0) => Ok(None),
            Unread::Tuple(left) => {
                *left -= 1;
                let room = self.room.beside(*left);
                seed.deserialize(Deserializer::within(self.reader, room))
                    .map(Some)
            }
            Unread::List(left) => {
                *left -= 1;
                let room = self.room.beside(*left + 1);
                seed.deserialize(Deserializer::within(self.reader, room))
                    .map(Some)
            }
            Unread::Characters(bytes) => match bytes.try_get_u8() {
                Ok(byte) => {
                    let mut integer = Reader::small_integer(byte);
                    seed.deserialize(Deserializer::new(&mut integer)).map(Some)
                }
                Err(_) => Ok(None),
            },
            Unread::Bytes(bytes) => match bytes.try_get_u8() {
                Ok(byte) => seed.deserialize(Byte(byte)).map(Some),
                Err(_) => Ok(None),
            },
        }
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_> {
    type Error = DecodeError;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        self.follow_tail()?;
        let value = self
            .read(seed)
            .map_err(|error| error.in_element(self.index))?;
        self.index += 1;
        Ok(value)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.len())
    }
}
