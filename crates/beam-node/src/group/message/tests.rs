use beam_term::AtomRefs;

use super::*;

const ROOM: Bound = Bound {
    memberships: 100,
    name_bytes: 1 << 20,
};

fn pid(node: &'static str, id: u32) -> Pid {
    Pid {
        node: Atom::from_static(node),
        id,
        serial: 0,
        creation: 1_795_231_072,
    }
}

fn own(id: u32) -> Pid {
    pid("c@127.0.0.1", id)
}

/// A payload as it stood in a frame, with the atoms of the frame's header.
fn captured(atoms: &[&'static str], hex: &str) -> RawTerm {
    let bytes: Vec<u8> = hex
        .split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    let atoms: AtomRefs = atoms.iter().map(|atom| Atom::from_static(atom)).collect();
    Reader::new(bytes).with_atoms(atoms).raw().unwrap()
}

fn raw(term: &Term) -> RawTerm {
    RawTerm::from_external(term.to_bytes().unwrap()).unwrap()
}

fn room(memberships: usize) -> Bound {
    Bound {
        memberships,
        ..ROOM
    }
}

fn parse(message: &RawTerm, room: Bound) -> Result<Message, DecodeError> {
    let nothing = |_: &Term| Pids::default();
    Message::parse(message, &Atom::from_static("c@127.0.0.1"), room, &nothing)
}

fn encoded(message: Bytes) -> RawTerm {
    Reader::new(message).raw().unwrap()
}

fn groups(entries: Vec<(Term, Vec<Pid>)>, dropped: usize) -> Groups {
    Groups {
        entries,
        dropped,
        ..Groups::default()
    }
}

#[test]
fn the_messages_of_otp_25_are_taken_apart() {
    let discover = captured(
        &["c@127.0.0.1", "", "rpc_load_balancer", "discover"],
        "68 02 52 03 58 52 00 00 00 00 7b 00 00 00 00 6b 01 0d 60",
    );
    assert_eq!(
        parse(&discover, ROOM),
        Ok(Message::Discover { scope: own(123) })
    );

    let sync = captured(
        &[
            "c@127.0.0.1",
            "w1@127.0.0.1",
            "$gen_cast",
            "sync",
            "my_balancer",
        ],
        "68 02 52 02 68 03 52 03 58 52 00 00 00 00 7b 00 00 00 00 6b 01 0d 60 6c 00 00 00 01 \
         68 02 52 04 6c 00 00 00 01 58 52 00 00 00 00 81 00 00 00 00 6b 01 0d 60 6a 6a",
    );
    let my_balancer = || vec![(Term::atom("my_balancer"), vec![own(129)])];
    assert_eq!(
        parse(&sync, ROOM),
        Ok(Message::Sync {
            scope: own(123),
            groups: groups(my_balancer(), 0),
        })
    );

    let join = captured(
        &["c@127.0.0.1", "w1@127.0.0.1", "join", "my_balancer"],
        "68 04 52 02 58 52 00 00 00 00 7b 00 00 00 00 6b 01 0d 60 52 03 58 52 00 00 00 00 81 \
         00 00 00 00 6b 01 0d 60",
    );
    assert_eq!(
        parse(&join, ROOM),
        Ok(Message::Join {
            scope: own(123),
            groups: groups(my_balancer(), 0),
        })
    );

    let leave = captured(
        &["c@127.0.0.1", "w1@127.0.0.1", "leave", "my_balancer"],
        "68 04 52 02 58 52 00 00 00 00 7b 00 00 00 00 6b 01 0d 60 58 52 00 00 00 00 81 00 00 \
         00 00 6b 01 0d 60 6c 00 00 00 01 52 03 6a",
    );
    assert_eq!(
        parse(&leave, ROOM),
        Ok(Message::Leave {
            scope: own(123),
            pids: vec![own(129)],
            groups: BTreeMap::from([(Term::atom("my_balancer"), 1)]),
        })
    );
}

#[test]
fn the_newer_forms_of_otp_29_are_taken_apart() {
    let scope = || Term::from(own(1));
    let discover = Term::tuple([Term::atom("discover"), scope(), Term::from(1)]);
    assert_eq!(
        parse(&raw(&discover), ROOM),
        Ok(Message::Discover { scope: own(1) })
    );

    let group = || Term::list([Term::from(1), Term::from(2)]);
    let local_data = Term::tuple([
        Term::atom("$gen_cast"),
        Term::tuple([
            Term::atom("local_data"),
            scope(),
            Term::from(1),
            Term::Map(
                [(
                    group(),
                    Term::list([Term::from(own(2)), Term::from(own(2))]),
                )]
                .into_iter()
                .collect(),
            ),
        ]),
    ]);
    assert_eq!(
        parse(&raw(&local_data), ROOM),
        Ok(Message::Sync {
            scope: own(1),
            groups: groups(vec![(group(), vec![own(2), own(2)])], 0),
        })
    );
}

#[test]
fn what_is_written_is_what_otp_25_writes() {
    let written = |message: Bytes| encoded(message).decode().unwrap().to_bytes().unwrap();
    let term = |elements: Vec<Term>| Term::tuple(elements).to_bytes().unwrap();
    let group = Term::atom("g");

    assert_eq!(
        written(discover(&own(1))),
        term(vec![Term::atom("discover"), own(1).into()])
    );
    assert_eq!(
        written(join(&own(1), &group, &own(2)).unwrap()),
        term(vec![
            Term::atom("join"),
            own(1).into(),
            group.clone(),
            own(2).into()
        ])
    );
    assert_eq!(
        written(leave(&own(1), &own(2), &[group.clone(), group.clone()]).unwrap()),
        term(vec![
            Term::atom("leave"),
            own(1).into(),
            own(2).into(),
            Term::list([group.clone(), group.clone()])
        ])
    );
    let sync_of =
        |entries: &[(&Term, &[Pid])]| written(sync(&own(1), entries.iter().copied()).unwrap());
    let cast = |groups: Term| {
        let sync = Term::tuple([Term::atom("sync"), own(1).into(), groups]);
        term(vec![Term::atom("$gen_cast"), sync])
    };
    assert_eq!(sync_of(&[]), cast(Term::nil()));
    assert_eq!(
        sync_of(&[(&group, &[own(2)])]),
        cast(Term::list([Term::tuple([
            group.clone(),
            Term::list([own(2).into()])
        ])]))
    );
}

#[test]
fn memberships_beyond_the_room_are_counted_and_left_out() {
    let pids = |ids: &[u32]| Term::list(ids.iter().map(|id| own(*id).into()));
    let entry = |group, ids: &[u32]| Term::tuple([Term::atom(group), pids(ids)]);
    let message = Term::tuple([
        Term::atom("$gen_cast"),
        Term::tuple([
            Term::atom("sync"),
            own(1).into(),
            Term::list([entry("a", &[1, 2]), entry("b", &[3, 4]), entry("c", &[5])]),
        ]),
    ]);
    let kept = vec![
        (Term::atom("a"), vec![own(1), own(2)]),
        (Term::atom("b"), vec![own(3)]),
    ];
    assert_eq!(
        parse(&raw(&message), room(3)),
        Ok(Message::Sync {
            scope: own(1),
            groups: groups(kept, 2),
        })
    );
}

#[test]
fn no_more_strange_processes_and_groups_leave_than_there_is_room_for() {
    let message = Term::tuple([
        Term::atom("leave"),
        own(1).into(),
        Term::list((2..6).map(|id| own(id).into())),
        Term::list(["a", "b", "c", "d"].map(Term::atom)),
    ]);
    let bound = Bound {
        memberships: 3,
        name_bytes: 3 * name_bytes(&Term::atom("a")),
    };
    assert_eq!(
        parse(&raw(&message), bound),
        Ok(Message::Leave {
            scope: own(1),
            pids: vec![own(2), own(3), own(4)],
            groups: ["a", "b", "c"].map(|name| (Term::atom(name), 1)).into(),
        })
    );
}

#[test]
fn what_a_peer_says_of_itself_is_no_group_and_needs_no_room() {
    let introduction = Features::OWN.name();
    let all: [(&Term, &[Pid]); 2] = [
        (&Term::atom("g"), &[own(2), own(3)]),
        (&introduction, &[own(1)]),
    ];
    let expected = |features| {
        let kept = vec![(Term::atom("g"), vec![own(2)])];
        Ok(Message::Sync {
            scope: own(1),
            groups: Groups {
                features,
                ..groups(kept, 1)
            },
        })
    };
    for (groups, features) in [(&all[..1], Features::default()), (&all, Features::OWN)] {
        let message = sync(&own(1), groups.iter().copied()).unwrap();
        assert_eq!(parse(&encoded(message), room(1)), expected(features));
    }

    let join = join(&own(1), &introduction, &own(1)).unwrap();
    let expected = Groups {
        features: Features::OWN,
        ..groups(vec![], 0)
    };
    assert_eq!(
        parse(&encoded(join), ROOM),
        Ok(Message::Join {
            scope: own(1),
            groups: expected,
        })
    );
}

#[test]
fn a_name_that_is_too_long_names_no_group() {
    let join = |name: Term| {
        let message = Term::tuple([Term::atom("join"), own(1).into(), name, own(2).into()]);
        parse(&raw(&message), ROOM)
    };
    let longest = Term::binary(vec![0; GROUP_NAME_BYTES - 6]);
    let longer = Term::binary(vec![0; GROUP_NAME_BYTES - 5]);
    let groups_of = |name: &Term| match join(name.clone()) {
        Ok(Message::Join { groups, .. }) => groups,
        other => panic!("not a join: {other:?}"),
    };
    assert_eq!(
        groups_of(&longest),
        groups(vec![(longest.clone(), vec![own(2)])], 0)
    );
    assert_eq!(groups_of(&longer), groups(vec![], 1));
    assert_eq!(check_name(&longest), Ok(()));
    assert_eq!(
        check_name(&longer),
        Err(InvalidGroup::TooLong {
            bytes: GROUP_NAME_BYTES + 1
        })
    );

    // Two bytes each, which stand for a hundred.
    let long: &'static str = "a_name_of_a_hundred_characters_that_is_only_an_index_into_the_list_of\
                              _atoms_in_the_header_of_the_frame";
    let hex = format!(
        "68 04 52 00 58 52 02 00 00 00 01 00 00 00 00 6b 01 0d 60 68 20 {} 58 52 \
                       02 00 00 00 02 00 00 00 00 6b 01 0d 60",
        "52 01 ".repeat(32)
    );
    let cached = captured(&["join", long, "c@127.0.0.1"], &hex);
    assert_eq!(
        parse(&cached, ROOM),
        Ok(Message::Join {
            scope: own(1),
            groups: groups(vec![], 1),
        })
    );
}

#[test]
fn a_peer_speaks_for_its_own_processes_only() {
    let stranger = || Term::from(pid("x@127.0.0.1", 1));
    for message in [
        Term::tuple([Term::atom("discover"), stranger()]),
        Term::tuple([
            Term::atom("join"),
            own(1).into(),
            Term::atom("g"),
            stranger(),
        ]),
        Term::tuple([
            Term::atom("leave"),
            own(1).into(),
            Term::list([stranger()]),
            Term::list([Term::atom("g")]),
        ]),
    ] {
        let error = parse(&raw(&message), ROOM).unwrap_err();
        assert!(error.to_string().contains("another node"), "{error}");
    }
}

#[test]
fn what_no_scope_says_is_an_error() {
    let scope = || Term::from(own(1));
    for message in [
        Term::atom("discover"),
        Term::tuple([]),
        Term::tuple([Term::from(1), scope()]),
        Term::tuple([Term::atom("discover"), Term::from(1)]),
        Term::tuple([Term::atom("update"), scope(), Term::nil()]),
        Term::tuple([
            Term::atom("join"),
            scope(),
            Term::atom("g"),
            Term::atom("p"),
        ]),
        Term::tuple([Term::atom("$gen_cast"), Term::atom("sync")]),
        Term::tuple([
            Term::atom("$gen_cast"),
            Term::tuple([
                Term::atom("sync"),
                scope(),
                Term::list_with_tail([], Term::atom("x")),
            ]),
        ]),
    ] {
        assert!(parse(&raw(&message), ROOM).is_err(), "{message:?}");
    }
}
