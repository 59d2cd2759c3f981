//! Why bytes are not the term that was expected.

use crate::Kind;

/// Why bytes are not a term, or not the one that was expected. The peer is at fault, or the limits are too tight for it.
///
/// It is no larger than a pointer, so that results that hardly ever hold one fit into registers.
///
/// ```
/// use beam_term::{DecodeErrorKind, Term};
///
/// let error = Term::from_bytes(b"\x84".as_slice()).unwrap_err();
/// assert_eq!(*error.kind(), DecodeErrorKind::Version { found: 132 });
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct DecodeError(Box<DecodeErrorKind>);

impl DecodeError {
    /// What is wrong.
    pub fn kind(&self) -> &DecodeErrorKind {
        &self.0
    }
}

impl From<DecodeErrorKind> for DecodeError {
    #[cold]
    #[inline(never)]
    fn from(kind: DecodeErrorKind) -> Self {
        Self(Box::new(kind))
    }
}

impl PartialEq<DecodeErrorKind> for DecodeError {
    fn eq(&self, kind: &DecodeErrorKind) -> bool {
        *self.0 == *kind
    }
}

/// What is wrong with bytes that do not decode.
///
/// Offsets count bytes from the start of the [`Reader`](crate::Reader)'s input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The input ends inside a term, or a container claims more elements than bytes are left.
    #[error("the input is too short for the term at byte {offset}")]
    Truncated {
        /// Where the missing byte or the container is.
        offset: usize,
    },
    /// There are bytes after the term.
    #[error("surplus bytes after the term: {count}")]
    TrailingBytes {
        /// How many there are.
        count: usize,
    },
    /// The first byte is not 131.
    #[error("the first byte is {found}, not the version number 131")]
    Version {
        /// What it is.
        found: u8,
    },
    /// A tag that no term has, or one where it must not be.
    #[error("unknown tag {tag} at byte {offset}")]
    UnknownTag {
        /// The tag.
        tag: u8,
        /// Where it is.
        offset: usize,
    },
    /// A term of one kind, where another was expected.
    #[error("expected {expected} at byte {offset}, found {found}")]
    Unexpected {
        /// What was expected, with an article.
        expected: &'static str,
        /// What is there.
        found: Kind,
        /// Where it is.
        offset: usize,
    },
    /// A tuple of another size than expected.
    #[error("expected a tuple of {expected} elements at byte {offset}, found one of {found}")]
    Arity {
        /// How many elements were expected.
        expected: usize,
        /// How many there are.
        found: usize,
        /// Where the tuple is.
        offset: usize,
    },
    /// An integer that does not fit the type expected.
    #[error("the integer at byte {offset} is out of range")]
    IntegerOutOfRange {
        /// Where it is.
        offset: usize,
    },
    /// What the tag promises does not follow.
    #[error("{reason} at byte {offset}")]
    Malformed {
        /// What is wrong.
        reason: &'static str,
        /// Where.
        offset: usize,
    },
    /// A reference to an atom that the distribution header does not have.
    #[error("no atom has the index {index} that is used at byte {offset}")]
    UnknownAtomRef {
        /// The index.
        index: u8,
        /// Where it is used.
        offset: usize,
    },
    /// [`Limits::depth`](crate::Limits::depth) is exceeded.
    #[error("terms nest deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// [`Limits::elements`](crate::Limits::elements) is exceeded.
    #[error("there are more than {limit} terms")]
    TooManyElements {
        /// The limit.
        limit: usize,
    },
    /// [`Limits::integer_bytes`](crate::Limits::integer_bytes) is exceeded.
    #[error("the integer at byte {offset} has {bytes} bytes")]
    IntegerTooLarge {
        /// How many bytes its magnitude has.
        bytes: usize,
        /// Where it is.
        offset: usize,
    },
    /// [`Limits::inflated_bytes`](crate::Limits::inflated_bytes) is exceeded.
    #[error("the compressed term would inflate to {bytes} bytes")]
    InflatesTooFar {
        /// How many bytes it claims.
        bytes: usize,
    },
    /// An error inside a value that was to become a Rust type.
    #[error("{source} in `{path}`")]
    Inside {
        /// Where inside: names of fields, and indices of elements from 0 on.
        path: String,
        /// What is wrong there.
        source: DecodeError,
    },
    /// A Rust type refused the value.
    #[error("{0}")]
    Message(Box<str>),
}
