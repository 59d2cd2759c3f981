//! A lease: a selection as a value.

use std::{fmt, sync::Arc, time::Duration};

use beam_dist::NodeName;
use beam_node::{Error, Node, Peer};

use super::Member;
use crate::algorithm::Algorithm;

/// A member that was selected. It counts as a call in flight until the lease is dropped.
///
/// It can be kept as long as one likes, and moved to another thread or task.
// One pointer and its table, so that it travels in registers: anything more made selections through
// a `Result` twice as slow.
pub struct Lease {
    member: Arc<dyn Held>,
}

/// What became of a call, for algorithms that learn from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// What the member did.
    pub kind: OutcomeKind,
    /// How long it took until the result, or the failure, was there.
    pub elapsed: Duration,
}

/// What a member did with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutcomeKind {
    /// It answered with a result. A cast, which has none, tells nothing when it was sent.
    Success,
    /// It answered that the function raised, does not exist, or was killed.
    Raised,
    /// It did not answer in time. Or a call was given up, and it has answered nothing else for as long
    /// as that call could have taken.
    TimedOut,
    /// It had not answered yet when the call was given up: its caller did not wait for it any longer,
    /// or another member was faster. An answer would have taken longer than this at least.
    Abandoned,
    /// There was no connection to it, or it was lost.
    Unreachable,
    /// It refused to start the call, for example because it serves too many.
    Refused,
}

impl Outcome {
    /// An outcome, and how long it took.
    pub fn new(kind: OutcomeKind, elapsed: Duration) -> Self {
        Self { kind, elapsed }
    }

    /// Whether the member answered with a result, and in time.
    pub fn is_success(&self) -> bool {
        self.kind == OutcomeKind::Success
    }
}

/// What a lease needs of its member, whatever the algorithm.
pub(super) trait Held: Send + Sync {
    fn node(&self) -> &NodeName;

    /// The node as a peer of the one that calls; it is the same one with every call.
    fn peer(&self, from: &Node) -> Result<&Peer, Error>;

    /// Comes once for each lease.
    fn acquired(&self);

    fn ended(&self, outcome: &Outcome);

    fn abandoned(&self, elapsed: Duration, patience: Duration);

    /// Comes once for each lease.
    fn released(&self);
}

impl Lease {
    /// Takes a lease.
    pub(crate) fn on<A: Algorithm>(member: Arc<Member<A>>) -> Self {
        let lease = Self { member };
        // The lease is there already: should the algorithm panic, the count goes back.
        lease.member.acquired();
        lease
    }

    /// The selected node.
    pub fn node(&self) -> &NodeName {
        self.member.node()
    }

    pub(crate) fn peer(&self, from: &Node) -> Result<&Peer, Error> {
        self.member.peer(from)
    }

    /// Ends the lease, and tells the algorithm what became of the call. A lease that is only
    /// dropped tells nothing about the member.
    pub fn end(self, outcome: Outcome) {
        self.ended(&outcome);
    }

    /// The call ended so; the lease is to be dropped next.
    pub(crate) fn ended(&self, outcome: &Outcome) {
        self.member.ended(outcome);
    }

    /// The call is given up after this time; it could have taken so long. The lease is to be dropped next.
    pub(crate) fn abandoned(&self, elapsed: Duration, patience: Duration) {
        self.member.abandoned(elapsed, patience);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.member.released();
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(self.node()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    };

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
        /// How often the member was selected.
        type State = AtomicU32;

        fn choose(&self, snapshot: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
            snapshot.members().len().checked_sub(1)
        }

        fn on_select(&self, member: &Member<Self>) {
            let before = member.state().fetch_add(1, Ordering::Relaxed);
            self.note(format!("{} again after {before}", member.node()));
        }

        fn on_outcome(&self, member: &Member<Self>, outcome: &Outcome) {
            self.note(format!("{} {outcome:?}", member.node()));
        }

        fn on_release(&self, member: &Member<Self>) {
            let selected = member.state().load(Ordering::Relaxed);
            self.note(format!("{} released, {selected} in all", member.node()));
        }

        fn on_node_change(&self, snapshot: &Snapshot<Self>, change: &NodeChange) {
            let NodeChange { joined, left } = change;
            let members = snapshot.members().len();
            self.note(format!(
                "{members} members: joined {joined:?}, left {left:?}"
            ));
        }
    }

    #[test]
    fn an_algorithm_is_told_of_changes_selections_outcomes_and_releases() {
        let pool = Pool::new(Recorder::default());
        pool.update(numbered(0..2));
        let first = pool.select(&Selection::default()).unwrap();
        let second = pool.select(&Selection::default()).unwrap();
        assert!(!pool.update(numbered(0..2)));
        pool.update(numbered(2..3));
        first.end(Outcome::new(
            OutcomeKind::Success,
            Duration::from_millis(20),
        ));
        drop(second);

        assert_eq!(
            pool.algorithm().told(),
            [
                "2 members: joined [n0@host, n1@host], left []",
                "n1@host again after 0",
                "n1@host again after 1",
                "1 members: joined [n2@host], left [n0@host, n1@host]",
                "n1@host Outcome { kind: Success, elapsed: 20ms }",
                "n1@host released, 2 in all",
                "n1@host released, 2 in all",
            ]
        );
    }

    /// Panics whenever a call ends, with what panics once more.
    struct Explosive;

    struct Fragment;

    impl Drop for Fragment {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    impl Algorithm for Explosive {
        type Table = ();
        type State = ();

        fn choose(&self, _: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
            Some(0)
        }

        fn on_outcome(&self, _: &Member<Self>, _: &Outcome) {
            panic!("told of an outcome");
        }

        fn on_release(&self, _: &Member<Self>) {
            std::panic::panic_any(Fragment);
        }
    }

    /// A call that is given up when it is dropped.
    struct Call(Lease);

    impl Drop for Call {
        fn drop(&mut self) {
            self.0.abandoned(Duration::ZERO, Duration::ZERO);
        }
    }

    #[test]
    fn an_algorithm_that_panics_when_a_call_ends_by_a_panic_does_not_end_the_process() {
        let pool = Pool::new(Explosive);
        pool.update(numbered(0..1));
        let thread = std::thread::scope(|scope| {
            let select = || pool.select(&Selection::default()).unwrap();
            let by_a_panic = scope.spawn(move || {
                let _call = Call(select());
                panic!("the first");
            });
            by_a_panic.join()
        });
        let panicked = thread.unwrap_err();
        assert_eq!(panicked.downcast_ref(), Some(&"the first"));
        assert_eq!(pool.in_flight(), 0);
    }

    #[test]
    fn a_lease_travels_in_registers() {
        assert_eq!(size_of::<Option<Lease>>(), 2 * size_of::<usize>());
    }
}
