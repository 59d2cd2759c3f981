//! Terms of Erlang and Elixir: the External Term Format, serde, `phash2` and term syntax.
//!
//! A [`Term`] is an owned value tree; its binaries and long atoms are slices of the buffer that they were decoded from.
#![forbid(unsafe_code)]

mod types;

pub use types::{
    Atom, BitString, Closure, Float, Fun, ImproperList, Integer, IntegerOutOfRange, InvalidAtom,
    InvalidReference, Map, NonFinite, Opaque, Pid, Port, Reference, Term,
};
