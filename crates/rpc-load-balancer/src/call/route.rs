//! The node that a call goes to.

use std::time::Duration;

use beam_dist::NodeName;
use beam_node::{Cause, Error, Node, Peer};
use tokio::time::Instant;

use crate::{
    members::{Lease, Outcome, OutcomeKind, Tracked},
    telemetry::Kind,
};

/// The node that a call goes to, and the hold on it while the call lasts.
pub(crate) enum Route {
    /// The member that was selected.
    Member(Lease),
    /// A node that no algorithm has selected.
    Node {
        peer: Peer,
        /// The count of the call, where it is one of a balancer.
        _tracked: Option<Tracked>,
    },
}

impl Route {
    pub(super) fn node(&self) -> &NodeName {
        match self {
            Self::Member(lease) => lease.node(),
            Self::Node { peer, .. } => peer.name(),
        }
    }

    pub(super) fn peer(&self, from: &Node) -> Result<&Peer, Error> {
        match self {
            Self::Member(lease) => lease.peer(from),
            Self::Node { peer, .. } => Ok(peer),
        }
    }
}

/// A node that is being asked. Dropped before it has [ended](Self::end), the call was given up.
pub(super) struct Asked {
    route: Route,
    call: Kind,
    begun: Instant,
    /// How long the call may take.
    patience: Duration,
    has_ended: bool,
}

impl Asked {
    pub(super) fn new(route: Route, call: Kind, begun: Instant, patience: Duration) -> Self {
        Self {
            route,
            call,
            begun,
            patience,
            has_ended: false,
        }
    }

    pub(super) fn peer(&self, from: &Node) -> Result<&Peer, Error> {
        self.route.peer(from)
    }

    /// The call ended so, after this time.
    pub(super) fn end<T>(mut self, result: &Result<T, Error>, elapsed: Duration) {
        self.has_ended = true;
        if let Route::Member(lease) = &self.route
            && let Some(kind) = kind(self.call, result)
        {
            lease.ended(&Outcome { kind, elapsed });
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // Nobody waits for what becomes of a cast.
        if !self.has_ended
            && self.call == Kind::Call
            && let Route::Member(lease) = &self.route
        {
            lease.abandoned(self.begun.elapsed(), self.patience);
        }
    }
}

/// What a result says about the member: nothing, where the fault lies here, or where nobody has
/// waited for an answer.
fn kind<T>(call: Kind, result: &Result<T, Error>) -> Option<OutcomeKind> {
    let error = match result {
        Ok(_) => return (call == Kind::Call).then_some(OutcomeKind::Success),
        Err(error) => error,
    };
    match error.cause() {
        // The member has answered; that the caller wanted another type is not its fault.
        Cause::Decode(_) => Some(OutcomeKind::Success),
        Cause::Raised(_) | Cause::Killed(_) | Cause::Undefined => Some(OutcomeKind::Raised),
        // Nothing was sent, or it came to its turn when its time was over.
        Cause::Timeout(after) if after.is_zero() => None,
        Cause::Refused(reason) if reason.as_str() == "timeout" => None,
        Cause::Timeout(_) | Cause::Silent(_) => Some(OutcomeKind::TimedOut),
        // The own node is a member that serves too many.
        Cause::Limit("served_per_node" | "served_bytes_per_node") => Some(OutcomeKind::Refused),
        Cause::NotConnected(_) | Cause::ConnectionLost => Some(OutcomeKind::Unreachable),
        // Its list of callers says nothing of how it fares.
        Cause::Refused(reason) if reason.as_str() == "not_allowed" => None,
        Cause::Refused(_) => Some(OutcomeKind::Refused),
        _ => None,
    }
}
