//! Decoding: one bounded pull parser, the [`Reader`], and what is built on it.
//!
//! Each family of forms has a file with what the reader does about it; skipping has one of its own.

mod atom_refs;
mod atoms;
mod binaries;
mod common;
mod containers;
mod error;
mod external;
mod funs;
mod identifiers;
mod input;
mod kind;
mod limits;
mod lists;
mod nesting;
mod numbers;
mod raw_term;
mod reader;
mod skip;
mod token;
mod tree;

pub use atom_refs::AtomRefs;
pub use error::{DecodeError, DecodeErrorKind};
pub use kind::Kind;
pub use limits::Limits;
pub use raw_term::RawTerm;
pub use reader::Reader;
pub use token::Token;

pub(crate) use containers::record_elements;
pub(crate) use lists::ListHead;
pub(crate) use nesting::{Elements, Nesting};
pub(crate) use numbers::Number;
