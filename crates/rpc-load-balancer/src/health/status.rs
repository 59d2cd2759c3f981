//! What a balancer knows of its members.

use beam_dist::NodeName;
use beam_term::Term;

/// A member of a balancer as [`Balancer::member_statuses`](super::Balancer::member_statuses) shows
/// it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberStatus {
    /// The member.
    pub node: NodeName,
    /// Its weight for this balancer: the one that is set here, else the one that the member
    /// publishes, else 1. With 0 it gets no new calls.
    pub weight: u32,
    /// What the member publishes of itself besides.
    pub metadata: Option<Term>,
}
