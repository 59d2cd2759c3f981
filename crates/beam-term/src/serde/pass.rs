//! The types of this crate as values: unchanged through this crate, in their natural shape through others.

use std::{fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Visitor, ser::Error as _};

use crate::{
    Atom, Binary, BitString, EncodeError, Float, Fun, ImproperList, Integer, Map, Opaque, Pid,
    Port, RawTerm, Reference, Term, Writer,
    encode::countable,
    serde::{
        handoff::{self, Handed, RAW_TERM, TERM},
        natural,
    },
};

/// A type that passes through serde as it is.
trait Pass: Sized {
    /// The name by which it is asked for.
    const NAME: &'static str = TERM;

    /// What it is, with an article.
    const EXPECTED: &'static str;

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError>;

    fn natural<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    fn from_term(term: Term) -> Result<Self, Term>;

    /// Takes a term that is known by its natural shape only.
    fn from_natural(term: Term) -> Result<Self, Term> {
        Self::from_term(term)
    }

    fn from_raw(_raw: RawTerm) -> Option<Self> {
        None
    }
}

/// The value, written where a buffer is lent, else in its natural shape.
struct Offered<'a, T>(&'a T);

impl<T: Pass> Serialize for Offered<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match handoff::lent(|writer| self.0.write(writer)) {
            Some(written) => {
                written.map_err(S::Error::custom)?;
                serializer.serialize_unit()
            }
            None => self.0.natural(serializer),
        }
    }
}

/// Takes the value that is handed over, else reads its natural shape.
struct Taker<T>(PhantomData<T>);

impl<'de, T: Pass> Visitor<'de> for Taker<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<T, E> {
        let result = match handoff::take() {
            Some(Handed::Term(term)) => T::from_term(term),
            Some(Handed::Raw(raw)) => {
                return T::from_raw(raw).ok_or_else(|| E::custom("a raw term was not asked for"));
            }
            None => T::from_natural(Term::atom("nil")),
        };
        result.map_err(|other| mismatch::<T, E>(&other))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        let natural = natural::deserialize(deserializer)?;
        T::from_natural(natural).map_err(|other| mismatch::<T, D::Error>(&other))
    }
}

fn mismatch<T: Pass, E: serde::de::Error>(found: &Term) -> E {
    E::custom(format_args!(
        "expected {}, found {}",
        T::EXPECTED,
        found.kind()
    ))
}

macro_rules! passes {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_newtype_struct(<Self as Pass>::NAME, &Offered(self))
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_newtype_struct(<Self as Pass>::NAME, Taker(PhantomData))
            }
        }
    )*};
}

passes!(
    Term,
    RawTerm,
    Atom,
    Integer,
    Float,
    Reference,
    Fun,
    Port,
    Pid,
    Map,
    ImproperList,
    Binary,
    BitString,
    Opaque
);

impl Pass for Term {
    const EXPECTED: &'static str = "a term";

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.term(self)
    }

    fn natural<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        natural::serialize(self, serializer)
    }

    fn from_term(term: Term) -> Result<Self, Term> {
        Ok(term)
    }
}

impl Pass for RawTerm {
    const NAME: &'static str = RAW_TERM;
    const EXPECTED: &'static str = "a term";

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.raw(self)
    }

    fn natural<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let term = self.decode().map_err(S::Error::custom)?;
        natural::serialize(&term, serializer)
    }

    fn from_term(term: Term) -> Result<Self, Term> {
        let encoded = term.to_bytes().ok();
        let raw = encoded.and_then(|encoded| Self::from_external(encoded).ok());
        raw.ok_or(term)
    }

    fn from_raw(raw: RawTerm) -> Option<Self> {
        Some(raw)
    }
}

impl Pass for Atom {
    const EXPECTED: &'static str = "an atom";

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.atom(self);
        Ok(())
    }

    fn natural<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }

    fn from_term(term: Term) -> Result<Self, Term> {
        match term {
            Term::Atom(atom) => Ok(atom),
            other => Err(other),
        }
    }

    fn from_natural(term: Term) -> Result<Self, Term> {
        match term.as_str().map(Atom::try_from) {
            Some(Ok(atom)) => Ok(atom),
            _ => Self::from_term(term),
        }
    }
}

impl Pass for Binary {
    const EXPECTED: &'static str = "a binary";

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        countable("a binary", self.len())?;
        writer.shared_binary(self);
        Ok(())
    }

    fn natural<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }

    fn from_term(term: Term) -> Result<Self, Term> {
        match term {
            Term::Binary(bytes) => Ok(Self(bytes)),
            other => Err(other),
        }
    }

    /// Formats without bytes have lists of numbers in their place.
    fn from_natural(term: Term) -> Result<Self, Term> {
        let byte = |element: &Term| u8::try_from(element.as_i64()?).ok();
        match term
            .as_list()
            .map(|list| list.iter().map(byte).collect::<Option<Vec<u8>>>())
        {
            Some(Some(bytes)) => Ok(Self::from(bytes)),
            _ => Self::from_term(term),
        }
    }
}

impl Pass for Float {
    const EXPECTED: &'static str = "a float";

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
        writer.float(*self);
        Ok(())
    }

    fn natural<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.get())
    }

    fn from_term(term: Term) -> Result<Self, Term> {
        match term {
            Term::Float(float) => Ok(float),
            other => Err(other),
        }
    }
}

/// Types that are one variant of a term, and have its natural shape.
macro_rules! pass_as_variant {
    ($($type:ident, $expected:literal, $pattern:pat => $value:expr, $write:expr;)*) => {$(
        impl Pass for $type {
            const EXPECTED: &'static str = $expected;

            fn write(&self, writer: &mut Writer<'_>) -> Result<(), EncodeError> {
                let write: fn(&mut Writer<'_>, &Self) -> Result<(), EncodeError> = $write;
                write(writer, self)
            }

            fn natural<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                natural::serialize(&Term::from(self.clone()), serializer)
            }

            fn from_term(term: Term) -> Result<Self, Term> {
                match term {
                    $pattern => Ok($value),
                    other => Err(other),
                }
            }
        }
    )*};
}

pass_as_variant! {
    Integer, "an integer", Term::Integer(value) => value, |writer, value| writer.integer_ref(value);
    Reference, "a reference", Term::Reference(value) => *value, |writer, value| {
        writer.reference(value);
        Ok(())
    };
    Port, "a port", Term::Port(value) => *value, |writer, value| {
        writer.port(value);
        Ok(())
    };
    Pid, "a pid", Term::Pid(value) => *value, |writer, value| {
        writer.pid(value);
        Ok(())
    };
    Fun, "a fun", Term::Fun(value) => *value, |writer, value| writer.fun(value);
    Map, "a map", Term::Map(value) => value, |writer, value| {
        countable("a map", value.len())?;
        writer.map(value.len());
        value.iter().try_for_each(|(key, value)| {
            writer.term(key)?;
            writer.term(value)
        })
    };
    ImproperList, "an improper list", Term::ImproperList(value) => value, |writer, value| {
        countable("a list", value.elements().len())?;
        writer.list(value.elements().len());
        value.elements().iter().try_for_each(|element| writer.term(element))?;
        writer.term(value.tail())
    };
    BitString, "a bit string", Term::BitString(value) => *value, |writer, value| {
        countable("a bit string", value.as_bytes().len())?;
        writer.bit_string(value);
        Ok(())
    };
    Opaque, "an opaque term", Term::Opaque(value) => value, |writer, value| writer.opaque(value);
}
