//! What can be wrong with a control message.

use beam_term::{DecodeError, EncodeError};

use crate::Flags;

/// A received control message that does not have the form that its operation demands. The peer is
/// at fault, and the link cannot go on: what the two sides believe of their links and monitors no
/// longer agrees.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlDecodeError {
    /// It is not a well-formed term, or an element of it is not what it must be.
    #[error(transparent)]
    Term(#[from] DecodeError),
    /// The tuple has too few or too many elements.
    #[error("operation {operation} in a tuple of {elements} elements")]
    Elements {
        /// The number of the operation.
        operation: i64,
        /// How many elements there are, the operation included.
        elements: usize,
    },
    /// An element has a value that it must not have.
    #[error("operation {operation} with an invalid {element}")]
    Value {
        /// The number of the operation.
        operation: i64,
        /// What is invalid.
        element: &'static str,
    },
}

/// A control message that cannot be sent. The caller is at fault.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlEncodeError {
    /// A term in it cannot be encoded.
    #[error(transparent)]
    Term(#[from] EncodeError),
    /// Only a send to a pid can do without a sender.
    #[error("a send to a name or an alias needs a sender")]
    NoSender,
    /// The peer could not understand it without this flag.
    #[error("{0} was not negotiated")]
    NotNegotiated(Flags),
    /// [`Control::Unknown`](super::Control::Unknown) has no form.
    #[error("the operation {0} is unknown")]
    UnknownOperation(i64),
}
