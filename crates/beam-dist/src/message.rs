//! What the processes of two nodes say to each other.

use beam_term::RawTerm;

use crate::control::Control;

/// A control message and, if it carries one, its payload.
#[derive(Clone, Debug)]
pub struct Message {
    /// What is to be done, and to whom.
    pub control: Control,
    /// What is sent with it: a message, the reason of an exit, the arguments of a function. It is
    /// well-formed, and within the default [`Limits`](beam_term::Limits) of terms.
    pub payload: Option<RawTerm>,
}
