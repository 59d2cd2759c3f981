//! What the names of groups may cost.

use beam_term::{Atom, Fun, Reference};

use super::tests::{Setup, node, pid};
use super::*;
use crate::group::{Bound, bound::name_bytes, message::GROUP_NAME_BYTES};

/// A name of its own for each number.
type Name = fn(u32) -> Term;

/// The most terms that fit.
fn many(number: u32, element: &Term, count: usize) -> Term {
    let rest = std::iter::repeat_n(element.clone(), count);
    Term::list(std::iter::once(Term::from(number)).chain(rest))
}

fn nested(number: u32, levels: usize, wrap: fn(Term) -> Term) -> Term {
    (0..levels).fold(Term::from(number), |inner, _| wrap(inner))
}

const NAMES: [(&str, Name); 10] = [
    ("nils", |number| many(number, &Term::nil(), 1_000)),
    ("nested lists", |number| {
        nested(number, 160, |inner| Term::list([inner]))
    }),
    ("nested tuples", |number| {
        nested(number, 400, |inner| Term::tuple([inner]))
    }),
    ("maps", |number| {
        let entries = (0..250_i64).map(|key| (Term::from(key), Term::nil()));
        Term::tuple([Term::from(number), Term::Map(entries.collect())])
    }),
    ("pids", |number| {
        let pid = pid(&node("a@h"), 7);
        many(number, &Term::from(pid), 50)
    }),
    ("references", |number| {
        let reference = Reference::new(Atom::from_static("a@h"), 1, &[1, 2, 3]).unwrap();
        many(number, &Term::from(reference), 35)
    }),
    ("funs", |number| {
        let (module, function) = (Atom::from_static("a"), Atom::from_static("b"));
        let fun = Fun::Export {
            module,
            function,
            arity: 1,
        };
        many(number, &Term::Fun(Box::new(fun)), 100)
    }),
    ("large integers", |number| {
        let large = "1180591620717411303424".parse().unwrap();
        many(number, &large, 80)
    }),
    ("binaries", |number| {
        Term::tuple([Term::from(number), Term::binary(vec![7; 1_000])])
    }),
    ("published values", |number| {
        let carrying = "{'$published', key, 1, value}".parse::<Term>().unwrap();
        let mut elements = carrying.as_tuple().unwrap().to_vec();
        elements[2] = Term::from(number);
        elements[3] = many(number, &Term::nil(), 900);
        Term::Tuple(elements)
    }),
];

#[test]
fn names_take_no_more_memory_than_there_is_room_for() {
    const ROOM: usize = 2 * 1024 * 1024;
    let bound = Bound {
        memberships: 65_536,
        name_bytes: ROOM,
    };
    for (kind, name) in NAMES {
        let own = node("own@h");
        let peer = node("peer@h");
        let mut scope = Scope::new(own.clone(), pid(&own, 1), bound);
        scope.link_up(&peer);
        let member = [pid(&peer, 2)];
        let names: Vec<_> = (0..1_000).map(name).collect();
        assert!(
            names[0].to_bytes().unwrap().len() <= GROUP_NAME_BYTES,
            "{kind}"
        );
        let entries = names.iter().map(|name| (name, &member[..]));
        let sync = message::sync(&pid(&peer, 1), entries).unwrap();
        let sync = beam_term::Reader::new(sync).raw().unwrap();
        drop(names);

        let counted = allocation_counter::measure(|| {
            let message = Message::parse(&sync, peer.as_atom(), bound, &|_| Pids::default());
            scope.message(&peer, message);
        });

        let count = scope.memberships(&peer);
        assert!(scope.refused(&peer) > 0, "{kind}: {count}");
        assert_eq!(scope.refused(&peer) + count as u64, 1_000);
        // Processes, and what the tables take for each name besides, are bounded by their number.
        let most = (ROOM + count * 1_024) as u64;
        assert!(
            counted.bytes_max < most,
            "{kind}: {count} names, {counted:?}"
        );
        // The room is not given away for nothing either.
        assert!(
            counted.bytes_max > most / 8,
            "{kind}: {count} names, {counted:?}"
        );

        let groups: Vec<_> = scope.groups().cloned().collect();
        let leave = message::leave(&pid(&peer, 1), &member[0], &groups).unwrap();
        let leave = beam_term::Reader::new(leave).raw().unwrap();
        let message = Message::parse(&leave, peer.as_atom(), bound, &|_| Pids::default());
        scope.message(&peer, message);
        assert_eq!(scope.memberships(&peer), 0, "{kind}");
    }
}

#[test]
fn names_beyond_the_bound_are_refused_and_counted() {
    let group = |number: usize| Term::from(number as u32);
    let fitting = 3;
    let mut setup = Setup::found_bounded(Bound {
        memberships: 100,
        name_bytes: fitting * name_bytes(&group(0)),
    });
    for number in 0..fitting + 1 {
        setup.join(1, &group(number), 2);
    }
    assert_eq!(setup.scope.groups().len(), fitting);
    assert_eq!(setup.scope.refused(&setup.peer), 1);

    // Another process in the same group takes no more room, and what leaves makes some.
    setup.join(1, &group(0), 3);
    assert_eq!(setup.scope.refused(&setup.peer), 1);
    setup.leave(1, 2, &[group(1)]);
    setup.join(1, &group(fitting), 2);
    assert_eq!(setup.scope.refused(&setup.peer), 1);
    assert_eq!(setup.scope.groups().len(), fitting);
}

#[test]
fn what_was_accepted_is_left_though_more_than_the_bound_is_left_before_it() {
    let group = |number: usize| Term::from(number as u32);
    let mut setup = Setup::found_bounded(Bound {
        memberships: 4,
        name_bytes: 3 * name_bytes(&group(0)),
    });
    let numbers = 0..20_usize;
    for number in numbers.clone() {
        setup.join(1, &group(number), 2);
    }
    assert_eq!(setup.scope.groups().len(), 3);
    // Those that were accepted come last.
    let all: Vec<_> = numbers.rev().map(group).collect();
    setup.leave(1, 2, &all);
    assert_eq!(setup.scope.groups().len(), 0);

    let accepted = setup.of_peer(2);
    setup.join(1, &group(0), 2);
    setup.join(1, &group(0), 2);
    // Many leave at once, and the one that is known is the last of them, as often as it is there.
    let strangers = (10..20).map(|id| setup.of_peer(id));
    let pids: Vec<_> = strangers
        .chain([accepted.clone(), accepted])
        .map(Term::from)
        .collect();
    let scope = setup.of_peer(1);
    let leave = Term::tuple([
        Term::atom("leave"),
        scope.into(),
        Term::List(pids),
        Term::list([group(0)]),
    ]);
    setup.receive(leave.to_bytes().unwrap().slice(1..));
    assert_eq!(setup.scope.memberships(&setup.peer), 0);
}
