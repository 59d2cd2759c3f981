//! A member's way back to its share of the calls.

use std::time::Duration;

use tokio::time::Instant;

use super::Snapshot;
use crate::{
    algorithm::{Algorithm, Rng, Selection},
    deadline,
};

/// For how long a member gets less than its share of the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlowStart {
    since: Instant,
    duration: Duration,
}

/// The share at the beginning: Envoy's `min_weight_percent`.
const FIRST_SHARE: f64 = 0.1;

impl SlowStart {
    /// A slow start of this duration. `None` for one that is over at once.
    pub fn new(since: Instant, duration: Duration) -> Option<Self> {
        (!duration.is_zero()).then_some(Self { since, duration })
    }

    /// The part of its share that the member gets at this time: a tenth at first, then as much as of
    /// the time has passed, and in the end all, 1.
    pub fn share(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        (passed / self.duration.as_secs_f64()).clamp(FIRST_SHARE, 1.0)
    }

    /// When it is over.
    pub fn end(&self) -> Instant {
        deadline::after(self.since, self.duration)
    }
}

/// How often the algorithm is asked for another member.
const REDRAWS: usize = 3;

/// How many others are drawn, where it chooses none that can be taken.
const OTHERS: usize = 5;

/// The member to select in the place of the one that was chosen: that one, unless it is in a slow start
/// and the dice pass it by, as often as its share says.
///
/// Then the algorithm is asked again, a few times, as Envoy's `host_selection_retry_max_attempts` does
/// it. One that reads the load chooses members in a slow start more often than others, as they are the
/// less busy, so that with several of them dice for each would let in too many: of its choices one in no
/// slow start is taken. Where there is none, others are drawn, and the one is selected that is the least
/// busy for its share. All this takes no longer with more members, nor when all of them are in a slow
/// start; and where only a few are in none, these do not get all the calls.
#[cold]
pub(super) fn draw<A: Algorithm>(
    algorithm: &A,
    snapshot: &Snapshot<A>,
    chosen: usize,
    selection: &Selection<'_>,
) -> usize {
    let slow_start = |index: usize| snapshot.slow_starts().get(index).copied().flatten();
    let Some(start) = slow_start(chosen) else {
        return chosen;
    };
    let now = Instant::now();
    let passes = |start: SlowStart| fastrand::f64() < start.share(now);
    if passes(start) {
        return chosen;
    }
    let mut redrawn = (0..REDRAWS).map_while(|_| algorithm.choose(snapshot, selection));
    let takes =
        |index: &usize| slow_start(*index).is_none_or(|start| !A::READS_LOAD && passes(start));
    if let Some(other) = redrawn.find(takes) {
        return other;
    }
    let members = snapshot.members();
    if members.len() < 2 {
        return chosen;
    }
    let busy = |index: usize| {
        let share = slow_start(index).map_or(1.0, |start| start.share(now));
        f64::from(members[index].in_flight().saturating_add(1)) / share
    };
    let other = |_| (chosen + 1 + Rng::thread_local().below(members.len() - 1)) % members.len();
    let others = (0..OTHERS).map(other).map(|index| (index, busy(index)));
    let least = others.min_by(|(_, one), (_, other)| one.total_cmp(other));
    least.map_or(chosen, |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{
        algorithm::{LeastConnections, PowerOfTwo, Random, RoundRobin},
        members::{Candidate, Lease, Pool, numbered},
    };

    /// A pool of so many members, of which the first ones are at the beginning of a slow start.
    fn pool<A: Algorithm>(algorithm: A, members: usize, young: usize) -> Pool<A> {
        let start = SlowStart::new(Instant::now(), Duration::from_secs(600));
        let pool = Pool::new(algorithm);
        pool.update(
            numbered(0..members)
                .into_iter()
                .enumerate()
                .map(|(n, node)| Candidate::new(node, 1).slow_start(start.filter(|_| n < young))),
        );
        pool
    }

    fn select<A: Algorithm>(pool: &Pool<A>) -> Lease {
        pool.select(&Selection::default()).unwrap()
    }

    /// Chooses at random, and counts how often; all members at once cost more than may be.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Algorithm for Counting {
        type Table = ();
        type State = ();

        fn choose(&self, snapshot: &Snapshot<Self>, _: &Selection<'_>) -> Option<usize> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Some(Rng::thread_local().below(snapshot.members().len()))
        }

        fn choose_nodes(&self, _: &Snapshot<Self>, _: usize, _: &Selection<'_>) -> Vec<usize> {
            panic!("a selection looked at all members");
        }
    }

    #[test]
    fn a_selection_among_members_that_are_all_in_a_slow_start_draws_a_few_times() {
        let pool = pool(Counting::default(), 1_000, 1_000);
        for _ in 0..1_000 {
            let before = pool.algorithm().0.load(Ordering::Relaxed);
            let limited = pool.select_within(&Selection::default(), 1_000_000);
            drop((select(&pool), limited.unwrap()));
            let drawn = pool.algorithm().0.load(Ordering::Relaxed) - before;
            assert!(drawn <= 2 * (1 + REDRAWS), "{drawn}");
        }
    }

    /// How many of 10,000 selections, of which up to four are held at a time, go to the first member.
    fn to_the_first<A: Algorithm>(pool: &Pool<A>) -> usize {
        let first = numbered(0..1).remove(0);
        let mut held = std::collections::VecDeque::new();
        let selected = (0..10_000).filter(|_| {
            held.truncate(3);
            held.push_front(select(pool));
            *held[0].node() == first
        });
        selected.count()
    }

    #[test]
    fn a_member_at_the_beginning_of_a_slow_start_gets_a_tenth_of_its_share() {
        // Of a fourth of all, or a little more; the one is chosen anew each time as it is idle.
        for selected in [
            to_the_first(&pool(RoundRobin::new(), 4, 1)),
            to_the_first(&pool(Random::new(), 4, 1)),
            to_the_first(&pool(LeastConnections::new(), 4, 1)),
        ] {
            assert!((150..1_200).contains(&selected), "{selected}");
        }
    }

    /// How many of 10,000 selections, of which twenty are held at a time, go to each of four members.
    fn to_each<A: Algorithm>(pool: &Pool<A>) -> [usize; 4] {
        let names = numbered(0..4);
        let mut held = std::collections::VecDeque::new();
        let mut counts = [0; 4];
        for _ in 0..10_000 {
            held.truncate(19);
            held.push_front(select(pool));
            let at = names.iter().position(|name| name == held[0].node());
            counts[at.unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn several_members_in_a_slow_start_get_less_than_half_of_their_shares_each() {
        for young in [2, 3] {
            for counts in [
                to_each(&pool(RoundRobin::new(), 4, young)),
                to_each(&pool(Random::new(), 4, young)),
                to_each(&pool(LeastConnections::new(), 4, young)),
                to_each(&pool(PowerOfTwo::new(), 4, young)),
            ] {
                let are_few = counts[..young]
                    .iter()
                    .all(|count| (100..1_000).contains(count));
                assert!(are_few, "{young} of 4: {counts:?}");
            }
        }
    }

    #[test]
    fn half_of_many_members_in_a_slow_start_get_a_small_part_of_the_calls() {
        let pool = pool(LeastConnections::new(), 40, 20);
        let young = numbered(0..20);
        let mut held = std::collections::VecDeque::new();
        let selected = (0..10_000).filter(|_| {
            held.truncate(199);
            held.push_front(select(&pool));
            young.contains(held[0].node())
        });
        let selected = selected.count();
        assert!(selected < 2_000, "{selected}");
    }

    #[test]
    fn the_only_member_of_many_that_is_in_no_slow_start_does_not_get_all_calls() {
        fn to_the_last<A: Algorithm>(pool: &Pool<A>) -> usize {
            let last = numbered(39..40).remove(0);
            let selected = (0..10_000).filter(|_| *select(pool).node() == last);
            selected.count()
        }
        for selected in [
            to_the_last(&pool(RoundRobin::new(), 40, 39)),
            to_the_last(&pool(Random::new(), 40, 39)),
            to_the_last(&pool(LeastConnections::new(), 40, 39)),
        ] {
            assert!((250..3_500).contains(&selected), "{selected}");
        }
    }

    #[test]
    fn members_that_are_all_in_a_slow_start_share_alike() {
        for selected in [
            to_the_first(&pool(RoundRobin::new(), 4, 4)),
            to_the_first(&pool(Random::new(), 4, 4)),
            to_the_first(&pool(LeastConnections::new(), 4, 4)),
        ] {
            assert!((2_000..3_000).contains(&selected), "{selected}");
        }
    }

    #[test]
    fn the_only_member_is_selected_whatever_the_dice_say() {
        let pool = pool(RoundRobin::new(), 1, 1);
        assert_eq!(to_the_first(&pool), 10_000);
    }

    #[test]
    fn the_share_grows_from_a_tenth_to_all() {
        let since = Instant::now();
        let start = SlowStart::new(since, Duration::from_secs(10)).unwrap();
        let share = |secs| start.share(since + Duration::from_secs(secs));
        assert_eq!([0, 1, 5, 10, 99].map(share), [0.1, 0.1, 0.5, 1.0, 1.0]);
        assert_eq!(start.end(), since + Duration::from_secs(10));
        assert_eq!(SlowStart::new(since, Duration::ZERO), None);
        assert!(SlowStart::new(since, Duration::MAX).unwrap().end() > since);
    }
}
