//! Which members of a balancer are well, and take calls.
//!
//! Four things are held against a member:
//!
//! * **Silence**: nothing comes from its node, though it is probed, see
//!   [`NodeBuilder::suspect_after`](beam_node::NodeBuilder::suspect_after). It is *suspect*, gets no
//!   new calls, and is back the moment that it answers.
//! * **Failed calls**: with several failures in a row, or with far more failures or far slower answers
//!   than the others, it is *ejected* for a while, see [`Ejection`]; each time for longer. At most half
//!   of the members are: with more, the fault hardly lies with the members, and ejections are ignored.
//!   What that is called in Envoy, from which these rules are, is the panic threshold.
//! * **Losses**: a member whose connection is lost leaves with it, and starts slowly when it is back soon
//!   after. If it is another incarnation, as the node's process died and was started anew, and that
//!   happens again before it was well for a while, it is ejected as well when it comes back: a crash that
//!   repeats itself costs fewer calls each time. The same incarnation is back because the network healed,
//!   and is not ejected, however often. How calls went before a loss says nothing of what is back.
//!   One that left before its connection ended was stopped in order. That is seen by a look in between,
//!   which there is within a few milliseconds; a node of this library stays connected for a second after its
//!   leave. Where leave and loss are faster, or this program stood still meanwhile, it cannot be
//!   told from a crash, as connections end alike, and counts as one. The first one only means a slow start.
//! * **Refused calls**: a member that serves too many for its own limits is used less for a second.
//!
//! A member that is back gets its share of the calls little by little ([`Health::slow_start`]), so
//! that what made it fail does not do so again. Suspects are left out though they be more than half of
//! the members: whoever says nothing answers nothing. Only where all are suspect, all are used.
//!
//! All of this is how *this* balancer sees its members; others may see them otherwise.

mod absent;
mod book;
mod ejection;
mod entry;
mod events;
mod former;
mod outliers;
mod record;
mod settings;
mod state;
mod status;

pub(crate) use book::{Book, Known, Observed, Records, Sight};
pub use ejection::Ejection;
pub(crate) use events::EventSource;
pub use events::{MemberEvent, MemberEvents};
pub(crate) use record::{Record, Reports, Window};
pub use settings::Health;
pub use state::{MemberState, StateReason};
pub use status::MemberStatus;
