//! Calls on a random node, without a balancer.

use std::fmt;

use beam_dist::NodeName;
use beam_node::{Arguments, Cause, Code, Error, Function, Node, Peer, PeerStatus};
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
        let peers = self.node.peers();
        self.one_of(&peers, |_| true).ok_or_else(|| {
            let filter = self.filter.as_seen_by(self.node.name());
            let message = nobody(&filter, &peers).to_string();
            Error::new(Code::ServiceUnavailable, message, Cause::NoMembers)
        })
    }

    /// A random one of the peers that match and that may be it.
    pub(crate) fn alternative(&self, may_be: impl Fn(&NodeName) -> bool) -> Option<Route> {
        self.one_of(&self.node.peers(), may_be)
    }

    fn one_of(&self, peers: &[PeerStatus], may_be: impl Fn(&NodeName) -> bool) -> Option<Route> {
        let mut candidates: Vec<_> = peers
            .iter()
            .filter(|peer| is_candidate(peer))
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

/// Whether a peer may be called, if its name matches.
fn is_candidate(peer: &PeerStatus) -> bool {
    !peer.hidden || peer.memberships > 0
}

/// Why none of the peers is called: who is there instead.
fn nobody<'a>(filter: &'a NodeFilter, peers: &'a [PeerStatus]) -> impl fmt::Display {
    let matches = |peer: &&PeerStatus| filter.matches(&peer.name);
    let (candidates, others): (Vec<_>, Vec<_>) = peers.iter().partition(|peer| is_candidate(peer));
    let of_no_group: Vec<_> = others.into_iter().filter(matches).collect();
    fmt::from_fn(move |f| match (&of_no_group[..], &candidates[..]) {
        ([peer], _) => write!(
            f,
            "{} matches {filter}, but is hidden and a member of no group, so that it is not picked",
            peer.name
        ),
        ([_, ..], _) => write!(
            f,
            "{} match {filter}, but are hidden and members of no group, so that none is picked",
            list(&of_no_group)
        ),
        ([], []) => write!(
            f,
            "no connected node is visible or a member of some group, so that none matches {filter}"
        ),
        ([], [peer]) => write!(
            f,
            "the one node that may be picked, {}, has no name that matches {filter}",
            peer.name
        ),
        ([], [_, ..]) => write!(
            f,
            "none of the {} nodes that may be picked has a name that matches {filter}: {}",
            candidates.len(),
            list(&candidates)
        ),
    })
}

/// The names of some, and how many more there are.
fn list(peers: &[&PeerStatus]) -> impl fmt::Display {
    /// How many are named.
    const SHOWN: usize = 8;

    fmt::from_fn(move |f| {
        let (shown, more) = peers.split_at(peers.len().min(SHOWN));
        for (index, peer) in shown.iter().enumerate() {
            let separator = match index {
                0 => "",
                _ if more.is_empty() && index + 1 == shown.len() => " and ",
                _ => ", ",
            };
            write!(f, "{separator}{}", peer.name)?;
        }
        match more.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    })
}
