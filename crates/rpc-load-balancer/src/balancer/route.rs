//! Whom a call goes to.

use beam_node::{Cause, Error, Node, Peer};

use crate::members::{Lease, Outcome};

/// The node that a call goes to, and the hold on it while the call lasts.
pub(super) enum Route<'a> {
    /// The member that was selected.
    Member(Lease),
    /// This node itself, by an algorithm that selects nobody.
    Own(&'a Peer),
}

impl Route<'_> {
    pub(super) fn peer(&self, node: &Node) -> Result<&Peer, Error> {
        match self {
            Self::Member(lease) => lease.peer(node),
            Self::Own(peer) => Ok(peer),
        }
    }

    /// The call ended so.
    pub(super) fn end<T>(self, result: &Result<T, Error>) {
        if let Self::Member(lease) = self {
            lease.end(outcome(result));
        }
    }
}

/// What a result says about the member: nothing, where the fault lies here.
fn outcome<T>(result: &Result<T, Error>) -> Outcome {
    match result {
        Ok(_) => Outcome::Succeeded,
        Err(error) => match error.cause() {
            Cause::Invalid | Cause::Encode(_) | Cause::ShutDown | Cause::Limit(_) => {
                Outcome::Unknown
            }
            _ => Outcome::Failed,
        },
    }
}
