//! What has a pid on this node: services, members of groups, mailboxes and served calls.

mod served;
mod table;
mod watcher;
mod watchers;

pub(crate) use served::{Ended, Served};
pub(crate) use table::{Pids, Process, Processes, Role};
pub(crate) use watcher::Watcher;
pub(crate) use watchers::{Key, Told};
