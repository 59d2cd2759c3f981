//! Decoding: one bounded pull parser, the [`Reader`], and what is built on it.

mod atom_refs;
mod error;
mod external;
mod head;
mod kind;
mod limits;
mod nesting;
mod raw_term;
mod reader;
mod token;
mod tree;

pub use atom_refs::AtomRefs;
pub use error::DecodeError;
pub use kind::Kind;
pub use limits::Limits;
pub use raw_term::RawTerm;
pub use reader::Reader;
pub use token::Token;

pub(crate) use head::{Head, record_elements};
pub(crate) use nesting::{Elements, Nesting};
