//! The member that owns the key's place on a ring, or the next one if it is too busy.
//!
//! Source: "Consistent Hashing with Bounded Loads" (Mirrokni, Thorup and Zadimoghaddam, 2016; SODA
//! 2018). No member may have more than a factor times the mean of the calls in flight, 1.25 unless
//! told otherwise. A member takes a call if, with it, it has at most
//!
//! ```text
//! ⌈factor × (all calls in flight + 1) / members⌉
//! ```
//!
//! and else the next one on the ring that may does. So a hot key spills over to a few members,
//! always the same ones, and all keys come home as soon as the calls end. While little is in
//! flight this is [`HashRing`], with the same owners.
//!
//! The bound holds when selections come one after the other. Of several threads that select at
//! once, each sees what the others have counted so far, so that a member may exceed its bound by as
//! many calls as there are threads that raced for it. Calls on members that left count for nothing,
//! but for those that were selected while they left.
//!
//! Costs as much as the ring while the owner is idle. If it is not, all calls in flight have to be
//! counted: each thread counts its own, apart from the others, and one that must know adds up eight
//! counters. At most `members / factor` of the members are at the bound, so that with the factor 1.25
//! about five points of the ring are looked at if the worst comes; with a factor near 1 it may be all
//! of them. Memory as for the ring.
//!
//! Choose it when members keep something for a key, and some keys are so hot, or some calls so
//! long, that one member alone cannot bear them.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use beam_dist::NodeName;
use beam_node::Error;

use super::{
    Algorithm, HashRing, Selection,
    ring::{Points, Ring},
};
use crate::members::{Member, Snapshot, own_lane};

/// Picks the member that owns the key's place on a ring, unless it has far more calls in flight
/// than the mean: then the next one on the ring. Without a key, from any place on the ring.
///
/// ```
/// use rpc_load_balancer::{BoundedHash, NodeName, Pool, Selection, Term};
///
/// let pool = Pool::new(BoundedHash::new().factor(1.5)?);
/// pool.update(["a@host".parse::<NodeName>()?, "b@host".parse()?]);
///
/// let key = Term::binary("hot");
/// let leases: Vec<_> = (0..8).filter_map(|_| pool.select(&Selection::with_key(&key))).collect();
/// let of_owner = leases.iter().filter(|lease| lease.node() == leases[0].node()).count();
/// assert_eq!(of_owner, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BoundedHash {
    ring: HashRing,
    factor: f64,
    in_flight: Tally,
}

impl BoundedHash {
    /// How far above the mean a member may be, unless told otherwise.
    pub const DEFAULT_FACTOR: f64 = 1.25;

    /// The algorithm over a ring with its defaults.
    pub const fn new() -> Self {
        Self::over(HashRing::new())
    }

    /// The algorithm over this ring: its points, its places of keys and its random numbers.
    pub const fn over(ring: HashRing) -> Self {
        Self {
            ring,
            factor: Self::DEFAULT_FACTOR,
            in_flight: Tally::new(),
        }
    }

    /// Sets how many times the mean a member may have in flight. The smaller, the more even the
    /// members are, and the more keys spill over. Default: 1.25.
    ///
    /// # Errors
    ///
    /// `bad_request` unless it is finite and at least 1: with less than the mean for each there
    /// would be calls that nobody may take.
    // A `Result` of the setter rather than a type for factors: a constant is then written as the
    // number that it is, and wrong configuration has the error that all wrong options have.
    pub fn factor(mut self, factor: f64) -> Result<Self, Error> {
        if !(factor.is_finite() && factor >= 1.0) {
            return Err(Error::bad_request(format!(
                "factor: {factor} is not a finite number of at least 1"
            )));
        }
        self.factor = factor;
        Ok(self)
    }

    /// Where the search for a member begins.
    fn start(&self, selection: &Selection<'_>) -> u32 {
        match selection.key() {
            Some(key) => self.ring.position(key),
            None => (self.ring.rng().next_u64() >> 32) as u32,
        }
    }

    /// The most calls that a member may have in flight with the next one.
    fn bound(&self, snapshot: &Snapshot<Self>) -> u32 {
        let gone = snapshot.table().departed.iter();
        let gone: i64 = gone.map(|member| i64::from(member.in_flight())).sum();
        // Racing threads may have counted releases before the selections.
        let total = (self.in_flight.sum() - gone).max(0);
        let members = snapshot.members().len();
        (self.factor * (total + 1) as f64 / members as f64).ceil() as u32
    }
}

impl Default for BoundedHash {
    fn default() -> Self {
        Self::new()
    }
}

impl Algorithm for BoundedHash {
    type Table = Table;
    type State = Points;

    const SLOW_START: bool = false;

    fn choose(&self, snapshot: &Snapshot<Self>, selection: &Selection<'_>) -> Option<usize> {
        let members = snapshot.members();
        let ring = &snapshot.table().ring;
        let start = self.start(selection);
        let owner = ring.owner(start)?;
        // The bound is at least 1.
        if members[owner].in_flight() == 0 {
            return Some(owner);
        }
        let bound = self.bound(snapshot);
        ring.walk(start)
            .find(|&index| members[index].in_flight() < bound)
            // Only when threads race, as the bounds together are more than what is in flight.
            .or_else(|| (0..members.len()).min_by_key(|&index| members[index].in_flight()))
    }

