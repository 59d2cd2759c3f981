//! Terms of Erlang and Elixir: the External Term Format, serde, `phash2` and term syntax.
//!
//! A [`Term`] is an owned value tree; its binaries and long atoms are slices of the buffer that they were decoded from.
#![forbid(unsafe_code)]

#[cfg(feature = "proptest")]
pub mod arbitrary;
mod decode;
mod encode;
pub mod phash2;
pub mod serde;
pub mod syntax;
mod tag;
mod types;

pub use decode::{AtomRefs, DecodeError, Kind, Limits, RawTerm, Reader, Token};
pub use encode::{EncodeError, Writer};
pub use serde::{from_bytes, from_term, to_bytes, to_term};
pub use types::{
    Atom, BitString, Closure, Float, Fun, ImproperList, Integer, IntegerOutOfRange, InvalidAtom,
    InvalidReference, Map, MapIter, NonFinite, Opaque, Pid, Port, Reference, Term,
};
