//! The pool itself.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use arc_swap::ArcSwap;
use beam_dist::NodeName;

use super::{Candidate, Lease, Snapshot, lane::lanes, roster::Roster, slow_start::draw};
use crate::{
    algorithm::{Algorithm, Selection},
    health::{Record, Records, Reports},
};

/// Members to select from, by one algorithm: the core of a balancer, without the network.
///
/// It is told who the members are, so it serves simulations and benchmarks as well. A
/// selection neither locks nor allocates.
///
/// ```
/// use rpc_load_balancer::{NodeName, Pool, PowerOfTwo, Selection};
///
/// let pool = Pool::new(PowerOfTwo::new());
/// pool.update(["a@host".parse::<NodeName>()?, "b@host".parse()?]);
///
/// let lease = pool.select(&Selection::default()).expect("there are members");
/// assert_eq!(pool.in_flight(), 1);
/// drop(lease);
/// assert_eq!(pool.in_flight(), 0);
/// # Ok::<(), rpc_load_balancer::InvalidNodeName>(())
/// ```
pub struct Pool<A: Algorithm> {
    algorithm: Arc<A>,
    current: ArcSwap<Snapshot<A>>,
    roster: Mutex<Roster<A>>,
    reports: Arc<Reports>,
}

/// Why no member was selected for a call that needs room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unselected {
    /// There is nobody, or the algorithm finds nobody fit, whatever room there is.
    NobodyFit,
    /// None of them has room.
    NoRoom,
}

impl<A: Algorithm> Pool<A> {
    /// A pool without members.
    pub fn new(algorithm: A) -> Self {
        let lanes = lanes::<A>();
        let reports = Arc::new(Reports::default());
        Self {
            current: ArcSwap::from_pointee(Snapshot::empty(lanes)),
            algorithm: Arc::new(algorithm),
            roster: Mutex::new(Roster::new(lanes, Arc::clone(&reports))),
            reports,
        }
    }

    /// Selects one member. `None` when there is none, or the algorithm finds none fit.
    ///
    /// Made on one snapshot: a member that leaves meanwhile may still be picked.
    #[must_use = "a lease that is dropped at once counts for nothing"]
    pub fn select(&self, selection: &Selection<'_>) -> Option<Lease> {
        let snapshot = self.current.load();
        let chosen = self.algorithm.choose(&snapshot, selection)?;
        snapshot.lease(self.drawn(&snapshot, chosen, selection))
    }

    /// The member in the place of the one that was chosen, where members are in a slow start.
    fn drawn(&self, snapshot: &Snapshot<A>, chosen: usize, selection: &Selection<'_>) -> usize {
        match snapshot.slow_starts() {
            Some(starts) if A::SLOW_START => {
                draw(&*self.algorithm, snapshot, starts, chosen, selection)
            }
            _ => chosen,
        }
    }

    /// Selects a member that has no more than so many calls in flight, this one included: the one
    /// that is chosen, else the best of the others.
    pub(crate) fn select_within(
        &self,
        selection: &Selection<'_>,
        most: u32,
    ) -> Result<Lease, Unselected> {
        {
            let snapshot = self.current.load();
            let chosen = self.algorithm.choose(&snapshot, selection);
            let chosen = chosen.ok_or(Unselected::NobodyFit)?;
            let drawn = self.drawn(&snapshot, chosen, selection);
            if let Some(lease) = snapshot.lease_within(drawn, most) {
                return Ok(lease);
            }
            if chosen >= snapshot.members().len() {
                return Err(Unselected::NobodyFit);
            }
        }
        self.select_where(selection, most, &|_| true)
            .ok_or(Unselected::NoRoom)
    }

