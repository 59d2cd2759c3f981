//! The links of a node.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Link;

/// The published links of a node.
#[derive(Debug, Default)]
pub(crate) struct Links(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    links: BTreeMap<u64, Arc<Link>>,
    /// Rooms that are taken and not filled yet.
    rooms: usize,
}

/// The room of a link that is about to be published. It is free again when this is dropped.
#[must_use = "the room is free again when this is dropped"]
pub(super) struct Room<'a>(&'a Links);

impl Links {
    /// Takes room for a link, unless there are so many links already.
    pub(super) fn room(&self, limit: usize) -> Option<Room<'_>> {
        let mut table = self.table();
        if table.links.len() + table.rooms >= limit {
            return None;
        }
        table.rooms += 1;
        Some(Room(self))
    }

    /// Takes a link out; `false` if it is not in.
    pub(super) fn remove(&self, link: &Link) -> bool {
        self.table().links.remove(&link.id).is_some()
    }

    pub(crate) fn count(&self) -> usize {
        self.table().links.len()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Link>> {
        self.table().links.values().cloned().collect()
    }

    /// Every critical section leaves the table whole.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room<'_> {
    pub(super) fn fill(self, link: &Arc<Link>) {
        let mut table = self.0.table();
        table.links.insert(link.id, Arc::clone(link));
        table.rooms -= 1;
        mem::forget(self);
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.0.table().rooms -= 1;
    }
}
