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

/// How often the algorithm is asked for another member while the dice pass those that it chooses by.
const REDRAWS: usize = 3;

/// The member to select in the place of the one that was chosen: that one, unless it is in a slow start
/// and the dice pass it by, as often as its share says.
///
/// Then the algorithm is asked again, a few times, as Envoy's `host_selection_retry_max_attempts` does
/// it. One that chooses the same member each time, as it is the least busy one, is helped by the less
/// busy of two others that are drawn. So it takes no longer with more members, nor when all of them
/// are in a slow start.
#[cold]
pub(super) fn draw<A: Algorithm>(
    algorithm: &A,
    snapshot: &Snapshot<A>,
    chosen: usize,
    selection: &Selection<'_>,
) -> usize {
    let slow_start = |index: usize| snapshot.slow_starts().get(index).copied().flatten();
    if slow_start(chosen).is_none() {
        return chosen;
    }
    let now = Instant::now();
    let passes = |index| slow_start(index).is_none_or(|start| fastrand::f64() < start.share(now));
    if passes(chosen) {
        return chosen;
    }
    let mut passed_by = [chosen; 1 + REDRAWS];
    for at in 1..=REDRAWS {
        let Some(next) = algorithm.choose(snapshot, selection) else {
            break;
        };
        // The dice are thrown once for each.
        if passed_by.contains(&next) {
            continue;
        }
        if passes(next) {
            return next;
        }
        passed_by[at] = next;
    }
    let members = snapshot.members();
    let load = |index: usize| members[index].load();
    let lightest = |one: usize, other: usize| match load(other).is_lighter_than(load(one)) {
        true => other,
        false => one,
    };
    let drawn = || Rng::thread_local().below(members.len());
    let others = [drawn(), drawn(), drawn()].into_iter();
    let others = others.filter(|index| !passed_by.contains(index));
    // With few members, or where all are in a slow start, there may be nobody else.
    others.take(2).reduce(lightest).unwrap_or(chosen)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{
        algorithm::{LeastConnections, Random, RoundRobin},
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
