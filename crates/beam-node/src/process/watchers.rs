//! Those who watch one process.

use std::collections::HashMap;

use beam_term::{Pid, Reference};
use smallvec::SmallVec;

use super::Watcher;

/// The watchers of a process, in the order in which they came.
///
/// Most processes have one or none; those that a peer monitors by the thousand are indexed, so that
/// none of its messages costs more for all that came before.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    /// With gaps, where some have gone.
    places: SmallVec<[Option<Watcher>; 1]>,
    gaps: usize,
    /// None as long as there are few.
    index: Option<HashMap<Key, Vec<usize>>>,
}

/// By what a peer names a watcher.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A monitor, by its link and reference.
    Monitor(u64, Reference),
    /// A process that is linked, by its link and pid.
    Link(u64, Pid),
}

/// Those who are to be told of the end of a process: mostly one.
pub(crate) type Told = SmallVec<[Watcher; 1]>;

/// So many are looked through faster than looked up.
const FEW: usize = 32;

impl Watchers {
    pub(super) fn add(&mut self, watcher: Watcher) {
        if let Some(index) = &mut self.index {
            index
                .entry(watcher.key())
                .or_default()
                .push(self.places.len());
        }
        self.places.push(Some(watcher));
        if self.index.is_none() && self.places.len() > FEW {
            self.reindex();
        }
    }

    /// Removes all under a key; tells how many they were.
    pub(super) fn remove(&mut self, key: &Key) -> usize {
        let Some(index) = &mut self.index else {
            return self.remove_where(|watcher| watcher.key() == *key);
        };
        let removed = index.remove(key).unwrap_or_default();
        for &place in &removed {
            self.places[place] = None;
        }
        self.gaps += removed.len();
        if self.gaps > FEW && self.gaps > self.places.len() / 2 {
            self.reindex();
        }
        removed.len()
    }

    /// Removes those that match; tells how many they were.
    pub(super) fn remove_where(&mut self, mut matches: impl FnMut(&Watcher) -> bool) -> usize {
        let before = self.places.len() - self.gaps;
        self.places
            .retain(|place| place.as_ref().is_some_and(|watcher| !matches(watcher)));
        self.gaps = 0;
        let removed = before - self.places.len();
        if self.index.is_some() {
            self.reindex();
        }
        removed
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Watcher> {
        self.places.iter().flatten()
    }

    #[cfg(rlb_simulation)]
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.gaps
    }

    pub(super) fn into_told(self) -> Told {
        self.places.into_iter().flatten().collect()
    }

    fn reindex(&mut self) {
        self.places.retain(|place| place.is_some());
        self.gaps = 0;
        if self.places.len() <= FEW {
            self.index = None;
            return;
        }
        let mut index = HashMap::<_, Vec<_>>::with_capacity(self.places.len());
        for (place, watcher) in self.places.iter().enumerate() {
            if let Some(watcher) = watcher {
                index.entry(watcher.key()).or_default().push(place);
            }
        }
        self.index = Some(index);
    }
}

impl FromIterator<Watcher> for Watchers {
    fn from_iter<I: IntoIterator<Item = Watcher>>(watchers: I) -> Self {
        let mut found = Self {
            places: watchers.into_iter().map(Some).collect(),
            ..Self::default()
        };
        if found.places.len() > FEW {
            found.reindex();
        }
        found
    }
}
