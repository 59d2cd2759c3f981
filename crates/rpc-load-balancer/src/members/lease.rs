//! A lease: a selection as a value.

use std::{fmt, sync::Arc, time::Duration};

use beam_dist::NodeName;
use beam_node::{Error, Node, Peer};
use tokio::time::Instant;

use super::Member;
use crate::algorithm::Algorithm;

/// A member that was selected. It counts as a call in flight until the lease is dropped.
///
/// It can be kept as long as one likes, and moved to another thread or task.
pub struct Lease {
    member: Arc<dyn Held>,
    taken_at: Option<Instant>,
    outcome: Outcome,
}

/// How a lease ended, as an algorithm learns of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Release {
    /// What became of the call.
    pub outcome: Outcome,
    /// How long the lease was held; `None` unless the algorithm is [timed](Algorithm::TIMED).
    pub elapsed: Option<Duration>,
}

/// What became of the call that a lease was taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nobody said, or the caller gave up: it tells nothing about the member.
    #[default]
    Unknown,
    /// The member answered with a result.
    Succeeded,
    /// The call failed, or was not answered in time.
    Failed,
}

/// What a lease needs of its member, whatever the algorithm.
pub(super) trait Held: Send + Sync {
    fn node(&self) -> &NodeName;

    /// The node as a peer of the one that calls; it is the same one with every call.
    fn peer(&self, from: &Node) -> Result<&Peer, Error>;

    fn released(&self, release: &Release);
}

impl Lease {
    pub(super) fn on<A: Algorithm>(member: Arc<Member<A>>) -> Self {
        member.acquire();
        Self {
            member,
            taken_at: A::TIMED.then(Instant::now),
            outcome: Outcome::Unknown,
        }
    }

    /// The selected node.
    pub fn node(&self) -> &NodeName {
        self.member.node()
    }

    pub(crate) fn peer(&self, from: &Node) -> Result<&Peer, Error> {
        self.member.peer(from)
    }

    /// Ends the lease, and tells the algorithm what became of the call.
    pub fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.member.released(&Release {
            outcome: self.outcome,
            elapsed: self.taken_at.map(|taken_at| taken_at.elapsed()),
        });
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(self.node()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;
    use crate::{
        algorithm::{NodeChange, Selection},
        members::{Pool, Snapshot, numbered},
    };

    /// Picks the last member, and keeps what it is told.
    #[derive(Default)]
    struct Recorder {
        told: Mutex<Vec<String>>,
    }

    impl Recorder {
        fn note(&self, what: String) {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.push(what);
        }

        fn told(&self) -> Vec<String> {
            std::mem::take(&mut self.told.lock().unwrap())
        }
    }

    impl Algorithm for Recorder {
        type Table = ();
        type State = ();

        const TIMED: bool = true;

        fn choose(&self, snapshot: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
            snapshot.members().len().checked_sub(1)
        }

        fn on_select(&self, member: &Member<Self>) {
            self.note(format!("{} has {}", member.node(), member.in_flight()));
        }

        fn on_release(&self, member: &Member<Self>, release: &Release) {
            let Release { outcome, elapsed } = release;
            let left = member.in_flight();
            self.note(format!(
                "{} has {left}, {outcome:?} in {elapsed:?}",
                member.node()
            ));
        }

        fn on_node_change(&self, NodeChange { joined, left }: &NodeChange) {
            self.note(format!("joined {joined:?}, left {left:?}"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_algorithm_is_told_of_changes_selections_and_releases() {
        let pool = Pool::new(Recorder::default());
        pool.update(numbered(0..2));
        let first = pool.select(&Selection::default()).unwrap();
        let second = pool.select(&Selection::default()).unwrap();
        assert!(!pool.update(numbered(0..2)));
        pool.update(numbered(2..3));
        tokio::time::advance(Duration::from_millis(20)).await;
        first.end(Outcome::Succeeded);
        drop(second);

        assert_eq!(
            pool.algorithm().told(),
            [
                "joined [n0@host, n1@host], left []",
                "n1@host has 1",
                "n1@host has 2",
                "joined [n2@host], left [n0@host, n1@host]",
                "n1@host has 1, Succeeded in Some(20ms)",
                "n1@host has 0, Unknown in Some(20ms)",
            ]
        );
    }

    #[test]
    fn the_time_is_not_measured_for_those_who_do_not_ask() {
        let pool = Pool::new(crate::Random::new());
        pool.update(numbered(0..1));
        let lease = pool.select(&Selection::default()).unwrap();
        assert_eq!(lease.taken_at, None);
    }
}
