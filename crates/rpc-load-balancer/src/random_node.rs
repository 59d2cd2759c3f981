//! Calls on a random node, without a balancer.

use std::fmt;

use beam_dist::NodeName;
use beam_node::{Arguments, Cause, Code, Error, Function, Node, Peer};
use serde::de::DeserializeOwned;

use crate::{
    algorithm::Rng,
    call::{Call, Cast, Route, Target},
    node_filter::NodeFilter,
    telemetry::Telemetry,
};

/// Calls a function on a random node whose name matches.
///
/// Where the name of the own node matches, it is the one: its export runs, without a connection,
/// and `undef` is the answer if there is none. Else the candidates are the connected peers that
/// are visible, or are in some group of the scope.
///
/// The default timeout is 10 s; [`Retry`](crate::Retry) applies when no node matches, and a node
/// that cannot be reached gives way to another.
///
/// ```no_run
/// use rpc_load_balancer::{Error, Node, NodeFilter, call_on_random_node};
///
/// # async fn example(node: Node) -> Result<(), Error> {
/// let workers: NodeFilter = "worker".parse()?;
/// let loud: String =
///     call_on_random_node(&node, workers, ("Elixir.String", "upcase"), ("hello",)).await?;
/// # Ok(())
/// # }
/// ```
pub fn call_on_random_node<'a, T: DeserializeOwned + Send, A: Arguments + 'a>(
    node: &Node,
    filter: NodeFilter,
    function: impl TryInto<Function, Error: fmt::Display>,
    arguments: A,
) -> Call<'a, T, A> {
    let target = Target::RandomNode(RandomNode::new(node, filter));
    Call::new(target, function, arguments, Default::default())
}

/// Sends a cast to a random node whose name matches; see [`call_on_random_node`].
pub fn cast_on_random_node<'a, A: Arguments + 'a>(
    node: &Node,
    filter: NodeFilter,
    function: impl TryInto<Function, Error: fmt::Display>,
    arguments: A,
) -> Cast<'a, A> {
    let target = Target::RandomNode(RandomNode::new(node, filter));
    Cast::new(target, function, arguments, Default::default())
}

/// The nodes that match, as seen from one node.
#[derive(Clone, Debug)]
pub(crate) struct RandomNode {
    node: Node,
    filter: NodeFilter,
    telemetry: Telemetry,
}

impl RandomNode {
    fn new(node: &Node, filter: NodeFilter) -> Self {
        Self {
            node: node.clone(),
            filter,
            telemetry: Telemetry::of_nobody(),
        }
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    pub(crate) fn own_route(&self) -> Result<Route, Error> {
        let own = self.node.peer(self.node.name())?;
        Ok(untracked(own))
    }

    pub(crate) fn route(&self) -> Result<Route, Error> {
        if self.node.is_stopped() {
            return Err(Error::shut_down());
        }
        if self.filter.matches(self.node.name()) {
            return self.own_route();
        }
        self.alternative(|_| true).ok_or_else(|| {
            Error::new(
                Code::ServiceUnavailable,
                format!(
                    "no connected node that is visible or a member of some group matches {}",
                    self.filter
                ),
                Cause::NoMembers,
            )
        })
    }

    /// A random one of the peers that match and that may be it.
    pub(crate) fn alternative(&self, may_be: impl Fn(&NodeName) -> bool) -> Option<Route> {
        let peers = self.node.peers();
        let mut candidates: Vec<_> = peers
            .iter()
            .filter(|peer| !peer.hidden || peer.memberships > 0)
            .filter(|peer| self.filter.matches(&peer.name) && may_be(&peer.name))
            .collect();
        // Those that say nothing only where all do.
        if candidates.iter().any(|peer| peer.suspect_since.is_none()) {
            candidates.retain(|peer| peer.suspect_since.is_none());
        }
        let picked = candidates.get(Rng::thread_local().below(candidates.len()))?;
        let peer = self.node.peer(&picked.name).ok()?;
        Some(untracked(peer))
    }
}

fn untracked(peer: Peer) -> Route {
    Route::Node {
        peer,
        _tracked: None,
    }
}
