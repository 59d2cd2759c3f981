//! What can be wrong with the bytes of the other side.

use thiserror::Error;

use super::InvalidAliveName;

/// Why a request or a response was not taken. The connection is of no further use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EpmdError {
    /// It is longer than any that a node or an EPMD sends.
    #[error("epmd message of {len} bytes, at most {max} are taken")]
    TooLong {
        /// Bytes that it has, or says it has.
        len: usize,
        /// The most that are taken.
        max: usize,
    },

    /// Its fields do not add up.
    #[error("malformed {message} message of epmd")]
    Malformed {
        /// The message by its name in the protocol.
        message: &'static str,
    },

    /// It carries a name that no node can have.
    #[error("invalid name in a message of epmd: {0}")]
    InvalidName(#[from] InvalidAliveName),

    /// The request is none that EPMD knows.
    #[error("unknown request {tag} to epmd")]
    UnknownRequest {
        /// Its first byte.
        tag: u8,
    },

    /// The request is one that only OTP's own EPMD carries out.
    #[error("the request {request} is refused by this epmd")]
    Refused {
        /// The request by its name in the protocol.
        request: &'static str,
    },

    /// A node of another host wanted to register.
    #[error("a node of another host tried to register: only nodes of the same host may")]
    RemoteRegistration,

    /// The response does not fit the request, or what answered is no EPMD.
    #[error("unexpected response {tag}: what answered may be no epmd")]
    UnexpectedResponse {
        /// Its first byte.
        tag: u8,
    },

    /// The connection ended in the middle of a message. For drivers: no decoder sees it.
    #[error("epmd closed the connection in the middle of a message")]
    Closed,
}
