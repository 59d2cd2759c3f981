//! What scopes tell each other of published values.

use super::{
    tests::{BOUND, Setup, group, node, pid},
    *,
};
use crate::group::publications::name;

fn key() -> Term {
    Term::atom("k")
}

/// A name that carries the number under the key.
fn carrying(number: i64, serial: i64) -> Term {
    name(&key(), serial, Term::from(number))
}

/// What a scope knows under the key: names of nodes, and numbers.
fn published(scope: &Scope) -> Vec<(String, i64)> {
    let values = scope.published(&key());
    let entry =
        |(node, value): (&NodeName, &Arc<Term>)| (node.to_string(), value.as_i64().unwrap());
    values.iter().map(entry).collect()
}

fn own_process() -> Pid {
    pid(&node("own@h"), 7)
}

/// The messages that the scope asks to send, with what they say.
fn sent(setup: &mut Setup) -> Vec<Bytes> {
    let message = |action| match action {
        Action::Send { message, .. } => message,
        other => panic!("{other:?}"),
    };
    setup.actions().into_iter().map(message).collect()
}

#[test]
fn a_value_is_announced_as_a_membership_and_replaced_before_it_is_withdrawn() {
    let mut setup = Setup::found();
    let process = own_process();
    let publish = |setup: &mut Setup, number: i64, replaced: Option<&Term>| {
        let value = Term::from(number);
        let scope = &mut setup.scope;
        scope
            .local_publish(&key(), value, &process, replaced)
            .unwrap()
    };
    let join = |setup: &Setup, group| message::join(&setup.own(), group, &process).unwrap();
    let leave = |setup: &Setup, group: &Term| {
        message::leave(&setup.own(), &process, std::slice::from_ref(group)).unwrap()
    };

    let first = publish(&mut setup, 1, None);
    assert_eq!(sent(&mut setup), [join(&setup, &first)]);
    let second = publish(&mut setup, 2, Some(&first));
    assert_eq!(
        sent(&mut setup),
        [join(&setup, &second), leave(&setup, &first)]
    );
    assert_eq!(published(&setup.scope), [("own@h".to_owned(), 2)]);

    setup.scope.local_exit(&process);
    assert_eq!(sent(&mut setup), [leave(&setup, &second)]);
    assert_eq!(published(&setup.scope), []);
}

#[test]
fn a_value_that_is_too_large_changes_nothing() {
    let mut setup = Setup::found();
    let process = own_process();
    let scope = &mut setup.scope;
    let first = scope.local_publish(&key(), Term::from(1), &process, None);
    let first = first.unwrap();
    setup.actions();

    let large = Term::binary(vec![0; message::GROUP_NAME_BYTES]);
    let scope = &mut setup.scope;
    let refused = scope.local_publish(&key(), large, &process, Some(&first));
    assert!(matches!(refused, Err(InvalidGroup::TooLong { bytes }) if bytes > 1_024));
    assert_eq!(setup.actions(), []);
    assert_eq!(published(&setup.scope), [("own@h".to_owned(), 1)]);
}

#[test]
fn the_value_of_a_peer_is_its_own_and_goes_with_it() {
    for end in ["leave", "scope", "link", "sync"] {
        let mut setup = Setup::found();
        setup.join(1, &carrying(3, 1), 2);
        setup.join(1, &group(), 2);
        assert_eq!(published(&setup.scope), [("peer@h".to_owned(), 3)]);
        match end {
            "leave" => setup.leave(1, 2, &[group(), carrying(3, 1)]),
            "scope" => setup.scope.down(&setup.peer, MonitorId(2), setup.now),
            "link" => setup.scope.link_down(&setup.peer),
            _ => setup.sync(1, &[]),
        }
        assert_eq!(published(&setup.scope), [], "{end}");
        assert_eq!(setup.scope.groups().len(), 0, "{end}");
    }
}

#[test]
fn a_sync_tells_values_as_joins_do() {
    let mut setup = Setup::new();
    let process = setup.of_peer(2);
    let (older, newer) = (carrying(3, 1), carrying(4, 2));
    let of_process = std::slice::from_ref(&process);
    setup.sync(1, &[(&newer, of_process), (&older, of_process)]);
    assert_eq!(published(&setup.scope), [("peer@h".to_owned(), 4)]);
    setup.sync(1, &[(&older, of_process)]);
    assert_eq!(published(&setup.scope), [("peer@h".to_owned(), 3)]);
}

#[test]
fn a_peer_cannot_speak_for_another_node() {
    let mut setup = Setup::found();
    let (scope, stranger) = (setup.of_peer(1), own_process());
    setup.receive(message::join(&scope, &carrying(3, 1), &stranger).unwrap());
    assert_eq!(published(&setup.scope), []);
    assert_eq!(setup.scope.ignored(), 1);
}

#[test]
fn values_count_as_memberships_and_are_bounded_with_them() {
    let mut setup = Setup::found();
    for number in 0..BOUND.memberships as i64 + 2 {
        let name = name(&Term::from(number), 1, Term::nil());
        setup.join(1, &name, 2);
    }
    let known = |setup: &Setup, key: i64| setup.scope.published(&Term::from(key)).len();
    assert_eq!(known(&setup, BOUND.memberships as i64 - 1), 1);
    assert_eq!(known(&setup, BOUND.memberships as i64), 0);
    assert_eq!(setup.scope.refused(&setup.peer), 2);
}

#[test]
fn a_node_that_drains_is_no_member_any_more_when_it_withdraws_its_values() {
    let mut setup = Setup::found();
    // The process that publishes was there first.
    let (publishes, joins) = (own_process(), pid(&node("own@h"), 8));
    let scope = &mut setup.scope;
    let value = scope.local_publish(&key(), Term::from(0), &publishes, None);
    let value = value.unwrap();
    scope.local_join(&group(), &joins).unwrap();
    setup.actions();

    assert!(setup.scope.local_leave_all());
    let own = setup.own();
    assert_eq!(
        sent(&mut setup),
        [
            message::leave(&own, &joins, &[group()]).unwrap(),
            message::leave(&own, &publishes, &[value]).unwrap(),
        ]
    );
    assert_eq!(published(&setup.scope), []);
}