    /// In the order of the ring; members at their bound come last.
    fn choose_nodes(
        &self,
        snapshot: &Snapshot<Self>,
        count: usize,
        selection: &Selection<'_>,
    ) -> Vec<usize> {
        let members = snapshot.members();
        let ring = &snapshot.table().ring;
        let start = self.start(selection);
        let bound = self.bound(snapshot);
        let count = count.min(members.len());
        let mut seen = vec![false; members.len()];
        let mut chosen: Vec<usize> = ring
            .walk(start)
            .filter(|&index| members[index].in_flight() < bound)
            .filter(|&index| !mem::replace(&mut seen[index], true))
            .take(count)
            .collect();
        let missing = count - chosen.len();
        let rest = ring.walk(start);
        let rest = rest.filter(|&index| !mem::replace(&mut seen[index], true));
        chosen.extend(rest.take(missing));
        chosen
    }

    fn table(
        &self,
        members: &[Arc<Member<Self>>],
        _: &[u32],
        previous: &Snapshot<Self>,
    ) -> Self::Table {
        let before = previous.table();
        let has_left = |member: &&Arc<Member<Self>>| {
            let node = member.node();
            member.in_flight() > 0 && members.binary_search_by_key(&node, |m| m.node()).is_err()
        };
        let candidates = previous.members().iter().chain(&before.departed);
        Table {
            departed: candidates.filter(has_left).cloned().collect(),
            ring: Ring::derive(
                members,
                self.ring.points_per_member(),
                previous,
                &before.ring,
            ),
        }
    }

    fn state(&self, node: &NodeName, _: &[Arc<Member<Self>>]) -> Self::State {
        self.ring.points_of(node)
    }

    fn on_select(&self, _: &Member<Self>) {
        self.in_flight.add(1);
    }

    fn on_release(&self, _: &Member<Self>) {
        self.in_flight.add(-1);
    }
}

/// What a selection needs to know of a set of members.
#[derive(Debug, Default)]
pub struct Table {
    ring: Ring,
    /// Those who left with calls in flight, which the tally still counts.
    departed: Vec<Arc<Member<BoundedHash>>>,
}

/// A count that threads add to without taking cache lines from each other; reading it does.
///
/// One that adds on one stripe may take off on another, so that a stripe alone means nothing.
#[derive(Debug)]
struct Tally([Stripe; STRIPES]);

#[derive(Debug)]
#[repr(align(128))]
struct Stripe(AtomicI64);

const STRIPES: usize = 8;

impl Tally {
    const fn new() -> Self {
        Self([const { Stripe(AtomicI64::new(0)) }; STRIPES])
    }

    fn add(&self, amount: i64) {
        let Stripe(count) = &self.0[own_lane(STRIPES)];
        count.fetch_add(amount, Ordering::Relaxed);
    }

