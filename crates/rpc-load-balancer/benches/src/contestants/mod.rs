//! Who is measured.
//!
//! All are used through their public interfaces, with the members of an address or a name each, all
//! of the same weight unless the algorithm is about weights. A selection ends at once.

mod balancer;
mod pingora;
mod pool;
mod tower;
mod yardstick;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rpc_load_balancer::Term;
use serde::Serialize;

pub(crate) use balancer::Cluster;

/// Something that picks one of its members.
pub(crate) trait Contestant: Send + Sync {
    /// Picks a member so many times, and gives it back each time. Nobody else does meanwhile.
    fn alone(&self, selections: u32);

    /// The same, while another thread does so too.
    fn shared(&self, selections: u32) {
        self.alone(selections);
    }
}

/// Something whose members come and go.
pub(crate) trait Changing {
    /// Makes ready what is known of a change before it comes: the list of the members.
    fn prepare(&mut self, change: Change);

    /// Applies the change: from the list to selections that see it.
    fn apply(&mut self);
}

/// A member more, or the same one less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    Join,
    Leave,
}

/// A way to select, and how it is made with so many members.
pub(crate) struct Entry {
    /// Of the library and the algorithm.
    pub(crate) library: Library,
    pub(crate) algorithm: &'static str,
    contestant: Made<Arc<dyn Contestant>>,
    changing: Option<Made<Box<dyn Changing>>>,
}

/// How something is made with so many members.
type Made<T> = Box<dyn Fn(usize) -> T>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Library {
    #[serde(rename = "rpc-load-balancer")]
    Ours,
    #[serde(rename = "pingora-load-balancing")]
    Pingora,
    #[serde(rename = "tower")]
    Tower,
    /// Something to compare with.
    #[serde(rename = "none")]
    None,
}

impl Library {
    /// An algorithm of it, as it is written in tables.
    pub(crate) fn title(self, algorithm: &str) -> String {
        match self {
            Self::Ours | Self::None => algorithm.to_owned(),
            Self::Pingora => format!("pingora {algorithm}"),
            Self::Tower => format!("tower {algorithm}"),
        }
    }
}

impl Entry {
    fn new(
        library: Library,
        algorithm: &'static str,
        contestant: impl Fn(usize) -> Arc<dyn Contestant> + 'static,
        changing: impl Fn(usize) -> Box<dyn Changing> + 'static,
    ) -> Self {
        Self {
            library,
            algorithm,
            contestant: Box::new(contestant),
            changing: Some(Box::new(changing)),
        }
    }

    /// One whose members neither come nor go.
    fn constant(
        library: Library,
        algorithm: &'static str,
        contestant: impl Fn(usize) -> Arc<dyn Contestant> + 'static,
    ) -> Self {
        Self {
            library,
            algorithm,
            contestant: Box::new(contestant),
            changing: None,
        }
    }

    pub(crate) fn contestant(&self, members: usize) -> Arc<dyn Contestant> {
        (self.contestant)(members)
    }

    /// `None` if its members cannot change.
    pub(crate) fn changing(&self, members: usize) -> Option<Box<dyn Changing>> {
        let changing = self.changing.as_ref()?;
        Some(changing(members))
    }
}

/// All of them, those of this project first.
pub(crate) fn entries() -> Vec<Entry> {
    let mut entries = pool::entries();
    entries.extend(pingora::entries());
    entries.push(tower::entry());
    entries.push(yardstick::entry());
    entries
}

/// Keys of selections: short, and so many that no look-up always finds the same in the cache.
const KEYS: usize = 4_096;

fn keys() -> Vec<String> {
    (0..KEYS).map(|number| format!("user-{number}")).collect()
}

fn key_terms() -> Vec<Term> {
    keys().into_iter().map(Term::binary).collect()
}

/// The weights where the algorithm is about weights: 1 to 4.
fn weight(member: usize) -> u32 {
    1 + member as u32 % 4
}

/// Where in the keys a chunk of selections begins.
#[derive(Default)]
struct Turn(AtomicUsize);

impl Turn {
    /// The indices of so many keys, in turn from where the last chunk ended.
    fn take(&self, selections: u32) -> impl Iterator<Item = usize> {
        let selections = selections as usize;
        let first = self.0.fetch_add(selections, Ordering::Relaxed);
        (first..first + selections).map(|number| number % KEYS)
    }
}
