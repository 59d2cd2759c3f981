//! The links of a node.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Link;

/// The published links of a node.
#[derive(Debug, Default)]
pub(crate) struct Links(Mutex<BTreeMap<u64, Arc<Link>>>);

impl Links {
    pub(super) fn insert(&self, link: &Arc<Link>) {
        self.links().insert(link.id, Arc::clone(link));
    }

    /// Takes a link out; `false` if it is not in.
    pub(super) fn remove(&self, link: &Link) -> bool {
        self.links().remove(&link.id).is_some()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Link>> {
        self.links().values().cloned().collect()
    }

    /// Every critical section is one look-up or one change of the map.
    fn links(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Link>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