    fn sum(&self) -> i64 {
        let counts = self.0.iter();
        counts
            .map(|Stripe(count)| count.load(Ordering::Relaxed))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use beam_term::Term;
    use proptest::prelude::*;

    use super::*;
    use crate::members::{Lease, Pool, numbered};

    /// What can happen to a pool; numbers are taken modulo what there is.
    #[derive(Clone, Debug)]
    enum Step {
        Members(BTreeSet<usize>),
        Select(Option<u8>),
        SelectNodes(usize, u8),
        Release(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let members = prop::collection::btree_set(0..9_usize, 1..8);
        let step = prop_oneof![
            1 => members.prop_map(Step::Members),
            9 => prop::option::weighted(0.9, 0..4_u8).prop_map(Step::Select),
            1 => (0..4_usize, 0..4_u8).prop_map(|(count, key)| Step::SelectNodes(count, key)),
            6 => any::<usize>().prop_map(Step::Release),
        ];
        prop::collection::vec(step, 0..200)
    }

    fn bound(factor: f64, total: u32, members: usize) -> u32 {
        (factor * f64::from(total) / members as f64).ceil() as u32
    }

    proptest! {
        #[test]
        fn calls_go_to_the_first_member_on_the_ring_that_stays_within_its_bound(
            steps in steps(),
            factor in prop_oneof![Just(1.0), Just(1.25), 1.0..3.0_f64],
        ) {
            let pool = Pool::new(BoundedHash::over(HashRing::seeded(1)).factor(factor).unwrap());
            let ring = Pool::new(HashRing::new());
            let mut leases: Vec<Lease> = Vec::new();
            for step in steps {
                let in_flight = || -> Vec<u32> {
                    let snapshot = pool.snapshot();
                    snapshot.members().iter().map(|m| m.in_flight()).collect()
                };
                let before = in_flight();
                let (total, members) = (before.iter().sum::<u32>(), before.len());
                match step {
                    Step::Members(numbers) => {
                        let nodes = numbers.into_iter().flat_map(|n| numbered(n..n + 1));
                        let nodes: Vec<NodeName> = nodes.collect();
                        pool.update(nodes.clone());
                        ring.update(nodes);
                    }
                    Step::Select(key) => {
                        let key = key.map(|key| Term::binary(vec![key]));
                        let selection =
                            key.as_ref().map(Selection::with_key).unwrap_or_default();
                        let Some(lease) = pool.select(&selection) else {
                            prop_assert_eq!(members, 0);
                            continue;
                        };
                        let after = in_flight();
                        let picked = (0..members).find(|&at| after[at] > before[at]).unwrap();
                        let bound = bound(factor, total + 1, members);
                        prop_assert!(after[picked] <= bound, "{after:?} above {bound}");
                        if selection.key().is_some() {
                            let snapshot = pool.snapshot();
                            let order = ring.select_nodes(members, &selection);
                            let order = order.iter().map(|lease| {
                                let nodes = snapshot.members().iter();
                                nodes.map(|m| m.node()).position(|n| n == lease.node()).unwrap()
                            });
                            let mut with_room = order.filter(|&at| before[at] < bound);
                            prop_assert_eq!(with_room.next(), Some(picked));
                        }
                        leases.push(lease);
                    }
                    Step::SelectNodes(count, key) => {
                        let key = Term::from(key);
                        let chosen = pool.select_nodes(count, &Selection::with_key(&key));
                        prop_assert_eq!(chosen.len(), count.min(members));
                        leases.extend(chosen);
                    }
                    Step::Release(number) => {
                        if !leases.is_empty() {
                            leases.swap_remove(number % leases.len());
                        }
                    }
                }
            }
            drop(leases);
            prop_assert_eq!(pool.algorithm().in_flight.sum(), 0);
        }
    }

    #[test]
    fn idle_members_own_the_same_keys_as_on_the_plain_ring() {
        let bounded = Pool::new(BoundedHash::new());
        let plain = Pool::new(HashRing::new());
        bounded.update(numbered(0..50));
        plain.update(numbered(0..50));
        for number in 0..10_000 {
            let key = Term::from(number);
            let selection = Selection::with_key(&key);
            let owners = (bounded.select(&selection), plain.select(&selection));
            assert_eq!(owners.0.unwrap().node(), owners.1.unwrap().node());
        }
    }

    #[test]
    fn a_hot_key_spills_over_and_comes_home() {
        let pool = Pool::new(BoundedHash::new());
        pool.update(numbered(0..8));
        let key = Term::binary("hot");
        let select = || pool.select(&Selection::with_key(&key)).unwrap();
        let home = select().node().clone();
        let leases: Vec<Lease> = (0..800).map(|_| select()).collect();
        let mut counts: Vec<u32> = pool
            .snapshot()
            .members()
            .iter()
            .map(|m| m.in_flight())
            .collect();
        counts.sort_unstable();
        // The bound is 125; most members are at it, and the last one has what is left.
        assert_eq!(counts[7], 125);
        assert!(
            counts.iter().filter(|&&n| n >= 124).count() >= 6,
            "{counts:?}"
        );
        drop(leases);
        assert_eq!(*select().node(), home);
    }

    #[test]
    fn members_at_their_bound_come_last_among_several() {
        let pool = Pool::new(BoundedHash::new());
        pool.update(numbered(0..4));
        let key = Term::binary("hot");
        let selection = Selection::with_key(&key);
        let order = |pool: &Pool<BoundedHash>| -> Vec<NodeName> {
            let leases = pool.select_nodes(4, &selection);
            leases.iter().map(|lease| lease.node().clone()).collect()
        };
        let idle = order(&pool);
        let _busy = pool.select(&selection).unwrap();
        let [home, others @ ..] = &idle[..] else {
            panic!("there are four");
        };
        assert_eq!(order(&pool), [others, std::slice::from_ref(home)].concat());
    }

    #[test]
    fn threads_exceed_the_bound_by_no_more_than_they_are() {
        const THREADS: u32 = 4;
        const CALLS: u32 = 2_000;

        let pool = Pool::new(BoundedHash::new());
        pool.update(numbered(0..5));
        let key = Term::binary("hot");
        let select = || -> Vec<Lease> {
            let select = |_| pool.select(&Selection::with_key(&key)).unwrap();
            (0..CALLS).map(select).collect()
        };
        let leases: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(select)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let most = bound(BoundedHash::DEFAULT_FACTOR, THREADS * CALLS, 5) + THREADS - 1;
        let snapshot = pool.snapshot();
        assert!(snapshot.members().iter().all(|m| m.in_flight() <= most));
        drop(leases);
        assert_eq!(pool.algorithm().in_flight.sum(), 0);
    }

    #[test]
    fn a_factor_below_one_or_without_end_is_refused() {
        for factor in [0.99, 0.0, -2.0, f64::NAN, f64::INFINITY] {
            let error = BoundedHash::new().factor(factor).unwrap_err();
            let message = format!("factor: {factor} is not a finite number of at least 1");
            assert_eq!(error.message, message);
        }
        assert!(BoundedHash::new().factor(1.0).is_ok());
    }
}