    /// Selects the best of the members that `may_be` holds for, and that have no more than so many
    /// calls in flight, this one included.
    pub(crate) fn select_where(
        &self,
        selection: &Selection<'_>,
        most: u32,
        may_be: &dyn Fn(&NodeName) -> bool,
    ) -> Option<Lease> {
        let snapshot = self.current.load_full();
        let members = snapshot.members();
        let all = members.len();
        self.algorithm
            .choose_nodes(&snapshot, all, selection)
            .into_iter()
            .filter(|&index| {
                members
                    .get(index)
                    .is_some_and(|member| may_be(member.node()))
            })
            .find_map(|index| snapshot.lease_within(index, most))
    }

    /// Whether there is a member that `may_be` holds for among those that the algorithm may select, with room
    /// for a call or without.
    pub(crate) fn has(
        &self,
        selection: &Selection<'_>,
        may_be: &dyn Fn(&NodeName) -> bool,
    ) -> bool {
        let snapshot = self.current.load_full();
        let members = snapshot.members();
        let nodes = self
            .algorithm
            .choose_nodes(&snapshot, members.len(), selection);
        nodes
            .into_iter()
            .filter_map(|index| members.get(index))
            .any(|member| may_be(member.node()))
    }

    /// Selects up to `count` different members, the best first.
    #[must_use = "leases that are dropped at once count for nothing"]
    pub fn select_nodes(&self, count: usize, selection: &Selection<'_>) -> Vec<Lease> {
        let snapshot = self.current.load_full();
        let mut chosen = vec![false; snapshot.members().len()];
        self.algorithm
            .choose_nodes(&snapshot, count, selection)
            .into_iter()
            .filter(|&index| {
                chosen
                    .get_mut(index)
                    .is_some_and(|chosen| !std::mem::replace(chosen, true))
            })
            .take(count)
            .filter_map(|index| snapshot.lease(index))
            .collect()
    }

    /// Makes these nodes the members, in any order, each with its weight: 1, where names alone are
    /// given. Of a name that comes twice the greatest weight counts. Returns whether anything
    /// changed.
    ///
    /// A node of weight 0 is not in the snapshot, so that it gets no new calls; those in flight are
    /// counted on, and when its weight rises it is back as the same member.
    pub fn update(&self, candidates: impl IntoIterator<Item: Into<Candidate>>) -> bool {
        let mut candidates: Vec<Candidate> = candidates
            .into_iter()
            .map(Into::into)
            .filter(|candidate: &Candidate| candidate.weight > 0)
            .collect();
        // Of the same name, the greatest weight comes first and stays.
        candidates.sort_unstable_by(|a, b| (&a.node, b.weight).cmp(&(&b.node, a.weight)));
        candidates.dedup_by(|a, b| a.node == b.node);

        // The lock also keeps the changes that the algorithm is told of in order.
        let mut roster = self.roster();
        let current = self.current.load_full();
        let Some((next, change)) = roster.next(&current, &candidates, &self.algorithm) else {
            return false;
        };
        let next = Arc::new(next);
        self.current.store(Arc::clone(&next));
        self.algorithm.on_node_change(&next, &change);
        true
    }

    /// Computes the algorithm's table anew for the same members, because what it was computed from
    /// has changed.
    pub fn refresh(&self) {
        let _roster = self.roster();
        let current = self.current.load_full();
        self.current
            .store(Arc::new(Snapshot::refreshed(&current, &self.algorithm)));
    }

    /// The members as they are now.
    pub fn snapshot(&self) -> Arc<Snapshot<A>> {
        self.current.load_full()
    }

    /// The algorithm.
    pub fn algorithm(&self) -> &A {
        &self.algorithm
    }

    /// Leases that have not ended, also those on members that left.
    pub fn in_flight(&self) -> usize {
        // The lock keeps a member from leaving between the two.
        let roster = self.roster();
        let snapshot = self.current.load();
        let present = snapshot.members().iter().map(|member| member.in_flight());
        present.chain(roster.departed()).map(|n| n as usize).sum()
    }

