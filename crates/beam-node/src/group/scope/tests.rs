use std::time::Duration;

use beam_term::{RawTerm, Reader};

use super::*;

pub(super) const BOUND: Bound = Bound {
    memberships: 4,
    name_bytes: 1 << 20,
};

pub(super) fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

pub(super) fn pid(name: &NodeName, id: u32) -> Pid {
    Pid {
        node: name.as_atom().clone(),
        id,
        serial: 0,
        creation: 1,
    }
}

pub(super) fn group() -> Term {
    Term::atom("g")
}

fn raw(message: Bytes) -> RawTerm {
    Reader::new(message).raw().unwrap()
}

/// A scope of `own@h` and one connected peer, `peer@h`, whose scope is not there.
pub(super) struct Setup {
    pub(super) scope: Scope,
    pub(super) peer: NodeName,
    pub(super) now: Instant,
    bound: Bound,
}

impl Setup {
    pub(super) fn new() -> Self {
        Self::bounded(BOUND)
    }

    fn bounded(bound: Bound) -> Self {
        let own = node("own@h");
        let mut scope = Scope::new(own.clone(), pid(&own, 1), bound);
        let peer = node("peer@h");
        scope.link_up(&peer);
        Self {
            scope,
            peer,
            now: Instant::now(),
            bound,
        }
    }

    /// The same, when the peer's scope, its process 1, has answered.
    pub(super) fn found() -> Self {
        Self::found_bounded(BOUND)
    }

    pub(super) fn found_bounded(bound: Bound) -> Self {
        let mut setup = Self::bounded(bound);
        setup.sync(1, &[]);
        setup.actions();
        setup
    }

    pub(super) fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.scope.next_action()).collect()
    }

    pub(super) fn changes(&mut self) -> Vec<GroupChange> {
        std::iter::from_fn(|| self.scope.next_change()).collect()
    }

    pub(super) fn own(&self) -> Pid {
        pid(&node("own@h"), 1)
    }

    pub(super) fn of_peer(&self, id: u32) -> Pid {
        pid(&self.peer, id)
    }

    pub(super) fn receive(&mut self, message: Bytes) {
        let announced = |group: &Term| self.scope.announced(&self.peer, group);
        let message = Message::parse(&raw(message), self.peer.as_atom(), self.bound, &announced);
        self.scope.message(&self.peer, message);
    }

    pub(super) fn discover(&mut self, scope: u32) {
        self.receive(message::discover(&self.of_peer(scope)));
    }

    pub(super) fn sync(&mut self, scope: u32, groups: &[(&Term, &[Pid])]) {
        self.receive(message::sync(&self.of_peer(scope), groups.iter().copied()).unwrap());
    }

    pub(super) fn join(&mut self, scope: u32, group: &Term, member: u32) {
        let (scope, member) = (self.of_peer(scope), self.of_peer(member));
        self.receive(message::join(&scope, group, &member).unwrap());
    }

    pub(super) fn leave(&mut self, scope: u32, member: u32, groups: &[Term]) {
        let (scope, member) = (self.of_peer(scope), self.of_peer(member));
        self.receive(message::leave(&scope, &member, groups).unwrap());
    }

    /// The peer's processes in the group.
    pub(super) fn members(&self) -> Vec<u32> {
        let members = self.scope.members(&group());
        let pids = members.get(&self.peer).map_or(&[][..], |m| m.pids());
        pids.iter().map(|pid| pid.id).collect()
    }

    pub(super) fn send(&self, to: Destination, message: Bytes) -> Action {
        Action::Send {
            peer: self.peer.clone(),
            to,
            message,
        }
    }

    pub(super) fn monitor(&self, target: Destination, id: u64) -> Action {
        Action::Monitor {
            peer: self.peer.clone(),
            target,
            id: MonitorId(id),
        }
    }

    pub(super) fn demonitor(&self, target: Destination, id: u64) -> Action {
        Action::Demonitor {
            peer: self.peer.clone(),
            target,
            id: MonitorId(id),
        }
    }
}

