//! Members that come, go, fall silent and fail, without a network.

use std::{cell::Cell, time::Duration};

use super::*;
use crate::{
    health::{Ejection, former},
    members::{Outcome, OutcomeKind, SlowStart, numbered},
};

const SECOND: Duration = Duration::from_secs(1);

/// A book, and all that it sees.
struct Scene {
    book: Book,
    now: Instant,
    members: Vec<Known>,
    suspects: Suspects,
    disconnected: BTreeMap<NodeName, DownReason>,
    ended: BTreeMap<NodeName, DownReason>,
    pool: Pool,
    /// How often it was asked for a connection.
    asked: Cell<usize>,
    observed: Vec<MemberEvent>,
}

#[derive(Default)]
struct Pool {
    records: BTreeMap<NodeName, Record>,
    /// How many records were looked at.
    looked_at: Cell<usize>,
    reports: Arc<Reports>,
}

impl Records for Pool {
    fn each_record(&self, look: &mut dyn FnMut(&NodeName, &Record)) {
        self.looked_at
            .set(self.looked_at.get() + self.records.len());
        for (node, record) in &self.records {
            look(node, record);
        }
    }

    fn reports(&self) -> &Arc<Reports> {
        &self.reports
    }
}

impl Scene {
    fn new(members: usize, health: Health) -> Self {
        let now = Instant::now();
        let pool = Pool::default();
        pool.reports.ask_for(health.reports());
        let mut scene = Self {
            book: Book::new(health, now),
            now,
            members: numbered(0..members).into_iter().map(known).collect(),
            suspects: Suspects::new(),
            disconnected: BTreeMap::new(),
            ended: BTreeMap::new(),
            pool,
            asked: Cell::new(0),
            observed: Vec::new(),
        };
        scene.members.sort_by(|a, b| a.node.cmp(&b.node));
        scene.look();
        scene.observed.clear();
        scene
    }

    /// Those who take calls, by their numbers.
    fn look(&mut self) -> Vec<usize> {
        let node = |n: usize| numbered(n..n + 1).remove(0);
        let observed = self.book.observe(Sight {
            now: self.now,
            members: self.members.clone(),
            suspects: &self.suspects,
            ended: mem::take(&mut self.ended),
            disconnected: &|node| {
                self.asked.set(self.asked.get() + 1);
                self.disconnected.get(node).cloned()
            },
            records: &self.pool,
        });
        self.observed.extend(observed.events);
        let candidates: Vec<NodeName> = observed
            .candidates
            .iter()
            .map(|candidate| candidate.node().clone())
            .collect();
        // As the pool does: a member that is back begins anew.
        self.pool
            .records
            .retain(|node, _| candidates.contains(node));
        for node in &candidates {
            self.pool.records.entry(node.clone()).or_default();
        }
        (0..20).filter(|&n| candidates.contains(&node(n))).collect()
    }

    fn pass(&mut self, time: Duration) -> Vec<usize> {
        self.now += time;
        self.look()
    }

    fn call(&mut self, member: usize, kind: OutcomeKind, times: usize) {
        let node = name(member);
        let record = self.pool.records.get(&node).expect("it takes calls");
        for _ in 0..times {
            // Begun this moment, on a clock that the scene does not set.
            let outcome = Outcome::new(kind, Duration::ZERO);
            record.note(&outcome, &self.pool.reports);
        }
    }

    fn silence(&mut self, member: usize) -> Vec<usize> {
        self.suspects.insert(name(member), self.now - SECOND);
        self.look()
    }

    fn hear(&mut self, member: usize) -> Vec<usize> {
        self.suspects.remove(&name(member));
        self.look()
    }

    /// A member is lost with its connection.
    fn lose(&mut self, member: usize) -> Vec<usize> {
        let node = name(member);
        self.members.retain(|known| known.node != node);
        self.disconnected.insert(node.clone(), DownReason::Closed);
        self.ended.insert(node, DownReason::Closed);
        self.look()
    }

