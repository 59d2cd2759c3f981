//! A member of a pool.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use beam_dist::NodeName;
use beam_node::{Error, Node, Peer};

use super::{Load, Release, lease::Held, load::LoadCounter};
use crate::algorithm::Algorithm;

/// A node that can be selected, with its counters and what the algorithm keeps for it.
///
/// It is the same object in every snapshot that holds it. One that left lives on as long as there
/// are leases on it, and comes back with its calls in flight if the node does.
// The counters come first, next to the reference counts of the `Arc`: a selection changes both, and
// in this way takes one cache line from other threads. The fields behind them, which nobody
// writes, keep the next member's counters off that line.
#[repr(C)]
pub struct Member<A: Algorithm> {
    load: LoadCounter,
    node: NodeName,
    algorithm: Arc<A>,
    state: A::State,
    /// How the node is called; looked up with the first call.
    peer: OnceLock<Peer>,
}

impl<A: Algorithm> Member<A> {
    pub(super) fn new(node: NodeName, picks: u32, algorithm: &Arc<A>, state: A::State) -> Self {
        Self {
            load: LoadCounter::starting_at(picks),
            node,
            algorithm: Arc::clone(algorithm),
            state,
            peer: OnceLock::new(),
        }
    }

    /// The name of the node.
    pub fn node(&self) -> &NodeName {
        &self.node
    }

    /// Calls in flight and picks, read at one moment.
    pub fn load(&self) -> Load {
        self.load.read()
    }

    /// Leases on the member that have not ended.
    pub fn in_flight(&self) -> u32 {
        self.load().in_flight
    }

    /// How often the member was picked; see [`Load::picks`].
    pub fn picks(&self) -> u32 {
        self.load().picks
    }

    /// What the algorithm keeps for this member.
    pub fn state(&self) -> &A::State {
        &self.state
    }

    pub(super) fn restart_picks(&self, picks: u32) {
        self.load.restart_picks(picks);
    }

    pub(super) fn acquire(&self) {
        self.load.acquire();
        self.algorithm.on_select(self);
    }
}

impl<A: Algorithm> Held for Member<A> {
    fn node(&self) -> &NodeName {
        self.node()
    }

    fn peer(&self, from: &Node) -> Result<&Peer, Error> {
        match self.peer.get() {
            Some(peer) => Ok(peer),
            None => {
                let peer = from.peer(&self.node)?;
                Ok(self.peer.get_or_init(|| peer))
            }
        }
    }

    fn released(&self, release: &Release) {
        self.load.release();
        self.algorithm.on_release(self, release);
    }
}

impl<A: Algorithm> fmt::Debug for Member<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("node", &self.node)
            .field("load", &self.load())
            .finish_non_exhaustive()
    }
}
