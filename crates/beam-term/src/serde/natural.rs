//! The natural shape of terms, for formats that do not know them.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{EnumAccess, Error, MapAccess, SeqAccess, Visitor},
};

use crate::{Float, Map, Term};

/// Writes a term in its natural shape.
pub(super) fn serialize<S: Serializer>(term: &Term, serializer: S) -> Result<S::Ok, S::Error> {
    match term {
        Term::Integer(value) => {
            if let Ok(value) = i64::try_from(value) {
                serializer.serialize_i64(value)
            } else if let Ok(value) = u64::try_from(value) {
                serializer.serialize_u64(value)
            } else if let Ok(value) = i128::try_from(value) {
                serializer.serialize_i128(value)
            } else {
                serializer.collect_str(&value.to_bigint())
            }
        }
        Term::Float(value) => serializer.serialize_f64(value.get()),
        Term::Atom(atom) => match atom.as_str() {
            "true" => serializer.serialize_bool(true),
            "false" => serializer.serialize_bool(false),
            "nil" | "undefined" => serializer.serialize_unit(),
            text => serializer.serialize_str(text),
        },
        Term::Tuple(elements) | Term::List(elements) => {
            serializer.collect_seq(elements.iter().map(Natural))
        }
        Term::Map(map) => {
            serializer.collect_map(map.iter().map(|(key, value)| (Key(key), Natural(value))))
        }
        Term::Binary(bytes) => match term.as_str() {
            Some(text) => serializer.serialize_str(text),
            None => serializer.serialize_bytes(bytes),
        },
        Term::Reference(_)
        | Term::Fun(_)
        | Term::Port(_)
        | Term::Pid(_)
        | Term::ImproperList(_)
        | Term::BitString(_)
        | Term::Opaque(_) => serializer.collect_str(term),
    }
}

/// Reads a term from what a format has: text becomes binaries, nothing becomes `nil`.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Term, D::Error> {
    deserializer.deserialize_any(NaturalVisitor)
}

struct Natural<'a>(&'a Term);

impl Serialize for Natural<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(self.0, serializer)
    }
}

/// A key of a map, which many formats want to be text.
struct Key<'a>(&'a Term);

impl Serialize for Key<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Term::Atom(atom) => serializer.serialize_str(atom),
            Term::Binary(_) if self.0.as_str().is_some() => serialize(self.0, serializer),
            other => serializer.collect_str(other),
        }
    }
}

struct FromNatural(Term);

impl<'de> Deserialize<'de> for FromNatural {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize(deserializer).map(Self)
    }
}

struct NaturalVisitor;

impl<'de> Visitor<'de> for NaturalVisitor {
    type Value = Term;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a term")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Term, E> {
        Ok(Term::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Term, E> {
        Ok(Term::from(value))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Term, E> {
        Ok(Term::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Term, E> {
        Ok(Term::from(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Term, E> {
        Ok(Term::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Term, E> {
        Float::try_from(value).map(Term::from).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Term, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E>(self, value: String) -> Result<Term, E> {
        Ok(Term::binary(value))
    }

    fn visit_bytes<E: Error>(self, value: &[u8]) -> Result<Term, E> {
        self.visit_byte_buf(value.to_vec())
    }

    fn visit_byte_buf<E>(self, value: Vec<u8>) -> Result<Term, E> {
        Ok(Term::binary(value))
    }

    fn visit_none<E: Error>(self) -> Result<Term, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Term, D::Error> {
        deserialize(deserializer)
    }

    fn visit_unit<E>(self) -> Result<Term, E> {
        Ok(Term::atom("nil"))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Term, D::Error> {
        deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Term, A::Error> {
        let mut elements = Vec::new();
        while let Some(FromNatural(element)) = access.next_element()? {
            elements.push(element);
        }
        Ok(Term::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Term, A::Error> {
        let mut entries = Vec::new();
        while let Some((FromNatural(key), FromNatural(value))) = access.next_entry()? {
            entries.push((key, value));
        }
        Ok(Term::Map(entries.into_iter().collect::<Map>()))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _access: A) -> Result<Term, A::Error> {
        Err(A::Error::custom("the variant of an enum is no term"))
    }
}
