//! Whom a call goes to.

use std::time::Duration;

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

    /// The call ended so, after this time.
    pub(super) fn end<T>(self, result: &Result<T, Error>, elapsed: Duration) {
        if let Self::Member(lease) = self
            && let Some(outcome) = outcome(result, elapsed)
        {
            lease.end(outcome);
        }
    }
}

/// What a result says about the member: nothing, where the fault lies here.
fn outcome<T>(result: &Result<T, Error>, elapsed: Duration) -> Option<Outcome> {
    match result {
        Ok(_) => Some(Outcome::success(elapsed)),
        Err(error) => match error.cause() {
            Cause::Invalid | Cause::Encode(_) | Cause::ShutDown | Cause::Limit(_) => None,
            _ => Some(Outcome::failure(elapsed)),
        },
    }
}