#[test]
fn a_new_link_is_searched_for_a_scope_by_its_name() {
    let mut setup = Setup::new();
    let question = message::discover(&setup.own());
    assert_eq!(
        setup.actions(),
        [
            setup.monitor(Destination::Name, 1),
            setup.send(Destination::Name, question),
        ]
    );
    assert_eq!(setup.scope.next_timer(), None);
}

#[test]
fn the_search_goes_on_with_growing_pauses_while_nobody_is_there() {
    let mut setup = Setup::new();
    let mut pauses = Vec::new();
    for id in 1..9 {
        setup.actions();
        setup.scope.down(&setup.peer, MonitorId(id), setup.now);
        assert_eq!(setup.actions(), []);
        let due = setup.scope.next_timer().unwrap();
        pauses.push((due - setup.now).as_millis());
        setup.scope.timer(due - Duration::from_millis(1));
        assert_eq!(setup.actions(), []);
        setup.now = due;
        setup.scope.timer(due);
        let question = message::discover(&setup.own());
        assert_eq!(
            setup.actions(),
            [
                setup.monitor(Destination::Name, id + 1),
                setup.send(Destination::Name, question),
            ]
        );
        assert_eq!(setup.scope.next_timer(), None);
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
}

#[test]
fn the_search_ends_with_an_answer_and_starts_anew_when_the_scope_ends() {
    let mut setup = Setup::new();
    setup.scope.down(&setup.peer, MonitorId(1), setup.now);
    setup.scope.timer(setup.scope.next_timer().unwrap());
    setup.actions();
    setup.sync(1, &[]);
    let scope = || Destination::Pid(setup.of_peer(1));
    let expected = [
        setup.monitor(scope(), 3),
        setup.demonitor(Destination::Name, 2),
    ];
    assert_eq!(setup.actions(), expected);

    // Of the monitors that there were, only the last one counts.
    setup.scope.down(&setup.peer, MonitorId(2), setup.now);
    assert_eq!(setup.scope.next_timer(), None);
    setup.scope.down(&setup.peer, MonitorId(3), setup.now);
    let pause = setup.scope.next_timer().unwrap() - setup.now;
    assert_eq!(pause, Duration::from_millis(100));
}

#[test]
fn a_scope_that_asks_while_the_search_pauses_ends_it() {
    let mut setup = Setup::new();
    setup.scope.down(&setup.peer, MonitorId(1), setup.now);
    setup.discover(1);
    assert_eq!(setup.scope.next_timer(), None);
}

#[test]
fn a_question_is_answered_with_all_local_groups_and_asked_back_once() {
    let mut setup = Setup::new();
    let local = pid(&node("own@h"), 7);
    setup.scope.local_join(&group(), &local).unwrap();
    setup.actions();

    setup.discover(1);
    let scope = || Destination::Pid(setup.of_peer(1));
    let groups = [(&group(), &[local][..])];
    let answer = message::sync(&setup.own(), groups.into_iter()).unwrap();
    let expected = [
        setup.send(scope(), answer.clone()),
        setup.monitor(scope(), 2),
        setup.demonitor(Destination::Name, 1),
        setup.send(scope(), message::discover(&setup.own())),
    ];
    assert_eq!(setup.actions(), expected);

    setup.discover(1);
    assert_eq!(
        setup.actions(),
        [setup.send(Destination::Pid(setup.of_peer(1)), answer)]
    );
}

#[test]
fn local_joins_and_leaves_are_told_to_known_scopes_only() {
    let mut setup = Setup::new();
    setup.actions();
    let local = pid(&node("own@h"), 7);
    setup.scope.local_join(&group(), &local).unwrap();
    assert_eq!(setup.actions(), []);

    setup.sync(1, &[]);
    setup.actions();
    let scope = || Destination::Pid(pid(&node("peer@h"), 1));
    setup.scope.local_join(&group(), &local).unwrap();
    let join = message::join(&setup.own(), &group(), &local).unwrap();
    assert_eq!(setup.actions(), [setup.send(scope(), join)]);

    assert!(setup.scope.local_leave(&group(), &local));
    let leave = message::leave(&setup.own(), &local, &[group()]).unwrap();
    assert_eq!(setup.actions(), [setup.send(scope(), leave)]);

    let other = Term::atom("other");
    assert!(!setup.scope.local_leave(&other, &local));
    assert_eq!(setup.actions(), []);
}

#[test]
fn a_local_process_that_ends_leaves_all_its_groups_in_one_message() {
    let mut setup = Setup::found();
    let local = pid(&node("own@h"), 7);
    let other = Term::atom("other");
    for group in [&group(), &other, &group()] {
        setup.scope.local_join(group, &local).unwrap();
    }
    setup.actions();

    assert!(setup.scope.local_exit(&local));
    let groups = [group(), group(), other];
    let leave = message::leave(&setup.own(), &local, &groups).unwrap();
    let scope = Destination::Pid(setup.of_peer(1));
    assert_eq!(setup.actions(), [setup.send(scope, leave)]);
    assert!(setup.scope.members(&group()).is_empty());
    assert!(!setup.scope.local_exit(&local));
}

#[test]
fn a_node_that_drains_leaves_with_every_process() {
    let mut setup = Setup::found();
    let (seven, eight) = (pid(&node("own@h"), 7), pid(&node("own@h"), 8));
    setup.scope.local_join(&group(), &seven).unwrap();
    setup.scope.local_join(&group(), &eight).unwrap();
    setup.scope.local_join(&group(), &eight).unwrap();
    setup.actions();

    assert!(setup.scope.local_leave_all());
    let scope = || Destination::Pid(pid(&node("peer@h"), 1));
    let own = setup.own();
    let left = |pid, times: usize| message::leave(&own, pid, &vec![group(); times]).unwrap();
    assert_eq!(
        setup.actions(),
        [
            setup.send(scope(), left(&seven, 1)),
            setup.send(scope(), left(&eight, 2)),
        ]
    );
    assert!(!setup.scope.local_leave_all());
}

#[test]
fn a_sync_replaces_what_was_known() {
    let mut setup = Setup::found();
    setup.join(1, &group(), 2);
    setup.join(1, &Term::atom("other"), 2);
    let (second, third) = (setup.of_peer(2), setup.of_peer(3));
    for _ in 0..2 {
        setup.sync(1, &[(&group(), &[second.clone(), third.clone()])]);
        assert_eq!(setup.members(), [2, 3]);
        assert!(setup.scope.groups().eq([&group()]));
    }
}

#[test]
fn a_process_is_in_a_group_as_often_as_it_joined() {
    let mut setup = Setup::found();
    setup.join(1, &group(), 2);
    setup.join(1, &group(), 2);
    setup.join(1, &group(), 3);
    setup.leave(1, 2, &[group()]);
    assert_eq!(setup.members(), [2, 3]);
    setup.leave(1, 2, &[group(), group()]);
    assert_eq!(setup.members(), [3]);
    setup.leave(1, 3, &[Term::atom("other"), group()]);
    assert_eq!(setup.members(), []);
    assert_eq!(setup.scope.groups().len(), 0);
}

#[test]
fn what_is_here_is_encoded_anew_only_when_it_changes() {
    let mut setup = Setup::found();
    let own = pid(&node("own@h"), 7);
    let asked = |setup: &mut Setup| {
        setup.actions();
        setup.discover(9);
        match &setup.actions()[..] {
            [Action::Send { message, .. }, ..] => message.clone(),
            other => panic!("{other:?}"),
        }
    };
    setup.scope.local_join(&group(), &own).unwrap();
    let first = asked(&mut setup);
    assert_eq!(asked(&mut setup).as_ptr(), first.as_ptr());

    setup.scope.local_join(&group(), &own).unwrap();
    let second = asked(&mut setup);
    assert_ne!(second, first);
    assert!(setup.scope.local_leave(&group(), &own));
    assert_eq!(asked(&mut setup), first);
}

#[test]
fn strangers_are_ignored_and_counted() {
    let mut setup = Setup::found();
    setup.join(9, &group(), 2);
    setup.leave(9, 2, &[group()]);
    setup.sync(9, &[(&group(), &[setup.of_peer(2)])]);
    setup.receive(message::discover(&setup.own()));
    let unconnected = node("other@h");
    let scope = pid(&unconnected, 1);
    let question = Message::Discover { scope };
    setup.scope.message(&unconnected, Ok(question));

    assert_eq!(setup.members(), []);
    assert_eq!(setup.actions(), []);
    assert_eq!(setup.scope.ignored(), 5);
}

#[test]
fn the_end_of_a_scope_takes_its_announcements_along() {
    let mut setup = Setup::found();
    setup.join(1, &group(), 2);
    setup.changes();
    setup.scope.down(&setup.peer, MonitorId(2), setup.now);
    assert_eq!(setup.members(), []);
    assert_eq!(setup.changes().len(), 1);

    // What it sent before is late.
    setup.join(1, &group(), 2);
    assert_eq!(setup.members(), []);
}

#[test]
fn the_end_of_a_predecessor_does_not_touch_its_successor() {
    let mut setup = Setup::found();
    setup.join(1, &group(), 2);
    setup.discover(9);
    assert_eq!(setup.members(), []);
    let demonitor = setup.demonitor(Destination::Pid(setup.of_peer(1)), 2);
    assert!(setup.actions().contains(&demonitor));
    setup.sync(9, &[(&group(), &[setup.of_peer(3)])]);

    setup.scope.down(&setup.peer, MonitorId(2), setup.now);
    setup.sync(1, &[]);
    assert_eq!(setup.members(), [3]);
    assert_eq!(setup.scope.next_timer(), None);
}

#[test]
fn a_lost_link_takes_everything_of_the_peer_along() {
    let mut setup = Setup::found();
    setup.join(1, &group(), 2);
    setup.scope.link_down(&setup.peer);
    assert_eq!(setup.members(), []);
    assert_eq!(setup.actions(), []);

    let mut setup = Setup::new();
    setup.scope.down(&setup.peer, MonitorId(1), setup.now);
    setup.scope.link_down(&setup.peer);
    assert_eq!(setup.scope.next_timer(), None);
}

#[test]
fn a_link_in_the_place_of_another_is_searched_anew() {
    let mut setup = Setup::found();
    setup.join(1, &group(), 2);
    setup.scope.link_up(&setup.peer);
    assert_eq!(setup.members(), []);
    let question = message::discover(&setup.own());
    assert_eq!(
        setup.actions(),
        [
            setup.monitor(Destination::Name, 3),
            setup.send(Destination::Name, question),
        ]
    );
}

#[test]
fn memberships_beyond_the_bound_are_refused_and_counted() {
    let mut setup = Setup::found();
    for id in 0..BOUND.memberships as u32 + 2 {
        setup.join(1, &group(), id);
    }
    assert_eq!(setup.members(), [0, 1, 2, 3]);
    assert_eq!(setup.scope.refused(&setup.peer), 2);

    // What leaves makes room.
    setup.leave(1, 0, &[group()]);
    setup.join(1, &group(), 9);
    assert_eq!(setup.members(), [1, 2, 3, 9]);

    let pids: Vec<_> = (10..20).map(|id| setup.of_peer(id)).collect();
    setup.sync(1, &[(&Term::atom("a"), &pids[..2]), (&group(), &pids[2..])]);
    assert_eq!(setup.members(), [12, 13]);
    assert_eq!(setup.scope.refused(&setup.peer), 2 + 6);
}

#[test]
fn every_change_of_a_group_is_told_once_with_a_greater_version() {
    let mut setup = Setup::found();
    setup.join(1, &group(), 2);
    let joined = setup.changes();
    setup.sync(1, &[(&group(), &[setup.of_peer(2)])]);
    assert_eq!(setup.changes(), [], "nothing has changed");
    setup.scope.local_join(&group(), &setup.own()).unwrap();
    let both = setup.changes();
    setup.leave(1, 2, &[group()]);
    setup.scope.local_exit(&setup.own());
    let empty = setup.changes();

    let of = |changes: &[GroupChange]| match changes {
        [change] => (
            change.group.clone(),
            change.members.version(),
            change.members.len(),
        ),
        other => panic!("not one change: {other:?}"),
    };
    let (joined, both, empty) = (of(&joined), of(&both), of(&empty));
    assert_eq!((joined.2, both.2, empty.2), (1, 2, 0));
    assert!(joined.1 < both.1 && both.1 < empty.1);
}