    fn roster(&self) -> MutexGuard<'_, Roster<A>> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: Algorithm> Records for Pool<A> {
    fn each_record(&self, look: &mut dyn FnMut(&NodeName, &Record)) {
        for member in self.current.load_full().members() {
            look(member.node(), member.record());
        }
    }

    fn reports(&self) -> &Arc<Reports> {
        &self.reports
    }
}

impl<A: Algorithm> fmt::Debug for Pool<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("snapshot", &*self.current.load())
            .finish_non_exhaustive()
    }
}

/// Names of nodes for tests: `n0@host` and so on.
#[cfg(test)]
pub(crate) fn numbered(numbers: std::ops::Range<usize>) -> Vec<NodeName> {
    numbers
        .map(|n| format!("n{n}@host").parse().unwrap())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Member, algorithm::Random};

    /// Claims members that do not exist, and the same one twice.
    struct Careless;

    impl Algorithm for Careless {
        type Table = usize;
        type State = ();

        fn table(&self, members: &[Arc<Member<Self>>], _: &[u32], _: &Snapshot<Self>) -> usize {
            members.len()
        }

        fn choose(&self, snapshot: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
            Some(*snapshot.table())
        }

        fn choose_nodes(&self, _: &Snapshot<Self>, _: usize, _: &Selection<'_>) -> Vec<usize> {
            vec![1, 7, 1, 0, usize::MAX, 2]
        }
    }

    #[test]
    fn nothing_is_selected_that_the_snapshot_does_not_hold() {
        let pool = Pool::new(Careless);
        pool.update(numbered(0..3));
        assert!(pool.select(&Selection::default()).is_none());

        let nodes = |count| {
            let leases = pool.select_nodes(count, &Selection::default());
            leases.iter().map(|l| l.node().clone()).collect::<Vec<_>>()
        };
        let [n0, n1, n2] = <[NodeName; 3]>::try_from(numbered(0..3)).unwrap();
        assert_eq!(nodes(2), [n1.clone(), n0.clone()]);
        assert_eq!(nodes(9), [n1, n0, n2]);
        assert_eq!(pool.in_flight(), 0);
    }

    fn named(name: &str) -> NodeName {
        name.parse().unwrap()
    }

    #[test]
    fn members_are_sorted_and_each_is_there_once() {
        let pool = Pool::new(Random::new());
        assert!(pool.update(["b@h", "a@h", "b@h"].map(named)));
        let snapshot = pool.snapshot();
        let names: Vec<&str> = snapshot
            .members()
            .iter()
            .map(|m| m.node().as_str())
            .collect();
        assert_eq!((names, snapshot.version()), (vec!["a@h", "b@h"], 1));

        assert!(!pool.update(["a@h", "b@h"].map(named)));
        assert_eq!(pool.snapshot().version(), 1);
    }

    #[test]
    fn a_member_of_weight_zero_gets_no_calls_and_keeps_those_in_flight() {
        let pool = Pool::new(Random::new());
        let weigh = |weights: [u32; 2]| {
            let candidates = numbered(0..2).into_iter().zip(weights);
            pool.update(candidates.map(|(node, weight)| Candidate::new(node, weight)))
        };
        let members = || -> Vec<String> {
            let snapshot = pool.snapshot();
            let members = snapshot.members().iter().zip(snapshot.weights());
            members.map(|(m, w)| format!("{} {w}", m.node())).collect()
        };
        assert!(weigh([2, 3]));
        assert_eq!(members(), ["n0@host 2", "n1@host 3"]);
        assert!(!weigh([2, 3]));
        let leases: Vec<_> = (0..40)
            .filter_map(|_| pool.select(&Selection::default()))
            .collect();
        let resting = leases.iter().filter(|l| l.node().as_str() == "n0@host");
        let resting = resting.count();

        assert!(weigh([0, 1]));
        assert_eq!(members(), ["n1@host 1"]);
        assert_eq!(pool.in_flight(), 40);
        assert!(weigh([5, 1]));
        assert_eq!(members(), ["n0@host 5", "n1@host 1"]);
        assert_eq!(pool.snapshot().members()[0].in_flight() as usize, resting);

        assert!(weigh([0, 0]));
        assert!(pool.select(&Selection::default()).is_none());
    }

    #[test]
    fn of_a_name_that_comes_twice_the_greatest_weight_counts() {
        let pool = Pool::new(Random::new());
        let [node] = <[NodeName; 1]>::try_from(numbered(0..1)).unwrap();
        pool.update([0, 7, 3].map(|weight| Candidate::new(node.clone(), weight)));
        assert_eq!(pool.snapshot().weights(), [7]);
    }

    /// Numbers its tables.
    #[derive(Default)]
    struct Versioned;

    impl Algorithm for Versioned {
        type Table = u64;
        type State = ();

        fn table(&self, _: &[Arc<Member<Self>>], _: &[u32], previous: &Snapshot<Self>) -> u64 {
            previous.table() + 1
        }

        fn choose(&self, _: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
            Some(0)
        }
    }

    #[test]
    fn each_table_is_computed_with_the_one_before_in_view() {
        let pool = Pool::new(Versioned);
        pool.update(numbered(0..2));
        pool.update(numbered(0..3));
        pool.refresh();
        let snapshot = pool.snapshot();
        assert_eq!((*snapshot.table(), snapshot.version()), (3, 3));
        assert_eq!(snapshot.members().len(), 3);
    }

    #[test]
    fn several_nodes_are_all_different() {
        let pool = Pool::new(Random::seeded(3));
        pool.update(numbered(0..5));
        for count in 0..8 {
            let leases = pool.select_nodes(count, &Selection::default());
            assert_eq!(leases.len(), count.min(5));
            assert!(pool.snapshot().members().iter().all(|m| m.in_flight() <= 1));
        }
    }

    #[test]
    fn a_member_that_comes_back_still_counts_the_calls_in_flight() {
        let pool = Pool::new(Random::new());
        pool.update(numbered(0..1));
        let lease = pool.select(&Selection::default()).unwrap();
        pool.update(numbered(0..0));
        assert!(pool.select(&Selection::default()).is_none());
        pool.update(numbered(1..2));
        assert_eq!(pool.in_flight(), 1);
        pool.update(numbered(0..1));
        assert_eq!(pool.in_flight(), 1);
        assert_eq!(pool.snapshot().members()[0].in_flight(), 1);
        drop(lease);
        assert_eq!(pool.in_flight(), 0);
    }

    /// Keeps something for each member of which one can tell whether it is still there.
    struct Keeper;

    impl Algorithm for Keeper {
        type Table = ();
        type State = Arc<()>;

        fn choose(&self, _: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
            Some(0)
        }
    }

    #[test]
    fn a_member_without_leases_is_forgotten_with_the_change_after_it_left() {
        let pool = Pool::new(Keeper);
        pool.update(numbered(0..1));
        let kept = Arc::downgrade(pool.snapshot().members()[0].state());
        let lease = pool.select(&Selection::default()).unwrap();
        pool.update(numbered(1..2));
        pool.update(numbered(2..3));
        assert_eq!(kept.strong_count(), 1);
        drop(lease);
        pool.update(numbered(3..4));
        assert_eq!(kept.strong_count(), 0);
    }

    #[test]
    fn the_counts_of_all_threads_add_up() {
        let pool = Pool::new(Random::new());
        pool.update(numbered(0..1));
        let select = || pool.select(&Selection::default()).unwrap();
        let leases = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| [select(), select()]))
                .collect();
            let leases = threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap());
            leases.collect::<Vec<_>>()
        });
        let snapshot = pool.snapshot();
        let load = snapshot.members()[0].load();
        assert_eq!((load.in_flight, load.picks), (8, 8));
        drop(leases);
        assert_eq!(pool.in_flight(), 0);
    }
}
