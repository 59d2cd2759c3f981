//! Who may be called.

use std::{future::Future, pin::Pin};

use beam_dist::NodeName;
use beam_node::{Error, Event, Node};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{Latencies, Route, verdict::is_well};
use crate::{
    algorithm::Selection,
    balancer::{Balancer, Changes},
    overload::Gate,
    random_node::RandomNode,
    retry_budget::Withdrawal,
    telemetry::Telemetry,
};

/// Those of whom one is picked for each call.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The members of a balancer.
    Members(Balancer),
    /// Connected nodes with a matching name.
    RandomNode(RandomNode),
}

impl Target {
    /// The node that calls.
    pub(super) fn node(&self) -> &Node {
        match self {
            Self::Members(balancer) => balancer.node(),
            Self::RandomNode(random) => random.node(),
        }
    }

    /// The one to call first.
    pub(super) fn route(&self, selection: &Selection<'_>, directly: bool) -> Result<Route, Error> {
        match self {
            Self::Members(balancer) if directly => Ok(balancer.own_route()),
            Self::Members(balancer) => balancer.pick(selection).map(Route::Member),
            Self::RandomNode(random) if directly => random.own_route(),
            Self::RandomNode(random) => random.route(),
        }
    }

    /// The room for calls, where that is limited.
    pub(super) fn gate(&self) -> Option<&Gate> {
        match self {
            Self::Members(balancer) => balancer.gate(),
            Self::RandomNode(_) => None,
        }
    }

    /// The one to call first, of those that have room.
    pub(super) fn route_with_room(
        &self,
        selection: &Selection<'_>,
        gate: &Gate,
    ) -> Result<Option<Route>, Error> {
        match self {
            Self::Members(balancer) => {
                let lease = balancer.pick_with_room(selection, gate)?;
                Ok(lease.map(Route::Member))
            }
            Self::RandomNode(random) => random.route().map(Some),
        }
    }

    /// The best of those that may be called instead, which are connected and no suspects if any of them
    /// is so.
    pub(super) fn alternative(
        &self,
        selection: &Selection<'_>,
        may_be: impl Fn(&NodeName) -> bool,
    ) -> Option<Route> {
        match self {
            Self::Members(balancer) => {
                let node = balancer.node();
                let is_connected = |name: &NodeName| {
                    may_be(name) && node.peer(name).is_ok_and(|peer| is_well(&peer))
                };
                balancer
                    .select_where(selection, &is_connected)
                    .or_else(|| balancer.select_where(selection, &may_be))
                    .map(Route::Member)
            }
            Self::RandomNode(random) => random.alternative(may_be),
        }
    }

    /// Whether there is anybody that may be called instead, with room for the call or without.
    pub(super) fn has_alternative(
        &self,
        selection: &Selection<'_>,
        may_be: impl Fn(&NodeName) -> bool,
    ) -> bool {
        match self {
            Self::Members(balancer) => balancer.may_select(selection, &may_be),
            Self::RandomNode(random) => random.alternative(may_be).is_some(),
        }
    }

    /// Whether there is anybody to be picked.
    pub(super) fn has_candidates(&self) -> bool {
        match self {
            Self::Members(balancer) => balancer.members().is_ok(),
            Self::RandomNode(random) => random.alternative(|_| true).is_some(),
        }
    }

    /// From here on, changes of who may be called are noticed.
    pub(super) fn changes(&self) -> TargetChanges {
        let node = self.node();
        let change = match self {
            Self::Members(balancer) => Change::OfMembers(balancer.changes()),
            Self::RandomNode(_) => Change::OfNodes(node.events(), node.watch_groups()),
        };
        TargetChanges {
            change,
            stopped: Box::pin(node.stopped()),
        }
    }

    /// The name of the balancer; empty where there is none.
    pub(super) fn balancer(&self) -> &str {
        match self {
            Self::Members(balancer) => balancer.name(),
            Self::RandomNode(_) => "",
        }
    }

    pub(super) fn telemetry(&self) -> &Telemetry {
        match self {
            Self::Members(balancer) => balancer.telemetry(),
            Self::RandomNode(random) => random.telemetry(),
        }
    }

    /// Whether a call can be sent again: only a balancer keeps the budget for it.
    pub(super) fn has_budget(&self) -> bool {
        matches!(self, Self::Members(_))
    }

    /// An idempotent call is made, of which the budget is a part.
    pub(super) fn deposit(&self) {
        if let Self::Members(balancer) = self {
            balancer.budget().deposit();
        }
    }

    /// What it costs to send a call again, if that may be. Where no balancer keeps count, none is.
    pub(super) fn withdraw(&self) -> Option<Withdrawal<'_>> {
        match self {
            Self::Members(balancer) => balancer.budget().withdraw(),
            Self::RandomNode(_) => None,
        }
    }

    /// How long calls that are hedged have taken of late, where that is kept.
    pub(super) fn latencies(&self) -> Option<&Latencies> {
        match self {
            Self::Members(balancer) => Some(balancer.latencies()),
            Self::RandomNode(_) => None,
        }
    }

    /// Adds whose call it was.
    pub(super) fn complete(&self, error: Error) -> Error {
        match self {
            Self::Members(balancer) => balancer.complete(error),
            Self::RandomNode(_) => error,
        }
    }
}

/// Changes of who may be called.
pub(super) struct TargetChanges {
    change: Change,
    stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
}

enum Change {
    OfMembers(Changes),
    /// A node becomes a candidate by a connection, or by joining some group.
    OfNodes(beam_node::Events, watch::Receiver<u64>),
}

impl TargetChanges {
    /// Waits for a change, or until the own node is stopped, but no longer than this. Returns
    /// whether there was one.
    pub(super) async fn next(&mut self, until: Instant) -> bool {
        tokio::select! {
            () = self.change.next() => true,
            () = &mut self.stopped => true,
            () = sleep_until(until) => false,
        }
    }
}

impl Change {
    async fn next(&mut self) {
        match self {
            Self::OfMembers(changes) => changes.next().await,
            Self::OfNodes(events, groups) => loop {
                tokio::select! {
                    event = events.next() => match event {
                        Some(Event::Up { .. } | Event::Missed(_)) => return,
                        Some(_) => {}
                        // The node has ended, which others notice.
                        None => std::future::pending().await,
                    },
                    Ok(()) = groups.changed() => return,
                }
            },
        }
    }
}
