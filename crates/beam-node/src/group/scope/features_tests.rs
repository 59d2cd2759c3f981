//! What scopes tell each other of their nodes.

use super::{
    tests::{BOUND, Setup, group, node, pid},
    *,
};

const NONE: Features = Features { deadline_ms: false };

/// What was learned of the peer since this was last asked for.
fn learned(setup: &mut Setup) -> Vec<Features> {
    let learned = |action| match action {
        Action::Learn { peer, features } => {
            assert_eq!(peer, setup.peer);
            Some(features)
        }
        _ => None,
    };
    let actions: Vec<_> = std::iter::from_fn(|| setup.scope.next_action()).collect();
    actions.into_iter().filter_map(learned).collect()
}

/// The peer tells all that it has, and that it takes these.
fn introduce(setup: &mut Setup, scope: u32, features: Features) {
    let (name, own) = (features.name(), setup.of_peer(scope));
    let member = setup.of_peer(7);
    setup.sync(
        scope,
        &[
            (&group(), std::slice::from_ref(&member)),
            (&name, std::slice::from_ref(&own)),
        ],
    );
}

#[test]
fn what_a_peer_takes_is_learned_once_and_is_no_membership() {
    let mut setup = Setup::new();
    introduce(&mut setup, 1, Features::OWN);
    assert_eq!(learned(&mut setup), [Features::OWN]);
    introduce(&mut setup, 1, Features::OWN);
    assert_eq!(learned(&mut setup), []);

    assert_eq!(setup.scope.memberships(&setup.peer), 1);
    assert!(setup.scope.groups().eq([&group()]));
    let changed: Vec<_> = setup.changes().into_iter().map(|it| it.group).collect();
    assert_eq!(changed, [group()]);
    assert_eq!(setup.scope.next_published(), None);
    // Nor does it need room: the bound is on memberships.
    for id in 8..7 + BOUND.memberships as u32 {
        setup.join(1, &group(), id);
    }
    assert_eq!(setup.members().len(), BOUND.memberships);
    assert_eq!(setup.scope.refused(&setup.peer), 0);
}

#[test]
fn what_a_peer_takes_is_forgotten_with_its_scope() {
    // By what the peer does, and what is left to be known of it.
    for end in ["sync", "down", "another", "discover"] {
        let mut setup = Setup::new();
        introduce(&mut setup, 1, Features::OWN);
        learned(&mut setup);
        match end {
            "sync" => setup.sync(1, &[]),
            "down" => setup.scope.down(&setup.peer, MonitorId(2), setup.now),
            "another" => introduce(&mut setup, 1, NONE),
            _ => setup.discover(2),
        }
        assert_eq!(learned(&mut setup), [NONE], "{end}");
        if end != "another" && end != "sync" {
            introduce(&mut setup, 2, Features::OWN);
            assert_eq!(learned(&mut setup), [Features::OWN], "{end}");
        }
    }
    // A new connection begins with nothing known.
    let mut setup = Setup::new();
    introduce(&mut setup, 1, Features::OWN);
    learned(&mut setup);
    setup.scope.link_up(&setup.peer.clone());
    assert_eq!(learned(&mut setup), []);
    introduce(&mut setup, 1, Features::OWN);
    assert_eq!(learned(&mut setup), [Features::OWN]);
}

#[test]
fn what_a_stranger_says_is_not_learned() {
    let mut setup = Setup::found();
    introduce(&mut setup, 3, Features::OWN);
    setup.join(3, &Features::OWN.name(), 3);
    assert_eq!(learned(&mut setup), []);
    setup.join(1, &Features::OWN.name(), 7);
    assert_eq!(learned(&mut setup), []);
    setup.join(1, &Features::OWN.name(), 1);
    assert_eq!(learned(&mut setup), [Features::OWN]);
}

#[test]
fn a_scope_introduces_its_node_for_as_long_as_it_lives() {
    let mut setup = Setup::new();
    let own = node("own@h");
    let scope = Scope::new(own.clone(), pid(&own, 1), BOUND);
    setup.scope = scope.introducing(Features::OWN);
    setup.scope.link_up(&setup.peer);
    let introduction = Features::OWN.name();
    let own = [setup.own()];
    let synced = |setup: &mut Setup, groups: &[(&Term, &[Pid])]| {
        setup.actions();
        setup.discover(1);
        let to = Destination::Pid(setup.of_peer(1));
        let message = message::sync(&setup.own(), groups.iter().copied()).unwrap();
        assert!(setup.actions().contains(&setup.send(to, message)));
    };
    synced(&mut setup, &[(&introduction, &own)]);

    let member = pid(&node("own@h"), 7);
    setup.scope.local_join(&group(), &member).unwrap();
    let members = [member];
    synced(&mut setup, &[(&group(), &members), (&introduction, &own)]);
    // It is nothing that a process could leave, and nothing that keeps a node that shuts down.
    assert!(setup.scope.local_leave_all());
    assert!(!setup.scope.local_leave_all());
    synced(&mut setup, &[(&introduction, &own)]);
    assert_eq!(setup.scope.groups().len(), 0);
}
