//! Reading maps, and lists of pairs in their place.

use serde::de::{DeserializeSeed, Error, MapAccess, Visitor};

use crate::{
    DecodeError, Kind, Reader,
    decode::ListHead,
    serde::{
        deserializer::{Deserializer, Structs},
        room::Room,
    },
};

/// The keys and values of a map, or of a list of pairs.
pub(super) struct Pairs<'r> {
    reader: &'r mut Reader,
    /// The room inside the container.
    room: Room,
    unread: Unread,
    structs: Structs,
    /// Where the key is whose value comes next.
    key: usize,
}

/// How many pairs are still to be read.
enum Unread {
    Map(usize),
    /// The tail of the list follows.
    List(usize),
    Nothing,
}

impl<'r> Pairs<'r> {
    pub(super) fn map(reader: &'r mut Reader, room: Room, pairs: usize, structs: Structs) -> Self {
        Self {
            reader,
            room,
            unread: Unread::Map(pairs),
            structs,
            key: 0,
        }
    }

    /// A list of `len` pairs and a tail; `None` stands for the empty list, which has no tail.
    pub(super) fn list(
        reader: &'r mut Reader,
        room: Room,
        len: Option<usize>,
        structs: Structs,
    ) -> Self {
        Self {
            reader,
            room,
            unread: len.map_or(Unread::Nothing, Unread::List),
            structs,
            key: 0,
        }
    }

    /// Lets the visitor read the pairs, which must be all of them.
    pub(super) fn visit<'de, V: Visitor<'de>>(
        mut self,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let value = visitor.visit_map(&mut self)?;
        if self.begin_pair()? {
            return Err(DecodeError::custom("more keys than expected"));
        }
        Ok(value)
    }

    /// Moves to the key of the next pair, if there is one.
    fn begin_pair(&mut self) -> Result<bool, DecodeError> {
        loop {
            self.follow_tail()?;
            match &mut self.unread {
                Unread::Map(0) | Unread::List(0) | Unread::Nothing => return Ok(false),
                Unread::Map(left) => *left -= 1,
                Unread::List(left) => {
                    *left -= 1;
                    self.reader.tuple_of(2)?;
                }
            }
            self.key = self.reader.position();
            if self.structs == Structs::WithoutTheirName && self.at_name_of_struct()? {
                self.reader.skip()?;
                self.reader.skip()?;
            } else {
                return Ok(true);
            }
        }
    }

    /// At the end of a list, goes on with its tail.
    fn follow_tail(&mut self) -> Result<(), DecodeError> {
        while let Unread::List(0) = self.unread {
            let offset = self.reader.position();
            self.unread = match self.reader.tail()? {
                ListHead::Nil => Unread::Nothing,
                ListHead::List(len) => {
                    self.room.check(len + 1, self.reader)?;
                    Unread::List(len)
                }
                ListHead::String(_) => return Err(self.reader.unexpected("pairs", offset)),
            };
        }
        Ok(())
    }

    fn at_name_of_struct(&mut self) -> Result<bool, DecodeError> {
        if self.reader.peek_kind()? != Kind::Atom {
            return Ok(false);
        }
        let before = self.reader.checkpoint();
        let atom = self.reader.atom()?;
        self.reader.rewind(before);
        Ok(atom == "__struct__")
    }

    fn inner_room(&self, terms: usize) -> Room {
        match self.unread {
            Unread::Map(left) => self.room.beside(2 * left + terms),
            Unread::List(left) => self.room.beside(left + 1 + terms),
            Unread::Nothing => self.room,
        }
    }
}

impl<'de> MapAccess<'de> for &mut Pairs<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        if !self.begin_pair()? {
            return Ok(None);
        }
        let room = self.inner_room(1);
        seed.deserialize(Deserializer::key(self.reader, room))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DecodeError> {
        let room = self.inner_room(0);
        seed.deserialize(Deserializer::within(self.reader, room))
            .map_err(|error| error.in_value(self.reader, self.key))
    }

    fn size_hint(&self) -> Option<usize> {
        match self.unread {
            Unread::Map(left) | Unread::List(left) => Some(left),
            Unread::Nothing => Some(0),
        }
    }
}
