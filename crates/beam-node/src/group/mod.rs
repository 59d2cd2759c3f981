//! Process groups: the `pg` scope that this node shares with its peers, and views of its groups.

mod announced;
mod bound;
mod driver;
mod features;
mod members;
mod membership;
mod message;
mod peer;
mod pids;
mod publications;
mod published;
mod scope;
mod watch;

pub(crate) use bound::Bound;
pub(crate) use driver::{NotJoined, ScopeDriver};
pub(crate) use features::Features;
pub use members::{Member, Members};
pub use membership::Membership;
pub(crate) use message::InvalidGroup;
pub use publications::PublishedValues;
pub use published::Published;
pub(crate) use scope::{Action, Destination, MonitorId, Scope};
pub(crate) use watch::Groups;