    /// A member joins, or joins again, as this incarnation.
    fn join(&mut self, member: usize, creation: u32) -> Vec<usize> {
        let node = name(member);
        self.disconnected.remove(&node);
        let known = Known {
            creation,
            ..known(node)
        };
        self.members.retain(|other| other.node != known.node);
        self.members.push(known);
        self.members.sort_by(|a, b| a.node.cmp(&b.node));
        self.look()
    }

    fn slow_start(&self, member: usize) -> Option<SlowStart> {
        let at = self.book.place(&name(member)).unwrap();
        self.book.entries[at].slow_start
    }

    /// The states that were told of, in order.
    fn told(&mut self) -> Vec<(usize, &'static str)> {
        let number = |node: &NodeName| (0..20).find(|&n| name(n) == *node).unwrap();
        let events = std::mem::take(&mut self.observed).into_iter();
        events
            .map(|event| (number(&event.node), event.state.as_str()))
            .collect()
    }
}

fn name(member: usize) -> NodeName {
    numbered(member..member + 1).remove(0)
}

fn known(node: NodeName) -> Known {
    Known {
        node,
        creation: 1,
        weight: 1,
        metadata: None,
    }
}

#[test]
fn a_suspect_takes_no_calls_until_something_comes_and_then_starts_slowly() {
    let mut scene = Scene::new(3, Health::new());
    assert_eq!(scene.silence(1), [0, 2]);
    assert_eq!(scene.pass(60 * SECOND), [0, 2]);
    assert_eq!(scene.hear(1), [0, 1, 2]);
    let start = scene.slow_start(1).unwrap();
    assert_eq!(start.share(scene.now + 5 * SECOND), 0.5);
    assert_eq!(scene.book.next(), Some(scene.now + 10 * SECOND));
    scene.pass(10 * SECOND);
    assert_eq!(scene.slow_start(1), None);
    assert_eq!(scene.told(), [(1, "suspect"), (1, "up")]);
}

#[test]
fn suspects_are_left_out_though_they_be_many_but_not_if_they_are_all() {
    let mut scene = Scene::new(3, Health::new());
    scene.silence(0);
    assert_eq!(scene.silence(1), [2]);
    assert_eq!(scene.silence(2), [0, 1, 2]);
    assert_eq!(scene.hear(0), [0]);
}

#[test]
fn a_member_whose_calls_fail_in_a_row_is_out_for_a_time_that_grows() {
    let mut scene = Scene::new(3, Health::new());
    scene.call(2, OutcomeKind::TimedOut, 4);
    assert_eq!(scene.look(), [0, 1, 2]);
    scene.call(2, OutcomeKind::Unreachable, 1);
    assert_eq!(scene.look(), [0, 1]);
    assert_eq!(scene.pass(29 * SECOND), [0, 1]);
    assert_eq!(scene.pass(SECOND), [0, 1, 2]);
    assert!(scene.slow_start(2).is_some());
    scene.call(2, OutcomeKind::TimedOut, 5);
    assert_eq!(scene.look(), [0, 1]);
    assert_eq!(scene.pass(59 * SECOND), [0, 1]);
    assert_eq!(scene.pass(SECOND), [0, 1, 2]);
    let states = ["ejected", "up", "ejected", "up"].map(|state| (2, state));
    assert_eq!(scene.told(), states);
}

#[test]
fn a_member_that_is_well_for_long_is_ejected_as_if_for_the_first_time() {
    let mut scene = Scene::new(3, Health::new());
    scene.call(0, OutcomeKind::TimedOut, 5);
    assert_eq!(scene.look(), [1, 2]);
    scene.pass(30 * SECOND);
    // The comparison finds nothing.
    scene.pass(10 * SECOND);
    scene.call(0, OutcomeKind::TimedOut, 5);
    scene.look();
    assert_eq!(scene.pass(30 * SECOND), [0, 1, 2]);
}

#[test]
fn many_ejections_are_forgotten_as_soon_as_a_few() {
    let mut scene = Scene::new(3, Health::new());
    for _ in 0..100 {
        scene.call(0, OutcomeKind::TimedOut, 5);
        assert_eq!(scene.look(), [1, 2]);
        scene.pass(300 * SECOND);
    }
    for _ in 0..12 {
        scene.pass(10 * SECOND);
    }
    scene.call(0, OutcomeKind::TimedOut, 5);
    scene.look();
    assert_eq!(scene.pass(30 * SECOND), [0, 1, 2]);
}

