//! What a node serves, in all and for each peer, however often that connects.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use beam_dist::NodeName;

use super::Load;
use crate::{Limits, identity::CALLS_AHEAD, quota::Quota};

/// The calls that a node serves.
///
/// What a peer has called runs on when its connection ends. So it is counted for its name rather than
/// for one connection: a peer that connects again and again has no more than one that stays.
#[derive(Debug)]
pub(crate) struct Loads {
    pub(crate) calls: Quota,
    /// Their arguments, and then their results until those are queued.
    pub(super) bytes: Quota,
    /// How many calls of peers there were in all, but for those of functions that every node exports,
    /// and for those that loads have not told of.
    served: AtomicU64,
    /// How many of them somebody has seen: the number never falls.
    seen: AtomicU64,
    /// The calls of the node itself.
    own: Load,
    peers: Mutex<HashMap<NodeName, Weak<Load>>>,
}

/// How many bytes a load counts ahead.
const BYTES_AHEAD: usize = 64 * 1024;

impl Loads {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            calls: Quota::new(limits.served_per_node, CALLS_AHEAD),
            bytes: Quota::new(limits.served_bytes_per_node, BYTES_AHEAD),
            served: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            own: Load::default(),
            peers: Mutex::default(),
        }
    }

    /// The load of a peer. There is one value per name as long as it is held.
    pub(crate) fn of(&self, peer: &NodeName) -> Arc<Load> {
        let mut peers = self.peers();
        if let Some(load) = peers.get(peer).and_then(Weak::upgrade) {
            return load;
        }
        // Those that nobody holds any more go when the table would grow.
        if peers.len() == peers.capacity() {
            peers.retain(|_, load| load.strong_count() > 0);
        }
        let load = Arc::default();
        peers.insert(peer.clone(), Arc::downgrade(&load));
        load
    }

    /// The load that the node is to itself.
    pub(super) fn own(&self) -> &Load {
        &self.own
    }

    /// How many calls are served.
    pub(crate) fn count(&self) -> usize {
        self.own.count() + self.sum(Load::count)
    }

    /// How many calls of peers there were.
    pub(crate) fn served(&self) -> u64 {
        // In this order a load that tells meanwhile is not counted twice; then it may not count at all.
        let told = self.served.load(Ordering::Relaxed);
        let served = told + self.sum(Load::untold);
        self.seen.fetch_max(served, Ordering::Relaxed).max(served)
    }

    /// How many bytes are held, or counted ahead.
    #[cfg(rlb_simulation)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.drawn()
    }

    /// Adds calls to those that there were.
    pub(super) fn tell(&self, calls: u64) {
        self.served.fetch_add(calls, Ordering::Relaxed);
    }

    fn sum<N: std::iter::Sum>(&self, count: impl Fn(&Load) -> N) -> N {
        let loads: Vec<_> = self.peers().values().filter_map(Weak::upgrade).collect();
        loads.iter().map(|load| count(load)).sum()
    }

    /// Every critical section is a look or a change of the table.
    fn peers(&self) -> MutexGuard<'_, HashMap<NodeName, Weak<Load>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
