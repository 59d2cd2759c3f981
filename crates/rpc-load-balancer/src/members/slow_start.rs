//! A member's way back to its share of the calls.

use std::time::Duration;

use tokio::time::Instant;

use super::{Candidate, Snapshot};
use crate::{
    algorithm::{Algorithm, AliasTable, Rng, Selection},
    deadline,
    sync::atomic::{AtomicU32, Ordering},
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

/// The slow starts of the members of a snapshot, and how many calls those in one may take.
///
/// Which share of the calls that is cannot be left to the algorithm: one that picks the least busy member
/// picks one that was passed by again and again, in a pool of any size. So lots are drawn for each
/// selection, whomever the algorithm chooses.
#[derive(Debug)]
pub(super) struct SlowStarts {
    /// In the order of the members.
    starts: Box<[Option<SlowStart>]>,
    /// How many lots each has won that it has taken no call for.
    won: Box<[AtomicU32]>,
    /// None where all weights are the same, or count for nothing.
    by_weight: Option<AliasTable>,
}

/// How many lots are drawn until one wins.
const LOTS: usize = 16;

/// More calls at once are not allowed to a member that was not chosen for a while.
const MOST_WON: u32 = 8;

impl SlowStarts {
    /// The slow starts of these candidates, who follow the members of `current`; `None` where the algorithm
    /// does without, or nobody is in one.
    ///
    /// Who stays keeps the lots that it has won. Most are won some selections before their winner is chosen;
    /// where the members change as often, it would get next to nothing. Of what is won and taken on `current`
    /// at this moment a lot or two may be missed.
    pub(super) fn of<A: Algorithm>(
        candidates: &[Candidate],
        current: &Snapshot<A>,
    ) -> Option<Self> {
        if !A::SLOW_START || candidates.iter().all(|it| it.slow_start.is_none()) {
            return None;
        }
        let weight = |candidate: &Candidate| match A::HEEDS_WEIGHTS {
            true => candidate.weight(),
            false => 1,
        };
        let weights: Vec<u32> = candidates.iter().map(weight).collect();
        let won_before = |candidate: &Candidate| {
            let members = current.members();
            let place = members.binary_search_by(|member| member.node().cmp(&candidate.node));
            let won = &current.slow_starts()?.won[place.ok()?];
            candidate.slow_start.map(|_| won.load(Ordering::Relaxed))
        };
        Some(Self {
            starts: candidates.iter().map(|it| it.slow_start).collect(),
            won: candidates
                .iter()
                .map(|candidate| AtomicU32::new(won_before(candidate).unwrap_or(0)))
                .collect(),
            by_weight: AliasTable::new(&weights),
        })
    }

    /// The slow start of each member, in the order of the members.
    pub(super) fn starts(&self) -> &[Option<SlowStart>] {
        &self.starts
    }

    fn of_member(&self, index: usize) -> Option<SlowStart> {
        self.starts.get(index).copied().flatten()
    }

    /// Draws lots for a call, among all members: by their weights where these count, and those in a slow
    /// start by their places in it. If one of these wins, it may take a call once it is chosen. Gives the
    /// winner; none where nobody wins for so long.
    fn draw_lots(&self, now: Instant) -> Option<usize> {
        let rng = Rng::thread_local();
        for _ in 0..LOTS {
            let index = match &self.by_weight {
                Some(by_weight) => by_weight.draw(&rng),
                None => rng.below(self.starts.len()),
            };
            let Some(start) = self.of_member(index) else {
                return Some(index);
            };
            if fastrand::f64() < start.share(now) {
                let won = &self.won[index];
                if won.load(Ordering::Relaxed) < MOST_WON {
                    won.fetch_add(1, Ordering::Relaxed);
                }
                return Some(index);
            }
        }
        None
    }

    /// Whether a member may take a call, which is taken.
    fn takes(&self, index: usize) -> bool {
        let take = |won: u32| won.checked_sub(1);
        self.of_member(index).is_none()
            || self.won[index]
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                .is_ok()
    }
}

/// How often the algorithm is asked for another member.
const REDRAWS: usize = 3;

/// How many others are drawn, where it chooses none that can be taken.
const OTHERS: usize = 8;

/// The member to select in the place of the one that was chosen: that one, unless it is in a slow start
/// and may take no call now.
///
/// Then the algorithm is asked again, a few times, as Envoy's `host_selection_retry_max_attempts` does
/// it. One that picks the least busy member chooses the same one each time; so others are drawn in the end,
/// with the winner of the lots, and the least busy one is selected, one that is in no slow start before all
/// that are, and one of these that may take a call before those that may not. All this takes no longer
/// with more members, nor when all of them are in a slow start; and where only a few are in none, these do
/// not get all the calls.
#[cold]
pub(super) fn draw<A: Algorithm>(
    algorithm: &A,
    snapshot: &Snapshot<A>,
    slow_starts: &SlowStarts,
    chosen: usize,
    selection: &Selection<'_>,
) -> usize {
    let now = Instant::now();
    let winner = slow_starts.draw_lots(now);
    if slow_starts.takes(chosen) {
        return chosen;
    }
    let mut redrawn = (0..REDRAWS).map_while(|_| algorithm.choose(snapshot, selection));
    if let Some(other) = redrawn.find(|&other| slow_starts.takes(other)) {
        return other;
    }
    let members = snapshot.members();
    if members.len() < 2 {
        return chosen;
    }
    let busy = |index: usize| {
        let calls = f64::from(members[index].in_flight().saturating_add(1));
        match slow_starts.of_member(index) {
            None => (0, calls),
            Some(start) => {
                let has_won = slow_starts.won[index].load(Ordering::Relaxed) > 0;
                (if has_won { 1 } else { 2 }, calls / start.share(now))
            }
        }
    };
    let other = |_| (chosen + 1 + Rng::thread_local().below(members.len() - 1)) % members.len();
    let others = (0..OTHERS).map(other).chain(winner);
    let others = others.map(|index| (index, busy(index)));
    let least =
        others.min_by(|(_, one), (_, other)| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)));
    let selected = least.map_or(chosen, |(index, _)| index);
    slow_starts.takes(selected);
    selected
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{HashSet, VecDeque},
        sync::atomic::AtomicUsize,
    };

    use beam_dist::NodeName;

    use super::*;
    use crate::{
        algorithm::{LeastConnections, PowerOfTwo, Random, RoundRobin, WeightedRoundRobin},
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

    /// How many of so many selections, of which up to so many are held at a time, go to the first members.
    fn to_first<A: Algorithm>(
        pool: &Pool<A>,
        members: usize,
        selections: usize,
        held_at_once: usize,
    ) -> usize {
        let names: HashSet<NodeName> = numbered(0..members).into_iter().collect();
        let mut held = VecDeque::new();
        let selected = (0..selections).filter(|_| {
            held.truncate(held_at_once - 1);
            held.push_front(select(pool));
            names.contains(held[0].node())
        });
        selected.count()
    }

    /// How many of 10,000 selections, of which up to four are held at a time, go to the first member.
    fn to_the_first<A: Algorithm>(pool: &Pool<A>) -> usize {
        to_first(pool, 1, 10_000, 4)
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

    /// Asserts that members in a slow start get what their place in it allows: at its beginning and in the
    /// middle, in pools of several sizes, where the members are busy and where they are not.
    async fn assert_shares<A: Algorithm>(algorithm: impl Fn() -> A) {
        fastrand::seed(7);
        for (members, young) in [4, 20, 100]
            .into_iter()
            .flat_map(|members| (1..=3).map(move |young| (members, young)))
        {
            let pool = pool(algorithm(), members, young);
            for (share, busy) in [(0.1, false), (0.1, true), (0.5, false), (0.5, true)] {
                if (share, busy) == (0.5, false) {
                    tokio::time::advance(Duration::from_secs(300)).await;
                }
                let allowed = share * young as f64;
                let allowed = allowed / ((members - young) as f64 + allowed);
                let selections = (200.0 / allowed) as usize;
                let held_at_once = if busy { 3 * members } else { 1 };
                let selected = to_first(&pool, young, selections, held_at_once);
                let part = selected as f64 / selections as f64 / allowed;
                assert!(
                    (0.7..1.3).contains(&part),
                    "{young} of {members} with {held_at_once} held got {part} of {share}"
                );
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn shares_are_as_allowed_where_the_least_busy_member_is_picked() {
        assert_shares(LeastConnections::new).await;
    }

    #[tokio::test(start_paused = true)]
    async fn shares_are_as_allowed_where_the_less_busy_of_two_is_picked() {
        assert_shares(PowerOfTwo::new).await;
    }

    #[tokio::test(start_paused = true)]
    async fn shares_are_as_allowed_where_members_take_turns() {
        assert_shares(RoundRobin::new).await;
    }

    /// The part of what it may take that a member in the middle of its slow start gets among twenty, where
    /// the members change after each so many selections.
    async fn part_among_changes<A: Algorithm>(algorithm: A, selections_each: usize) -> f64 {
        fastrand::seed(7);
        let start = SlowStart::new(Instant::now(), Duration::from_secs(600));
        let pool = Pool::new(algorithm);
        let change =
            |n: usize| {
                // One of two others is away.
                let nodes = numbered(0..21).into_iter().enumerate();
                let present = nodes.filter(|(at, _)| *at != 19 + n % 2);
                pool.update(present.map(|(at, node)| {
                    Candidate::new(node, 1).slow_start(start.filter(|_| at == 0))
                }));
            };
        change(0);
        tokio::time::advance(Duration::from_secs(300)).await;
        let changes = 20_000 / selections_each;
        let selected = (0..changes).map(|n| {
            change(n);
            to_first(&pool, 1, selections_each, 1)
        });
        let allowed = 0.5 / (19.0 + 0.5);
        selected.sum::<usize>() as f64 / (changes * selections_each) as f64 / allowed
    }

    #[tokio::test(start_paused = true)]
    async fn shares_are_as_allowed_however_often_the_members_change() {
        for selections_each in [3, 10, 50] {
            for part in [
                part_among_changes(RoundRobin::new(), selections_each).await,
                part_among_changes(Random::new(), selections_each).await,
                part_among_changes(LeastConnections::new(), selections_each).await,
                part_among_changes(PowerOfTwo::new(), selections_each).await,
            ] {
                assert!((0.7..1.3).contains(&part), "{selections_each}: {part}");
            }
        }
    }

    /// How many of 10,000 selections go to the first of four members in the middle of its slow start, which
    /// has this weight, the others 1.
    async fn of_weight<A: Algorithm>(algorithm: A, weight: u32) -> usize {
        fastrand::seed(7);
        let start = SlowStart::new(Instant::now(), Duration::from_secs(10));
        let pool = Pool::new(algorithm);
        let mut candidates =
            vec![Candidate::new(numbered(0..1).remove(0), weight).slow_start(start)];
        let others = numbered(1..4).into_iter();
        candidates.extend(others.map(|node| Candidate::new(node, 1)));
        pool.update(candidates);
        tokio::time::advance(Duration::from_secs(5)).await;
        to_the_first(&pool)
    }

    #[tokio::test(start_paused = true)]
    async fn the_share_that_is_allowed_is_one_by_weight_where_weights_count() {
        // A half of 12 beside 3.
        for selected in [
            of_weight(Random::new(), 12).await,
            of_weight(WeightedRoundRobin::new(), 12).await,
        ] {
            assert!((6_000..7_000).contains(&selected), "{selected}");
        }
        // A half of 1 beside 3, whatever the weight.
        for selected in [
            of_weight(RoundRobin::new(), 12).await,
            of_weight(LeastConnections::new(), 12).await,
            of_weight(PowerOfTwo::new(), 12).await,
        ] {
            assert!((1_100..1_800).contains(&selected), "{selected}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_members_in_a_slow_start_get_what_they_may_take() {
        fastrand::seed(7);
        // Nine beside ten.
        for selected in [
            to_first(&pool(RoundRobin::new(), 100, 90), 90, 20_000, 200),
            to_first(&pool(PowerOfTwo::new(), 100, 90), 90, 20_000, 200),
        ] {
            assert!((8_500..10_800).contains(&selected), "{selected}");
        }
    }

    /// How many of 10,000 selections, of which twenty are held at a time, go to each of four members.
    fn to_each<A: Algorithm>(pool: &Pool<A>) -> [usize; 4] {
        let names = numbered(0..4);
        let mut held = VecDeque::new();
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
        let selected = to_first(&pool, 20, 10_000, 200);
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