#[test]
fn ejections_are_ignored_where_more_than_half_would_be_out() {
    let mut scene = Scene::new(4, Health::new());
    for member in [0, 1] {
        scene.call(member, OutcomeKind::TimedOut, 5);
    }
    assert_eq!(scene.look(), [2, 3]);
    scene.call(2, OutcomeKind::TimedOut, 5);
    assert_eq!(scene.look(), [0, 1, 2, 3]);
    // What they do meanwhile does not make it longer.
    assert_eq!(scene.pass(30 * SECOND), [0, 1, 2, 3]);
    assert!(
        scene
            .book
            .entries
            .iter()
            .all(|entry| entry.state == MemberState::Up)
    );
}

#[test]
fn the_only_member_is_never_out() {
    let mut scene = Scene::new(1, Health::new());
    scene.call(0, OutcomeKind::TimedOut, 5);
    assert_eq!(scene.look(), [0]);
    assert_eq!(scene.silence(0), [0]);
}

#[test]
fn failures_that_silence_explains_end_with_it() {
    let mut scene = Scene::new(3, Health::new());
    // The calls in flight time out at the moment when the member becomes suspect.
    scene.call(1, OutcomeKind::TimedOut, 20);
    assert_eq!(scene.silence(1), [0, 2]);
    scene.pass(2 * SECOND);
    assert_eq!(scene.hear(1), [0, 1, 2]);
    assert_eq!(scene.told(), [(1, "suspect"), (1, "up")]);
    // It was ejected long before it fell silent.
    scene.call(1, OutcomeKind::TimedOut, 5);
    assert_eq!(scene.look(), [0, 2]);
    scene.pass(5 * SECOND);
    scene.silence(1);
    assert_eq!(scene.hear(1), [0, 2]);
    let states = ["ejected", "suspect", "ejected"].map(|state| (1, state));
    assert_eq!(scene.told(), states);
}

#[test]
fn a_member_that_fails_far_more_often_than_the_others_is_out() {
    let mut scene = Scene::new(4, Health::new());
    for member in 0..4 {
        scene.call(member, OutcomeKind::Success, 500);
    }
    for _ in 0..100 {
        scene.call(3, OutcomeKind::TimedOut, 4);
        scene.call(3, OutcomeKind::Success, 1);
    }
    assert_eq!(scene.pass(9 * SECOND), [0, 1, 2, 3]);
    assert_eq!(scene.pass(SECOND), [0, 1, 2]);
    let [event] = &scene.observed[..] else {
        panic!("{:?}", scene.observed);
    };
    assert!(matches!(event.reason, StateReason::FailureRate { .. }));
}

#[test]
fn where_nobody_is_to_be_ejected_nobody_is() {
    let mut scene = Scene::new(3, Health::new().ejection(None));
    scene.call(0, OutcomeKind::TimedOut, 1_000);
    assert_eq!(scene.look(), [0, 1, 2]);
    assert_eq!(scene.book.next(), None);
    let health = Health::new().ejection(Ejection::new().consecutive_failures(0));
    let mut scene = Scene::new(3, health);
    scene.call(0, OutcomeKind::TimedOut, 1_000);
    assert_eq!(scene.look(), [0, 1, 2]);
}

#[test]
fn a_member_that_refuses_is_used_less_for_a_second() {
    let mut scene = Scene::new(3, Health::new());
    scene.call(1, OutcomeKind::Refused, 1);
    assert_eq!(scene.look(), [0, 1, 2]);
    assert_eq!(scene.slow_start(1), SlowStart::new(scene.now, SECOND));
    scene.pass(SECOND);
    assert_eq!(scene.slow_start(1), None);
    assert!(scene.told().is_empty());
}

