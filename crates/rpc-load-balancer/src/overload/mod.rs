//! Limits on the calls that a balancer has in flight, and the wait for room.
//!
//! Without limits a balancer hands all calls on at once, and what is too much for the members is refused
//! by their own limits or those of this node ([`Limits`](beam_node::Limits)). With [`CallLimits`] a call
//! that finds them reached waits until another one ends; those whose deadlines come first are first, so
//! that time is not spent on calls that nobody will wait for. The wait is bounded as well: beyond it a
//! call fails at once with `too_many_requests`, and is certain not to have run.
//!
//! Those who wait look for a member one at a time, the first of them each time that a call ends, so that
//! none overtakes a more urgent one, and the end of a call costs no more where many wait. One for which the
//! algorithm finds nobody fit does not wait for room but as without limits ([`Retry`](crate::Retry)). With an
//! algorithm of one's own that lets a call go to certain members only
//! ([`choose_nodes`](crate::Algorithm::choose_nodes)) the first one waits until one of these has room, and
//! the others behind it: such groups of members are better served by a balancer each.
//!
//! A call that is to go on to another member waits for room as well, in its place by its deadline, as long
//! as no member has room. Where it cannot, it fails with what went wrong before, if it may have run then.
//!
//! Only the caller waits. A member that serves as much as its own limits allow refuses the next call at once,
//! with `system_limit`: it neither keeps calls that it cannot serve nor spends the time that they have. The
//! caller sends such a call to another member that has room, and uses the one that refused it less for a
//! second, see [`health`](crate::health); where there is none, it fails with `too_many_requests`, and is
//! certain not to have run.

mod gate;
mod gradient;
mod limits;

pub(crate) use gate::{Gate, Permit};
pub use gradient::Gradient;
pub use limits::CallLimits;
