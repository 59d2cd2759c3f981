//! Why a value cannot be a term.

use crate::{DecodeError, InvalidAtom, NonFinite};

/// Why a value cannot be encoded. The caller is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// NaN or an infinity.
    #[error(transparent)]
    NonFinite(#[from] NonFinite),
    /// A name of a field or variant that is too long.
    #[error(transparent)]
    Atom(#[from] InvalidAtom),
    /// More bytes or elements than the format can count.
    #[error("{what} of {len} bytes or elements is too long for the external format")]
    TooLong {
        /// What is too long, with an article.
        what: &'static str,
        /// How long it is.
        len: usize,
    },
    /// Values nest deeper than a peer would decode.
    #[error("values nest deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// What is encoded already would not decode.
    #[error("the encoding does not decode: {0}")]
    Undecodable(#[from] DecodeError),
    /// A Rust type refused to be serialized.
    #[error("{0}")]
    Message(Box<str>),
}
