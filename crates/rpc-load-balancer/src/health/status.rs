//! What a balancer knows of a member.

use beam_dist::NodeName;
use beam_term::Term;
use tokio::time::Instant;

use super::{MemberState, StateReason};
use crate::members::SlowStart;

/// A member of a balancer as [`Balancer::member_statuses`](crate::Balancer::member_statuses) shows
/// it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MemberStatus {
    /// The member.
    pub node: NodeName,
    /// Its weight for this balancer: the one that is set here, else the one that the member
    /// publishes, else 1. With 0 it gets no new calls.
    pub weight: u32,
    /// What the member publishes of itself besides; the last of one that has left.
    pub metadata: Option<Term>,
    /// How it is.
    pub state: MemberState,
    /// Why it is in this state.
    pub reason: StateReason,
    /// Since when it is in this state.
    pub since: Instant,
    /// Whether it gets new calls. One that is well does, unless its weight is 0; one that is not may
    /// get some where too many are not, see [the module](crate::health).
    pub takes_calls: bool,
    /// The slow start that it is in, in which it gets less than its share of the calls.
    pub slow_start: Option<SlowStart>,
}
