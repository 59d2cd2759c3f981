//! The least busy of all members.
//!
//! Source: as old as load balancing; in the Elixir library `rpc_load_balancer` too, which however
//! gives a tie always to the first. Here each of those who tie is as likely, so that many balancers
//! do not all load the same member.
//!
//! Up to 64 members costs one read of each, without a lock. Beyond that the members are kept in the
//! order of their calls in flight, under a lock that a selection takes twice and a release once, for
//! the time of a few reads and writes each; the cost does not depend on the number of members. Only
//! a join or a leave sorts them anew, which holds selections up meanwhile. Selections at the very
//! same moment do not see each other and can pick the same member; from one thread no member is
//! ever picked while another has fewer calls in flight.
//!
//! Choose it when calls are long or differ much in length, and the members are not many; for many
//! calls a second [`PowerOfTwo`](super::PowerOfTwo) is nearly as even, and threads do not wait for
//! each other. It does not heed weights: a stronger member gets more because it is done sooner.

use std::sync::{Arc, PoisonError};

use super::{Algorithm, Rng, Selection, order::Order};
use crate::{
    members::{Member, Snapshot},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

/// Up to so many members are looked through. A bit for each fits into a word.
const SCANNED: usize = 64;

/// Picks the member with the fewest calls in flight; of several such, any.
///
/// ```
/// use rpc_load_balancer::{LeastConnections, NodeName, Pool, Selection};
///
/// let pool = Pool::new(LeastConnections::new());
/// pool.update(["a@host".parse::<NodeName>()?, "b@host".parse()?]);
/// let first = pool.select(&Selection::default()).expect("there are two");
/// let second = pool.select(&Selection::default()).expect("there are two");
/// assert_ne!(first.node(), second.node());
/// # Ok::<(), rpc_load_balancer::InvalidNodeName>(())
/// ```
#[derive(Debug, Default)]
pub struct LeastConnections {
    rng: Rng,
    kept: Kept,
}

/// On cache lines of its own, as threads take it from each other.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Kept(Mutex<Ranking>);

/// The members of one table in the order of their calls in flight; nobody, if they are few.
#[derive(Debug, Default)]
struct Ranking {
    number: u32,
    order: Order,
}

/// The number of the ranking for a set of members; none, if they are few enough to look through.
#[derive(Debug, Default)]
pub struct RankingNumber(Option<u32>);

/// Where a member is in which ranking: the number in the upper half, its index in the lower one.
#[derive(Debug, Default)]
pub struct Rank(AtomicU64);

impl LeastConnections {
    /// The algorithm, with ties that are broken differently in every run.
    pub fn new() -> Self {
        Self::default()
    }

    /// The algorithm, with ties that are broken in the same way in every run.
    pub fn seeded(seed: u64) -> Self {
        Self {
            rng: Rng::seeded(seed),
            kept: Kept::default(),
        }
    }

    fn ranking(&self) -> MutexGuard<'_, Ranking> {
        self.kept.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks through all members.
    fn scan(&self, members: &[Arc<Member<Self>>]) -> Option<usize> {
        let mut picked = None;
        let (mut least, mut ties) = (u32::MAX, 0);
        for (chunk, first) in members.chunks(SCANNED).zip((0..).step_by(SCANNED)) {
            let (least_here, bits) = least_of(chunk);
            if least_here > least {
                continue;
            }
            if least_here < least {
                (least, ties) = (least_here, 0);
            }
            let ties_here = bits.count_ones() as usize;
            ties += ties_here;
            let winner = self.rng.below(ties);
            if winner < ties_here {
                picked = Some(first + nth_one(bits, winner));
            }
        }
        picked
    }

    /// Moves a member, whose calls in flight have changed, to where it belongs.
    ///
    /// Nothing is missed: what changed the count saw the member's rank, or else the ranking was made
    /// later and of the new count; see [`Algorithm::table`]. And the count is read under the lock:
    /// of all who changed it the last to come reads what is true for good, and none that came later
    /// reads anything older.
    fn moved(&self, member: &Member<Self>) {
        let Some((number, index)) = member.state().read() else {
            return;
        };
        let mut ranking = self.ranking();
        if ranking.number == number {
            ranking.order.set(index, member.in_flight());
        }
    }
}

/// The fewest calls in flight that any of these members has, and a bit for each that has no more.
fn least_of(members: &[Arc<Member<LeastConnections>>]) -> (u32, u64) {
    let (mut least, mut bits) = (u32::MAX, 0);
    for (at, member) in members.iter().enumerate() {
        let in_flight = member.in_flight();
        if in_flight < least {
            (least, bits) = (in_flight, 0);
        }
        bits |= u64::from(in_flight == least) << at;
    }
    (least, bits)
}

/// The place of a one among the ones of a word, counted from 0. There must be so many.
///
/// In the same steps for any: which of those who tie is a random number, and processors cannot
/// foresee how often a loop over the ones before it would run. First by whole bytes, as in "Broadword
/// Implementation of Rank/Select Queries" (Vigna, 2008), then by a table.
fn nth_one(bits: u64, n: usize) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const TOP: u64 = 0x80 * EACH;

    let pairs = bits - ((bits >> 1) & (0x55 * EACH));
    let fours = (pairs & (0x33 * EACH)) + ((pairs >> 2) & (0x33 * EACH));
    let bytes = (fours + (fours >> 4)) & (0x0F * EACH);
    // In each byte, how many ones there are up to its end; and the bytes that all lie before the one.
    let up_to = bytes.wrapping_mul(EACH);
    let before = (((n as u64 * EACH) | TOP) - up_to) & TOP;
    let shift = ((before >> 7).wrapping_mul(EACH) >> 56) * 8;
    let within = n - ((up_to << 8) >> shift & 0xFF) as usize;
    let byte = (bits >> shift) as u8;
    shift as usize + usize::from(NTH_ONE_OF_BYTE[within & 7][usize::from(byte)])
}

