//! Reading the variants of enums.

use serde::de::{
    DeserializeSeed, Deserializer as _, EnumAccess, Error, VariantAccess, Visitor,
    value::StrDeserializer,
};

use crate::{
    Atom, DecodeError, Reader,
    serde::{
        bare::BareUnit,
        deserializer::Deserializer,
        elements::{Elements, Unread},
        room::Room,
    },
};

/// A variant: an atom, or a tuple that starts with one.
pub(super) struct Variant<'r> {
    reader: &'r mut Reader,
    tag: Atom,
    /// The names of the variants, if it is a `Result`.
    of_result: Option<&'static [&'static str]>,
    /// How many elements follow the tag, and their room; none if the atom is bare.
    elements: Option<(usize, Room)>,
}

impl<'r> Variant<'r> {
    /// A bare atom.
    pub(super) fn bare(
        reader: &'r mut Reader,
        tag: Atom,
        name: &str,
        variants: &'static [&'static str],
    ) -> Self {
        Self {
            reader,
            tag,
            of_result: of_result(name, variants),
            elements: None,
        }
    }

    /// A tuple, of which `elements` follow the tag.
    pub(super) fn tagged(
        reader: &'r mut Reader,
        room: Room,
        tag: Atom,
        elements: usize,
        name: &str,
        variants: &'static [&'static str],
    ) -> Self {
        Self {
            reader,
            tag,
            of_result: of_result(name, variants),
            elements: Some((elements, room)),
        }
    }

    /// Whether the tag stands for this variant of a `Result`, as the [serializer](crate::serde::serializer) has it.
    fn has(&self, variant: &str) -> bool {
        let variants = self.of_result.unwrap_or_default();
        variants.contains(&variant) && !variants.contains(&self.tag.as_str())
    }

    /// The room of the elements, if there are as many as the variant has.
    fn expect(&self, elements: usize) -> Result<Room, DecodeError> {
        let expected = elements + 1;
        match self.elements {
            Some((found, room)) if found == elements => Ok(room),
            Some((found, _)) => Err(DecodeError::custom(format_args!(
                "expected a tuple of {expected} elements for the variant `{}`, found one of {}",
                self.tag.as_str(),
                found + 1,
            ))),
            None => Err(DecodeError::custom(format_args!(
                "expected a tuple of {expected} elements for the variant `{}`, found an atom",
                self.tag.as_str(),
            ))),
        }
    }
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), DecodeError> {
        let name = match self.tag.as_str() {
            "ok" if self.has("Ok") => "Ok",
            "error" if self.has("Err") => "Err",
            name => name,
        };
        let value = seed.deserialize(StrDeserializer::<DecodeError>::new(name))?;
        Ok((value, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        match self.elements {
            None => Ok(()),
            Some(_) => Err(DecodeError::custom(format_args!(
                "expected an atom for the variant `{}`, found a tuple",
                self.tag.as_str(),
            ))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, DecodeError> {
        if self.of_result.is_some() && self.elements.is_none() {
            return seed.deserialize(BareUnit);
        }
        let room = self.expect(1)?;
        seed.deserialize(Deserializer::within(self.reader, room))
            .map_err(|error| error.in_element(1))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let room = self.expect(len)?;
        Elements::new(self.reader, room, Unread::Tuple(len)).visit(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let room = self.expect(1)?;
        Deserializer::within(self.reader, room)
            .deserialize_struct("", fields, visitor)
            .map_err(|error| error.in_element(1))
    }
}

/// The variants of `std::result::Result`, or of another enum of that name: serde tells the names only, and who serializes one
/// is told of no other variants than the one that it is.
fn of_result(name: &str, variants: &'static [&'static str]) -> Option<&'static [&'static str]> {
    (name == "Result").then_some(variants)
}
