//! A member of a pool.

use std::{
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use beam_dist::NodeName;
use beam_node::{Error, Node, Peer};

use super::{Load, Outcome, lease::Held, load::LoadCounter};
use crate::{
    algorithm::Algorithm,
    health::{Record, Reports},
};

/// A node that can be selected, with its counters and what the algorithm keeps for it.
///
/// It is the same object in every snapshot that holds it. One that left lives on as long as there
/// are leases on it, and comes back with its calls in flight if the node does.
// A selection changes the reference counts of the `Arc` around this, and the counter; they lie next
// to each other, apart from the fields that others read. The rest of the size keeps the next
// member's off these cache lines.
#[repr(C)]
pub struct Member<A: Algorithm> {
    load: LoadCounter,
    identity: Arc<Identity<A>>,
    /// The same member once more for each further lane, with a counter that is included here.
    further_lanes: Box<[Arc<Self>]>,
    _apart: [u64; 10],
}

/// What does not change with each selection.
struct Identity<A: Algorithm> {
    node: NodeName,
    algorithm: Arc<A>,
    state: A::State,
    record: Record,
    reports: Arc<Reports>,
    /// How the node is called; looked up with the first call.
    peer: OnceLock<Peer>,
}

impl<A: Algorithm> Member<A> {
    pub(super) fn new(
        node: NodeName,
        picks: u32,
        lanes: usize,
        algorithm: &Arc<A>,
        state: A::State,
        reports: &Arc<Reports>,
    ) -> Self {
        let identity = Arc::new(Identity {
            node,
            algorithm: Arc::clone(algorithm),
            state,
            record: Record::default(),
            reports: Arc::clone(reports),
            peer: OnceLock::new(),
        });
        let on_lane = |_| Arc::new(Self::on_lane(0, &identity, Box::default()));
        let further_lanes = (1..lanes).map(on_lane).collect();
        Self::on_lane(picks, &identity, further_lanes)
    }

    fn on_lane(picks: u32, identity: &Arc<Identity<A>>, further_lanes: Box<[Arc<Self>]>) -> Self {
        Self {
            load: LoadCounter::starting_at(picks),
            identity: Arc::clone(identity),
            further_lanes,
            _apart: [0; 10],
        }
    }

    /// The name of the node.
    pub fn node(&self) -> &NodeName {
        &self.identity.node
    }

    /// Calls in flight and picks, read at one moment.
    ///
    /// Where the algorithm does not [read them](Algorithm::READS_LOAD) they are added up from
    /// several counters one after the other, and the members that its hooks are given know only of
    /// the one that the selection counted on.
    pub fn load(&self) -> Load {
        // Known to the compiler, so that a choice among many does not ask each for its lanes.
        if A::READS_LOAD {
            return self.load.read();
        }
        let further_lanes = self.further_lanes.iter().map(|lane| lane.load.read());
        further_lanes.fold(self.load.read(), Load::plus)
    }

    /// Leases on the member that have not ended.
    pub fn in_flight(&self) -> u32 {
        self.load().in_flight
    }

    /// How often the member was picked; see [`Load::picks`].
    pub fn picks(&self) -> u32 {
        self.load().picks
    }

    /// Calls in flight, read in turn with those who change them: a selection or release is either
    /// seen here, or its [hook](Algorithm::on_select) sees what was written before this. Only for
    /// algorithms that read the load, which have one counter for each member.
    pub(crate) fn in_flight_in_turn(&self) -> u32 {
        self.load.read_in_turn().in_flight
    }

    /// What the algorithm keeps for this member.
    pub fn state(&self) -> &A::State {
        &self.identity.state
    }

    /// How calls to it went.
    pub(crate) fn record(&self) -> &Record {
        &self.identity.record
    }

    /// The member for the threads of each lane but the first.
    pub(super) fn further_lanes(&self) -> &[Arc<Self>] {
        &self.further_lanes
    }

    /// Moves the count of picks, and leaves the calls in flight alone.
    pub(super) fn restart_picks(&self, picks: u32) {
        self.load.add_picks(picks.wrapping_sub(self.picks()));
    }
}

impl<A: Algorithm> Held for Member<A> {
    fn node(&self) -> &NodeName {
        self.node()
    }

    fn peer(&self, from: &Node) -> Result<&Peer, Error> {
        let Identity { node, peer, .. } = &*self.identity;
        match peer.get() {
            Some(peer) => Ok(peer),
            None => {
                let found = from.peer(node)?;
                Ok(peer.get_or_init(|| found))
            }
        }
    }

    fn acquired(&self) {
        self.load.acquire();
        let algorithm = &self.identity.algorithm;
        algorithm.on_select(self);
    }

    fn ended(&self, outcome: &Outcome) {
        let Identity {
            algorithm,
            record,
            reports,
            ..
        } = &*self.identity;
        record.note(outcome, reports);
        tell(|| algorithm.on_outcome(self, outcome));
    }

    fn abandoned(&self, elapsed: Duration, patience: Duration) {
        if let Some(kind) = self.record().abandon(elapsed, patience) {
            self.ended(&Outcome::new(kind, elapsed));
        }
    }

    fn released(&self) {
        self.load.release();
        let Identity {
            algorithm, reports, ..
        } = &*self.identity;
        // Before the algorithm, which may panic.
        reports.made_room();
        tell(|| algorithm.on_release(self));
    }
}

/// Tells the algorithm, which is code of users, of the end of a call.
///
/// That may be because its thread unwinds from a panic. Then another one would end the process, and goes
/// no further.
fn tell(hook: impl FnOnce()) {
    if !thread::panicking() {
        return hook();
    }
    if let Err(payload) = catch_unwind(AssertUnwindSafe(hook)) {
        tracing::error!("the algorithm of a balancer panicked when a call ended by a panic");
        // What it panicked with may panic as well when it is dropped.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(payload);
        }
    }
}

impl<A: Algorithm> fmt::Debug for Member<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("node", self.node())
            .field("load", &self.load())
            .finish_non_exhaustive()
    }
}

/// Members for models, which need no pool.
#[cfg(all(test, rlb_loom))]
pub(crate) mod models {
    use super::*;
    use crate::members::{Lease, numbered};

    pub(crate) fn members_of<A: Algorithm>(
        algorithm: &Arc<A>,
        count: usize,
    ) -> Vec<Arc<Member<A>>> {
        let nodes = numbered(0..count).into_iter();
        let member = |node: NodeName| {
            let state = algorithm.state(&node, &[]);
            let reports = Arc::new(Reports::default());
            Arc::new(Member::new(node, 0, 1, algorithm, state, &reports))
        };
        nodes.map(member).collect()
    }

    pub(crate) fn take_and_release<A: Algorithm>(member: &Arc<Member<A>>) {
        drop(Lease::on(Arc::clone(member)));
    }
}
