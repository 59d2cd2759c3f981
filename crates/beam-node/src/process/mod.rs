//! What has a pid on this node: services, members of groups, mailboxes and served calls.

mod table;
mod watcher;
mod watchers;

pub(crate) use table::{Ended, Process, Processes, Role, Served};
pub(crate) use watcher::Watcher;
pub(crate) use watchers::Key;
