//! The connected peers that do not answer.

use std::{collections::BTreeMap, sync::Arc};

use beam_dist::NodeName;
use tokio::{sync::watch, time::Instant};

/// The connected peers that have gone silent and have not answered since, each with the instant at which it
/// did; see [`NodeBuilder::suspect_after`](crate::NodeBuilder::suspect_after).
pub type Suspects = BTreeMap<NodeName, Instant>;

/// The suspects of a node, as a value that changes with them.
///
/// A change makes a new map only where somebody still looks at the one before, so that ten thousand peers
/// that fall silent at once are no ten thousand maps.
#[derive(Debug, Default)]
pub(crate) struct SuspectBook(watch::Sender<Arc<Suspects>>);

impl SuspectBook {
    pub(crate) fn insert(&self, peer: &NodeName, since: Instant) {
        self.0.send_modify(|suspects| {
            Arc::make_mut(suspects).insert(peer.clone(), since);
        });
    }

    /// Takes a peer out; tells since when nothing had come from it, if it was in.
    pub(crate) fn remove(&self, peer: &NodeName) -> Option<Instant> {
        let mut since = None;
        self.0.send_if_modified(|suspects| {
            if suspects.contains_key(peer) {
                since = Arc::make_mut(suspects).remove(peer);
            }
            since.is_some()
        });
        since
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Suspects>> {
        self.0.subscribe()
    }

    pub(crate) fn all(&self) -> Arc<Suspects> {
        Arc::clone(&self.0.borrow())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_copied_only_where_somebody_still_looks_at_it() {
        let book = SuspectBook::default();
        let mut watch = book.watch();
        let insert = |numbers: std::ops::Range<u32>| {
            let mut maps = std::collections::BTreeSet::new();
            for n in numbers {
                book.insert(&format!("n{n}@h").parse().unwrap(), Instant::now());
                maps.insert(Arc::as_ptr(&book.all()));
            }
            maps.len()
        };
        assert_eq!(insert(0..1_000), 1);
        let seen = Arc::clone(&watch.borrow_and_update());
        assert_eq!(insert(1_000..2_000), 1);
        assert_eq!((seen.len(), book.all().len()), (1_000, 2_000));
    }

    #[test]
    fn those_who_watch_are_told_of_changes_alone() {
        let book = SuspectBook::default();
        let mut watch = book.watch();
        let [a, b]: [NodeName; 2] = ["a@h", "b@h"].map(|name| name.parse().unwrap());
        let since = Instant::now();

        assert_eq!(book.remove(&a), None);
        assert!(!watch.has_changed().unwrap());
        book.insert(&a, since);
        assert!(watch.has_changed().unwrap());
        let seen = Arc::clone(&watch.borrow_and_update());
        assert_eq!(seen.get(&a), Some(&since));
        assert_eq!(book.remove(&b), None);
        assert!(!watch.has_changed().unwrap());
        assert_eq!(book.remove(&a), Some(since));
        assert!(watch.has_changed().unwrap());
        // Whoever had looked still has what it saw.
        assert_eq!((seen.len(), book.all().len()), (1, 0));
    }
}