#[test]
fn those_who_left_are_remembered_for_a_while() {
    let mut scene = Scene::new(3, Health::new());
    let gone = scene.members.remove(0);
    scene.look();
    let dead = scene.members.remove(1);
    scene.disconnected.insert(dead.node, DownReason::Closed);
    assert_eq!(scene.look(), [1]);
    assert_eq!(scene.told(), [(0, "draining"), (2, "down")]);
    scene
        .disconnected
        .insert(gone.node.clone(), DownReason::Closed);
    scene.pass(SECOND);
    assert_eq!(scene.told(), [(0, "down")]);
    assert_eq!(scene.book.former.all().len(), 2);
    // One that is back is a member like any other.
    scene.members.insert(0, gone);
    assert_eq!(scene.look(), [0, 1]);
    assert_eq!(scene.told(), [(0, "up")]);
    assert_eq!(scene.book.former.all().len(), 1);
    scene.pass(former::SHOWN);
    assert_eq!(scene.book.former.all().len(), 0);
    assert_eq!(scene.book.entries.len(), 2);
}

#[test]
fn of_those_who_left_no_more_than_a_few_are_remembered() {
    let mut scene = Scene::new(0, Health::new());
    for n in 0..2 * former::MOST {
        scene.members = vec![known(name(n))];
        scene.look();
    }
    assert_eq!(scene.book.former.all().len(), former::MOST);
    assert_eq!(scene.book.entries.len(), 1);
}

#[test]
fn who_has_left_is_told_of_with_what_it_published_last() {
    let mut scene = Scene::new(2, Health::new());
    let metadata = Some(Term::atom("eu"));
    scene.members[1].weight = 3;
    scene.members[1].metadata = metadata.clone();
    scene.look();
    scene.observed.clear();
    let left = scene.members.remove(1);
    scene.look();
    scene.disconnected.insert(left.node, DownReason::Closed);
    scene.look();
    let told = scene
        .observed
        .iter()
        .map(|event| (event.state, event.weight, event.metadata.clone()));
    let states = [MemberState::Draining, MemberState::Down];
    assert_eq!(
        told.collect::<Vec<_>>(),
        states.map(|state| (state, 3, metadata.clone()))
    );
}

#[test]
fn a_member_of_weight_0_takes_no_calls_whatever_happens() {
    let mut scene = Scene::new(2, Health::new());
    scene.members[0].weight = 0;
    assert_eq!(scene.look(), [1]);
    assert_eq!(scene.silence(1), [1]);
    scene.members[1].weight = 0;
    assert_eq!(scene.look(), [0; 0]);
}

#[test]
fn a_change_of_weight_is_told_once() {
    let mut scene = Scene::new(2, Health::new());
    scene.members[0].weight = 0;
    scene.look();
    scene.look();
    let [event] = &scene.observed[..] else {
        panic!("{:?}", scene.observed);
    };
    assert_eq!((&event.node, event.weight), (&name(0), 0));
    assert_eq!(event.before, Some(MemberState::Up));
    assert_eq!(
        (event.state, &event.reason),
        (MemberState::Up, &StateReason::Joined)
    );
    // With a change of state it needs none of its own.
    scene.observed.clear();
    scene.members[0].weight = 2;
    scene.silence(0);
    assert_eq!(scene.observed.len(), 1);
    assert_eq!(scene.observed[0].weight, 2);
}

#[test]
fn a_member_that_died_and_is_back_starts_slowly_and_with_a_clean_record() {
    let mut scene = Scene::new(3, Health::new());
    scene.call(1, OutcomeKind::Unreachable, 20);
    assert_eq!(scene.lose(1), [0, 2]);
    scene.pass(SECOND);
    assert_eq!(scene.join(1, 2), [0, 1, 2]);
    assert_eq!(scene.slow_start(1), SlowStart::new(scene.now, 10 * SECOND));
    assert_eq!(scene.told(), [(1, "down"), (1, "up")]);
    // A newcomer is none that is back.
    assert_eq!(scene.join(3, 1), [0, 1, 2, 3]);
    assert_eq!(scene.slow_start(3), None);
}

