//! The entry points.

use bytes::{Bytes, BytesMut};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    DecodeError, EncodeError, Limits, RawTerm, Reader, Term, Writer,
    serde::{deserializer::Deserializer, serializer::Serializer},
};

/// Encodes a value in the external format, as `term_to_binary` does its term.
///
/// ```
/// assert_eq!(beam_term::to_bytes(&(1, true))?, b"\x83h\x02a\x01w\x04true".as_slice());
/// # Ok::<(), beam_term::EncodeError>(())
/// ```
pub fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, EncodeError> {
    let mut buffer = BytesMut::new();
    let mut writer = Writer::new(&mut buffer);
    writer.version();
    writer.serialize(value)?;
    Ok(buffer.freeze())
}

/// Decodes a value from the external format, within the default [`Limits`]. Bytes after it are an error.
///
/// ```
/// let (number, truth): (u8, bool) = beam_term::from_bytes(b"\x83h\x02a\x01w\x04true".as_slice())?;
/// assert_eq!((number, truth), (1, true));
/// # Ok::<(), beam_term::DecodeError>(())
/// ```
pub fn from_bytes<T: DeserializeOwned>(bytes: impl Into<Bytes>) -> Result<T, DecodeError> {
    let mut reader = Reader::external(bytes, Limits::default())?;
    let value = reader.deserialize()?;
    reader.finish()?;
    Ok(value)
}

/// The term of a value. Takes the way of its encoding: to send a value, encode it at once.
///
/// ```
/// use beam_term::Term;
///
/// assert_eq!(beam_term::to_term("text")?, Term::binary("text"));
/// # Ok::<(), beam_term::EncodeError>(())
/// ```
pub fn to_term<T: Serialize + ?Sized>(value: &T) -> Result<Term, EncodeError> {
    Ok(RawTerm::serialize(value)?.decode()?)
}

/// The value of a term. Takes the way of its encoding: to receive a value, decode it at once.
///
/// ```
/// use beam_term::Term;
///
/// let term = Term::tuple([Term::atom("ok"), Term::from(5)]);
/// assert_eq!(beam_term::from_term::<Result<u8, String>>(&term)?, Ok(5));
/// # Ok::<(), beam_term::DecodeError>(())
/// ```
pub fn from_term<T: DeserializeOwned>(term: &Term) -> Result<T, DecodeError> {
    let mut buffer = BytesMut::new();
    Writer::new(&mut buffer)
        .term(term)
        .map_err(<DecodeError as serde::de::Error>::custom)?;
    Reader::new(buffer).deserialize()
}

impl Writer<'_> {
    /// A value; see the [module `serde`](crate::serde) for its term. What was written of it before an error stays in the
    /// buffer.
    pub fn serialize<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        value.serialize(&mut Serializer::new(self))
    }
}

impl Reader {
    /// Reads a value; see the [module `serde`](crate::serde) for the terms that it may be.
    #[inline]
    pub fn deserialize<T: DeserializeOwned>(&mut self) -> Result<T, DecodeError> {
        T::deserialize(Deserializer::new(self))
    }
}

impl RawTerm {
    /// Encodes a value once, to be sent any number of times.
    pub fn serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self, EncodeError> {
        let mut buffer = BytesMut::new();
        Writer::new(&mut buffer).serialize(value)?;
        Ok(Reader::new(buffer).raw()?)
    }

    /// The value; see the [module `serde`](crate::serde) for the terms that it may be.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        self.reader().deserialize()
    }
}