/// The place of each one in each byte.
static NTH_ONE_OF_BYTE: [[u8; 256]; 8] = {
    let mut places = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let (mut place, mut n) = (0, 0);
        while place < 8 {
            if byte >> place & 1 == 1 {
                places[n][byte] = place as u8;
                n += 1;
            }
            place += 1;
        }
        byte += 1;
    }
    places
};

impl Algorithm for LeastConnections {
    type Table = RankingNumber;
    type State = Rank;

    fn choose(&self, snapshot: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
        if let RankingNumber(Some(number)) = *snapshot.table() {
            let ranking = self.ranking();
            // It is another one while members join or leave.
            if ranking.number == number {
                let least = ranking.order.least();
                return Some(*least.get(self.rng.below(least.len()))? as usize);
            }
        }
        self.scan(snapshot.members())
    }

    /// The least busy ones, in order; ties are broken at random.
    fn choose_nodes(
        &self,
        snapshot: &Snapshot<Self>,
        count: usize,
        _: &Selection<'_>,
    ) -> Vec<usize> {
        let members = snapshot.members();
        let mut nodes = self.rng.sample_below(members.len(), members.len());
        nodes.sort_by_cached_key(|&at| members[at].in_flight());
        nodes.truncate(count);
        nodes
    }

    fn table(&self, members: &[Arc<Member<Self>>], _: &[u32], _: &Snapshot<Self>) -> Self::Table {
        let mut ranking = self.ranking();
        // Whatever ranks are left from the one before count for nothing now. 0 is nobody's.
        ranking.number = ranking.number.checked_add(1).unwrap_or(1);
        if members.len() <= SCANNED {
            ranking.order = Order::default();
            for member in members {
                member.state().clear();
            }
            return RankingNumber(None);
        }
        let number = ranking.number;
        let rank = |(index, member): (u32, &Arc<Member<Self>>)| {
            member.state().set(number, index);
            // In turn, and after the rank is there: whoever changes the count either did so before,
            // and is counted here, or sees the rank, waits for the lock, and moves the member.
            member.in_flight_in_turn()
        };
        let counts: Vec<u32> = (0..).zip(members).map(rank).collect();
        ranking.order = Order::new(&counts);
        RankingNumber(Some(number))
    }

    fn on_select(&self, member: &Member<Self>) {
        self.moved(member);
    }

    fn on_release(&self, member: &Member<Self>) {
        self.moved(member);
    }
}

impl Rank {
    // Relaxed throughout: the counter of calls in flight puts these in order.
    fn set(&self, number: u32, index: u32) {
        let word = u64::from(number) << 32 | u64::from(index);
        self.0.store(word, Ordering::Relaxed);
    }

    fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn read(&self) -> Option<(u32, u32)> {
        let word = self.0.load(Ordering::Relaxed);
        let number = (word >> 32) as u32;
        (number != 0).then_some((number, word as u32))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::members::{Lease, Pool, numbered};

    fn in_flight(pool: &Pool<LeastConnections>) -> Vec<u32> {
        let snapshot = pool.snapshot();
        snapshot.members().iter().map(|m| m.in_flight()).collect()
    }

    fn select(pool: &Pool<LeastConnections>) -> Lease {
        pool.select(&Selection::default()).unwrap()
    }

    /// Whether selections need not look through all members.
    fn is_ranked(pool: &Pool<LeastConnections>) -> bool {
        let RankingNumber(number) = *pool.snapshot().table();
        number == Some(pool.algorithm().ranking().number)
    }

    #[test]
    fn ones_are_found_wherever_they_lie_in_a_word() {
        let dice = Rng::seeded(2);
        let random = || {
            [
                dice.next_u64(),
                dice.next_u64() & dice.next_u64() & dice.next_u64(),
            ]
        };
        let words = (0..1_000).flat_map(|_| random());
        for word in words.chain([1, 1 << 63, u64::MAX, 0x8000_0000_0000_0001]) {
            let places = (0..64).filter(|place| word >> place & 1 == 1);
            for (n, place) in places.enumerate() {
                assert_eq!(nth_one(word, n), place, "{word:x}");
            }
        }
    }

    #[test]
    fn no_member_is_picked_while_another_is_less_busy() {
        for members in [1, 2, 9, SCANNED, SCANNED + 1, 300] {
            let pool = Pool::new(LeastConnections::seeded(5));
            pool.update(numbered(0..members));
            assert_eq!(is_ranked(&pool), members > SCANNED);
            let dice = Rng::seeded(6);
            let mut leases: Vec<Lease> = Vec::new();
            for _ in 0..3_000 {
                let before = in_flight(&pool);
                leases.push(select(&pool));
                let after = in_flight(&pool);
                let picked = (0..members).find(|&at| after[at] > before[at]).unwrap();
                assert_eq!(before[picked], *before.iter().min().unwrap());
                // Releases take members at random, so that they are not equally busy.
                for _ in 0..dice.below(3) {
                    if !leases.is_empty() {
                        leases.swap_remove(dice.below(leases.len()));
                    }
                }
            }
        }
    }

    #[test]
    fn ties_are_even_by_the_chi_squared_test() {
        // With 9, 69 and 199 degrees of freedom, these are exceeded once in a million runs.
        for (members, critical) in [(10, 45.1), (70, 137.0), (200, 308.0)] {
            let calls = 1_000 * members as u32;
            let pool = Pool::new(LeastConnections::seeded(1));
            pool.update(numbered(0..members));
            // Some are busy, and these are not next to each other.
            let busy: Vec<Lease> = (0..members).map(|_| select(&pool)).collect();
            let (busy, idle): (Vec<Lease>, Vec<Lease>) = busy
                .into_iter()
                .partition(|lease| lease.node().as_str().contains('3'));
            let idle_members = idle.len();
            drop(idle);
            for _ in 0..calls {
                drop(select(&pool));
            }
            let expected = f64::from(calls) / idle_members as f64;
            let snapshot = pool.snapshot();
            let idle = snapshot.members().iter().filter(|m| m.in_flight() == 0);
            let chi_squared: f64 = idle
                .map(|m| (f64::from(m.picks() - 1) - expected).powi(2) / expected)
                .sum();
            assert!(chi_squared < critical, "{chi_squared}");
            assert_eq!(pool.in_flight(), busy.len());
        }
    }

    #[test]
    fn a_scan_of_many_breaks_ties_evenly_across_its_chunks() {
        let pool = Pool::new(LeastConnections::seeded(3));
        pool.update(numbered(0..150));
        let snapshot = pool.snapshot();
        let mut counts = vec![0_u32; 150];
        for _ in 0..150_000 {
            counts[pool.algorithm().scan(snapshot.members()).unwrap()] += 1;
        }
        let deviations = counts.iter().map(|&n| (f64::from(n) - 1e3).powi(2) / 1e3);
        // With 149 degrees of freedom, exceeded once in a million runs.
        let chi_squared: f64 = deviations.sum();
        assert!(chi_squared < 246.0, "{chi_squared}");
    }

    #[test]
    fn joins_leaves_and_refreshes_keep_the_order_right() {
        let pool = Pool::new(LeastConnections::seeded(8));
        let dice = Rng::seeded(9);
        let mut leases: Vec<Lease> = Vec::new();
        for change in 0..60 {
            match change % 3 {
                0 => pool.refresh(),
                _ => drop(pool.update(numbered(dice.below(50)..60 + dice.below(50)))),
            }
            let members = pool.snapshot().members().len();
            assert_eq!(is_ranked(&pool), members > SCANNED);
            for _ in 0..50 {
                if members > 0 {
                    let least = *in_flight(&pool).iter().min().unwrap();
                    let lease = select(&pool);
                    let snapshot = pool.snapshot();
                    let mut members = snapshot.members().iter();
                    let picked = members.find(|m| m.node() == lease.node()).unwrap();
                    assert_eq!(picked.in_flight(), least + 1);
                    leases.push(lease);
                }
                if dice.below(2) == 0 && !leases.is_empty() {
                    leases.swap_remove(dice.below(leases.len()));
                }
            }
        }
    }

    #[test]
    fn the_order_is_right_after_threads_and_changes_have_met() {
        const CHANGES: usize = 300;

        let pool = Pool::new(LeastConnections::new());
        pool.update(numbered(0..80));
        let done = AtomicBool::new(false);
        let held = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        let mut leases: [Option<Lease>; 100] = std::array::from_fn(|_| None);
                        let mut at = 0;
                        while !done.load(Ordering::Relaxed) {
                            at = (at + 1) % leases.len();
                            leases[at] = pool.select(&Selection::default());
                        }
                        leases
                    })
                })
                .collect();
            for change in 0..CHANGES {
                // On both sides of the limit.
                pool.update(numbered(change % 40..80));
            }
            pool.update(numbered(0..80));
            done.store(true, Ordering::Relaxed);
            let threads = threads.into_iter().map(|thread| thread.join().unwrap());
            threads.collect::<Vec<_>>()
        });
        let counts = || {
            let ranking = pool.algorithm().ranking();
            (0..80)
                .map(|at| ranking.order.count(at))
                .collect::<Vec<_>>()
        };
        assert_eq!(counts(), in_flight(&pool));
        drop(held);
        assert_eq!(counts(), [0; 80]);
    }

    #[test]
    fn several_nodes_are_the_least_busy_ones_in_order() {
        let pool = Pool::new(LeastConnections::seeded(4));
        pool.update(numbered(0..4));
        let leases: Vec<Lease> = (0..8).map(|_| select(&pool)).collect();
        let ended = |lease: &Lease| ["n2@host", "n0@host"].contains(&lease.node().as_str());
        let (ended, _held): (Vec<Lease>, Vec<Lease>) = leases.into_iter().partition(ended);
        // One lease on n2 remains, and none on n0.
        let _one = ended
            .into_iter()
            .find(|lease| lease.node().as_str() == "n2@host");
        let nodes = pool.select_nodes(3, &Selection::default());
        let names: Vec<&str> = nodes.iter().map(|lease| lease.node().as_str()).collect();
        assert_eq!(names[..2], ["n0@host", "n2@host"]);
        assert!(["n1@host", "n3@host"].contains(&names[2]));
    }
}

#[cfg(all(test, rlb_loom))]
mod models {
    use loom::thread;

    use super::*;
    use crate::members::{members_of, take_and_release};

    /// The members are ranked while calls to them begin and end.
    #[test]
    fn loom_a_ranking_that_is_made_among_calls_misses_none() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let algorithm = Arc::new(LeastConnections::seeded(1));
            let members = members_of(&algorithm, SCANNED + 1);
            let taken = Arc::clone(&members[0]);
            let thread = thread::spawn(move || take_and_release(&taken));
            let none = Snapshot::empty(1);
            let RankingNumber(number) = algorithm.table(&members, &[], &none);
            let _held = crate::Lease::on(Arc::clone(&members[0]));
            thread.join().unwrap();
            let ranking = algorithm.ranking();
            assert_eq!(Some(ranking.number), number);
            assert_eq!(ranking.order.count(0), members[0].in_flight());
            drop(ranking);
        });
    }
}
