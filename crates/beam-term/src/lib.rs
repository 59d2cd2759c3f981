//! Terms of Erlang and Elixir: the External Term Format, serde, `phash2` and term syntax.
//!
//! - [`to_bytes`] and [`from_bytes`] turn Rust values into encoded terms and back; see the module [`serde`].
//! - A [`Term`] is an owned value tree, for terms of no fixed type. Its binaries and long atoms are slices of the buffer that
//!   they were decoded from.
//! - A [`Reader`] takes an encoded message apart in place, a [`Writer`] puts one together; a [`RawTerm`] stays encoded.
//! - [`phash2`] hashes terms as Erlang does, [`syntax`] parses and prints them.
//!
//! Whatever a peer sends is decoded within [`Limits`] on depth, number and size. Atoms are values, in no table that a peer
//! could fill.
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

pub use decode::{AtomRefs, DecodeError, DecodeErrorKind, Kind, Limits, RawTerm, Reader, Token};
pub use encode::{EncodeError, Shared, Writer};
pub use serde::{from_bytes, from_term, to_bytes, to_term};
pub use types::{
    Atom, Binary, BitString, Closure, Float, Fun, ImproperList, Integer, IntegerOutOfRange,
    InvalidAtom, InvalidReference, Map, MapIter, NonFinite, Opaque, Pid, Port, Reference, Term,
};
