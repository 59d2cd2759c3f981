//! The members of a balancer, and leases on them. Nothing here uses the network.
//!
//! A [`Pool`] is given its members as a list of names, and swaps in one immutable [`Snapshot`] for
//! each list. A selection reads one snapshot, lets the [`Algorithm`](crate::Algorithm) choose from
//! it, and returns a [`Lease`], which counts as a call in flight until it is dropped.

mod candidate;
mod lane;
mod lease;
mod load;
mod member;
mod pool;
mod roster;
mod slow_start;
mod snapshot;
mod tracked;

pub use candidate::Candidate;
pub(crate) use lane::own_lane;
pub use lease::{Lease, Outcome, OutcomeKind};
pub use load::Load;
pub use member::Member;
#[cfg(all(test, rlb_loom))]
pub(crate) use member::models::{members_of, take_and_release};
pub use pool::Pool;
pub(crate) use pool::Unselected;
#[cfg(test)]
pub(crate) use pool::numbered;
pub use slow_start::SlowStart;
pub use snapshot::Snapshot;
pub use tracked::Tracked;
pub(crate) use tracked::Tracker;