#[test]
fn calls_that_failed_with_a_lost_connection_are_not_held_against_a_member_that_is_back_at_once() {
    for (creation, ended) in [
        (2, DownReason::Closed),
        (2, DownReason::Replaced),
        (1, DownReason::Closed),
    ] {
        let mut scene = Scene::new(3, Health::new());
        scene.call(1, OutcomeKind::Unreachable, 20);
        // Nobody looked while it was away.
        scene.ended.insert(name(1), ended);
        assert_eq!(scene.join(1, creation), [0, 1, 2]);
        assert!(scene.slow_start(1).is_some());
        scene.call(1, OutcomeKind::TimedOut, 4);
        assert_eq!(scene.look(), [0, 1, 2]);
        assert_eq!(scene.observed[0].before, Some(MemberState::Down));
        assert_eq!(scene.observed[0].since, scene.now);
        assert_eq!(scene.told(), [(1, "up")]);
        // Those that are begun now are.
        scene.call(1, OutcomeKind::TimedOut, 1);
        assert_eq!(scene.look(), [0, 2]);
        assert_eq!(scene.told(), [(1, "ejected")]);
    }
}

#[test]
fn a_connection_that_was_only_replaced_is_no_loss() {
    let mut scene = Scene::new(3, Health::new());
    scene.call(1, OutcomeKind::Unreachable, 20);
    scene.ended.insert(name(1), DownReason::Replaced);
    assert_eq!(scene.join(1, 1), [0, 1, 2]);
    assert_eq!(scene.slow_start(1), None);
}

#[test]
fn a_member_whose_connection_is_gone_is_not_ejected_for_that_before_it_leaves() {
    let mut scene = Scene::new(3, Health::new());
    scene.call(1, OutcomeKind::Unreachable, 20);
    scene.disconnected.insert(name(1), DownReason::Closed);
    scene.look();
    scene.lose(1);
    scene.join(1, 2);
    assert_eq!(scene.told(), [(1, "down"), (1, "up")]);
}

#[test]
fn a_member_that_dies_again_and_again_is_out_for_longer_each_time() {
    let mut scene = Scene::new(3, Health::new());
    let mut crash = |creation: u32| {
        scene.pass(5 * SECOND);
        scene.lose(1);
        scene.pass(5 * SECOND);
        scene.join(1, creation);
        let back = scene.now;
        while scene.look() != [0, 1, 2] {
            scene.pass(SECOND);
        }
        scene.now.duration_since(back).as_secs()
    };
    assert_eq!([crash(2), crash(3), crash(4), crash(5)], [0, 30, 60, 90]);
    for creation in 6..60 {
        assert!(crash(creation) <= 300);
    }
    // Well for long, it is lost as if for the first time.
    scene.told();
    for _ in 0..12 {
        scene.pass(10 * SECOND);
    }
    scene.lose(1);
    assert_eq!(scene.join(1, 60), [0, 1, 2]);
    assert_eq!(scene.told(), [(1, "down"), (1, "up")]);
}

#[test]
fn a_member_that_a_bad_network_cuts_off_again_and_again_only_starts_slowly_each_time() {
    let mut scene = Scene::new(3, Health::new());
    for _ in 0..5 {
        scene.pass(5 * SECOND);
        scene.lose(1);
        scene.pass(5 * SECOND);
        assert_eq!(scene.join(1, 1), [0, 1, 2]);
        assert_eq!(scene.slow_start(1), SlowStart::new(scene.now, 10 * SECOND));
        // Or nobody looks while it is away.
        scene.pass(5 * SECOND);
        scene.ended.insert(name(1), DownReason::Closed);
        assert_eq!(scene.look(), [0, 1, 2]);
        assert_eq!(scene.slow_start(1), SlowStart::new(scene.now, 10 * SECOND));
    }
    // None of this is a step of a loop of crashes.
    scene.lose(1);
    assert_eq!(scene.join(1, 2), [0, 1, 2]);
    scene.lose(1);
    assert_eq!(scene.join(1, 3), [0, 2]);
    let reason = &scene.observed.last().unwrap().reason;
    assert_eq!(*reason, StateReason::Unsteady);
}

