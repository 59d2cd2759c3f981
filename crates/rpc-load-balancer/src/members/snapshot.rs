//! The members at one moment.

use std::{fmt, sync::Arc};

use super::{Lease, Member, lane::own_lane, slow_start::SlowStarts};
use crate::algorithm::Algorithm;

/// The members of a pool at one moment, and the table that the algorithm computed for exactly
/// these. Immutable, but for the members' counters.
pub struct Snapshot<A: Algorithm> {
    version: u64,
    members: Lane<A>,
    /// The members again, for the threads of each lane but the first.
    further_lanes: Box<[Lane<A>]>,
    weights: Box<[u32]>,
    /// None where nobody is in one.
    slow_starts: Option<Arc<SlowStarts>>,
    table: A::Table,
}

type Lane<A> = Box<[Arc<Member<A>>]>;

impl<A: Algorithm> Snapshot<A> {
    /// The first one of a pool.
    pub(crate) fn empty(lanes: usize) -> Self {
        Self {
            version: 0,
            members: Lane::<A>::default(),
            further_lanes: (1..lanes).map(|_| Lane::<A>::default()).collect(),
            weights: Box::default(),
            slow_starts: None,
            table: A::Table::default(),
        }
    }

    /// The one that follows `current`. The members must have as many lanes as are given here.
    pub(super) fn after(
        current: &Self,
        members: Vec<Arc<Member<A>>>,
        (weights, slow_starts): (Box<[u32]>, Option<SlowStarts>),
        lanes: usize,
        algorithm: &A,
    ) -> Self {
        let on_lane = |lane: usize| {
            let further_lanes = members.iter().map(|member| member.further_lanes());
            further_lanes
                .map(|lanes| Arc::clone(&lanes[lane]))
                .collect()
        };
        Self {
            version: current.version + 1,
            further_lanes: (0..lanes - 1).map(on_lane).collect(),
            table: algorithm.table(&members, &weights, current),
            members: members.into(),
            weights,
            slow_starts: slow_starts.map(Arc::new),
        }
    }

    /// The same members with a new table.
    pub(super) fn refreshed(current: &Self, algorithm: &A) -> Self {
        Self {
            version: current.version + 1,
            members: current.members.clone(),
            further_lanes: current.further_lanes.clone(),
            table: algorithm.table(&current.members, &current.weights, current),
            weights: current.weights.clone(),
            slow_starts: current.slow_starts.clone(),
        }
    }

    /// Which snapshot of its pool this is; the first, without members, is 0, and each is one more
    /// than the one before.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A lease on a member; `None` if there is none at this index.
    pub(super) fn lease(&self, index: usize) -> Option<Lease> {
        let members = match own_lane(1 + self.further_lanes.len()) {
            0 => &self.members,
            lane => &self.further_lanes[lane - 1],
        };
        let member = Arc::clone(members.get(index)?);
        Some(Lease::on(member))
    }

    /// The slow starts of the members; `None` where nobody is in one.
    pub(super) fn slow_starts(&self) -> Option<&SlowStarts> {
        self.slow_starts.as_deref()
    }

    /// A lease on a member that has no more than so many calls in flight with this one.
    pub(super) fn lease_within(&self, index: usize, most: u32) -> Option<Lease> {
        if most == u32::MAX {
            return self.lease(index);
        }
        let member = self.members.get(index)?;
        // The end of a lease tells those who wait that there may be room, so none is taken in vain.
        if member.in_flight() >= most {
            return None;
        }
        // Of several that come at once none may keep what another has taken as well.
        self.lease(index).filter(|_| member.in_flight() <= most)
    }

    /// The members, each node once, sorted by name.
    pub fn members(&self) -> &[Arc<Member<A>>] {
        &self.members
    }

    /// The weight of each member, in the order of the members; none is 0.
    pub fn weights(&self) -> &[u32] {
        &self.weights
    }

    /// What the algorithm computed for these members.
    pub fn table(&self) -> &A::Table {
        &self.table
    }
}

impl<A: Algorithm> fmt::Debug for Snapshot<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("version", &self.version)
            .field("members", &self.members)
            .finish_non_exhaustive()
    }
}
