//! The types of terms, one per file, and the order among them.

mod atom;
mod binary;
mod bit_string;
mod float;
mod fun;
mod improper_list;
mod integer;
mod map;
mod opaque;
mod order;
mod pid;
mod port;
mod reference;
mod term;

pub use atom::{Atom, InvalidAtom};
pub use binary::Binary;
pub use bit_string::BitString;
pub use float::{Float, NonFinite};
pub use fun::{Closure, Fun};
pub use improper_list::ImproperList;
pub use integer::{Integer, IntegerOutOfRange};
pub use map::{Map, MapIter};
pub use opaque::Opaque;
pub use pid::Pid;
pub use port::Port;
pub use reference::{InvalidReference, Reference};
pub use term::Term;
