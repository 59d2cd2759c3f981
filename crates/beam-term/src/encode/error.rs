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
    /// More bytes or elements than a node can take.
    #[error("{what} of {len} bytes or elements is too long to be decoded")]
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
    /// A term in a format that is local to its sender, where others would have to decode it: inside another term, or in a
    /// message.
    #[error("a term in a format that is local to its node can be no part of anything")]
    Local,
    /// A native record for a peer that does not know them, as no node before OTP 29 does.
    #[error("a native record, which the peer does not know")]
    NativeRecord,
    /// What is encoded already would not decode.
    #[error("the encoding does not decode: {0}")]
    Undecodable(#[from] DecodeError),
    /// A Rust type refused to be serialized.
    #[error("{0}")]
    Message(Box<str>),
}