#[test]
fn that_a_member_is_heard_of_again_does_not_undo_that_its_process_died_again() {
    let mut scene = Scene::new(3, Health::new());
    scene.lose(1);
    assert_eq!(scene.join(1, 2), [0, 1, 2]);
    // Its host was reset, and nobody looked between the end of the silence and the next incarnation.
    assert_eq!(scene.silence(1), [0, 2]);
    scene.suspects.clear();
    scene.ended.insert(name(1), DownReason::Replaced);
    assert_eq!(scene.join(1, 3), [0, 2]);
    assert_eq!(scene.told().last(), Some(&(1, "ejected")));
    assert_eq!(scene.pass(29 * SECOND), [0, 2]);
    assert_eq!(scene.pass(SECOND), [0, 1, 2]);
}

#[test]
fn a_member_that_was_ejected_and_is_started_anew_is_back_at_once() {
    let mut scene = Scene::new(3, Health::new());
    scene.call(1, OutcomeKind::TimedOut, 5);
    assert_eq!(scene.look(), [0, 2]);
    scene.lose(1);
    scene.pass(5 * SECOND);
    assert_eq!(scene.join(1, 2), [0, 1, 2]);
    assert!(scene.slow_start(1).is_some());
    assert_eq!(scene.told(), [(1, "ejected"), (1, "down"), (1, "up")]);
    // That it was ejected before is remembered for how its calls go.
    scene.call(1, OutcomeKind::TimedOut, 5);
    assert_eq!(scene.look(), [0, 2]);
    assert_eq!(scene.pass(59 * SECOND), [0, 2]);
    assert_eq!(scene.pass(SECOND), [0, 1, 2]);
}

#[test]
fn a_member_that_leaves_before_it_is_started_anew_is_back_like_a_newcomer() {
    let mut scene = Scene::new(3, Health::new());
    for creation in 2..6 {
        scene.pass(5 * SECOND);
        let left = scene.members.remove(1).node;
        scene.look();
        scene.disconnected.insert(left.clone(), DownReason::Closed);
        scene.ended.insert(left, DownReason::Closed);
        scene.pass(SECOND);
        assert_eq!(scene.join(1, creation), [0, 1, 2]);
        assert_eq!(scene.slow_start(1), None);
    }
}

#[test]
fn of_those_who_are_gone_no_more_than_a_bound_is_remembered_and_those_of_late() {
    let mut scene = Scene::new(0, Health::new());
    let come_and_go = |scene: &mut Scene, numbers| {
        scene.members = numbered(numbers).into_iter().map(known).collect();
        scene.members.sort_by(|a, b| a.node.cmp(&b.node));
        scene.look();
        let gone = mem::take(&mut scene.members);
        scene.disconnected = gone
            .into_iter()
            .map(|known| (known.node, DownReason::Closed))
            .collect();
        scene.look();
    };
    come_and_go(&mut scene, 0..5_000);
    assert_eq!(scene.book.absent.len(), 4_096);
    scene.pass(600 * SECOND);
    come_and_go(&mut scene, 5_000..5_002);
    assert_eq!(scene.book.absent.len(), 2);
    // One of them is back.
    scene.members = vec![known(numbered(5_001..5_002).remove(0))];
    scene.look();
    assert_eq!(scene.book.absent.len(), 1);
    assert!(scene.book.entries[0].slow_start.is_some());
}

#[test]
fn a_member_that_joins_many_is_looked_at_alone() {
    let mut scene = Scene::new(1_000, Health::new());
    scene.pool.looked_at.set(0);
    scene.asked.set(0);
    scene.join(1_000, 1);
    assert_eq!((scene.pool.looked_at.get(), scene.asked.get()), (0, 0));
    // One that leaves is asked after, once with each look as long as it is connected.
    scene.members.remove(0);
    scene.look();
    scene.look();
    assert_eq!((scene.pool.looked_at.get(), scene.asked.get()), (0, 2));
    // How calls went is looked at when something was reported.
    scene.call(7, OutcomeKind::TimedOut, 5);
    scene.look();
    assert_eq!(scene.pool.looked_at.get(), 1_000);
    scene.look();
    assert_eq!(scene.pool.looked_at.get(), 1_000);
}
