//! The members at one moment.

use std::{fmt, sync::Arc};

use super::Member;
use crate::algorithm::Algorithm;

/// The members of a pool at one moment, and the table that the algorithm computed for exactly
/// these. Immutable, but for the members' counters.
pub struct Snapshot<A: Algorithm> {
    version: u64,
    members: Box<[Arc<Member<A>>]>,
    table: A::Table,
}

impl<A: Algorithm> Snapshot<A> {
    pub(super) fn new(version: u64, members: Vec<Arc<Member<A>>>, algorithm: &A) -> Self {
        Self {
            version,
            table: algorithm.table(&members),
            members: members.into(),
        }
    }

    /// Which snapshot of its pool this is; the first, without members, is 0, and each is one more
    /// than the one before.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The members, each node once, sorted by name.
    pub fn members(&self) -> &[Arc<Member<A>>] {
        &self.members
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
