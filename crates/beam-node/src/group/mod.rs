//! Process groups: the `pg` scope that this node shares with its peers, and views of its groups.

mod announced;
mod members;
mod message;
mod peer;
mod scope;
mod watch;

pub use members::{Member, Members};
pub(crate) use message::InvalidGroup;
pub(crate) use scope::{Action, Destination, GroupChange, MonitorId, Scope};
pub(crate) use watch::Groups;
