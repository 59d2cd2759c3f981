//! What holds of all messages and of all bytes.
#![allow(clippy::unwrap_used)]

use std::num::NonZeroU64;

use beam_dist::{
    Flags,
    control::{
        Control, Demonitor, Exit, Exit2, GroupLeader, Link, Monitor, MonitorExit, Recipient,
        SendTo, SpawnOptions, SpawnReply, SpawnRequest, Target, Unlink, UnlinkAck,
    },
    frame::{Encoded, Event, Fragments, FrameDecoder, FrameEncoder, FrameLimits, TICK},
};
use beam_term::{Atom, Pid, Reference, Term};
use bytes::{BufMut, BytesMut};
use proptest::{collection::vec, option, prelude::*};

const ALL: Flags = Flags::for_node(false);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_messages_in_any_pieces_arrive_as_they_were_sent(
        flags in flags(),
        sent in vec((control(), payload(), any::<bool>()), 1..20),
        pieces in vec(1..100_000_usize, 1..50),
    ) {
        let (stream, order) = send(flags, &sent);
        let heard = hear(flags, &stream, &pieces, false);
        let heard_in_place = hear(flags, &stream, &pieces, true);

        let expected: Vec<_> = order
            .into_iter()
            .map(|at| {
                let (control, payload, _) = &sent[at];
                let carries_payload = control.carries_payload() == Some(true);
                (control.clone(), carries_payload.then(|| payload.clone()))
            })
            .collect();
        prop_assert!(heard == expected);
        prop_assert!(heard_in_place == expected);
    }
}

proptest! {
    #[test]
    fn arbitrary_frames_never_do_more_than_fail(
        flags in flags(),
        frames in vec((prefix(), vec(any::<u8>(), 0..200)), 1..10),
    ) {
        let mut stream = BytesMut::new();
        for (prefix, rest) in frames {
            stream.put_u32((prefix.len() + rest.len()) as u32);
            stream.put_slice(prefix);
            stream.put_slice(&rest);
        }
        survive(flags, &stream);
    }

    #[test]
    fn damaged_frames_never_do_more_than_fail(
        flags in flags(),
        sent in vec((control(), small_term(), any::<bool>()), 1..5),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..10),
    ) {
        let (mut stream, _) = send(flags, &sent);
        for (at, byte) in damage {
            let at = at.index(stream.len());
            stream[at] = byte;
        }
        survive(flags, &stream);
    }
}

/// Encodes all messages, the fragments of large ones among later messages, and tells in which order
/// they are complete. After the messages that say so, each row of fragments gets on by one.
fn send(flags: Flags, messages: &[(Control, Term, bool)]) -> (BytesMut, Vec<usize>) {
    let encoder = FrameEncoder::new(flags, FrameLimits::default());
    let mut out = BytesMut::new();
    let mut order = Vec::new();
    let mut rows: Vec<(usize, Fragments)> = Vec::new();

    for (at, (control, payload, get_on)) in messages.iter().enumerate() {
        if control.carries_payload() == Some(true) {
            let write = |writer: &mut beam_term::Writer<'_>| writer.term(payload);
            match encoder.encode_with(control, write, &mut out).unwrap() {
                Encoded::Whole => order.push(at),
                Encoded::Fragmented(fragments) => rows.push((at, fragments)),
            }
        } else {
            encoder.encode(control, &mut out).unwrap();
            order.push(at);
        }
        if at % 3 == 0 {
            out.put_slice(&TICK);
        }
        if *get_on {
            send_one_of_each(&mut rows, &mut out, &mut order);
        }
    }
    while !rows.is_empty() {
        send_one_of_each(&mut rows, &mut out, &mut order);
    }
    (out, order)
}

fn send_one_of_each(
    rows: &mut Vec<(usize, Fragments)>,
    out: &mut BytesMut,
    order: &mut Vec<usize>,
) {
    for (at, fragments) in &mut *rows {
        out.put(fragments.next().unwrap());
        if fragments.len() == 0 {
            order.push(*at);
        }
    }
    rows.retain(|(_, fragments)| fragments.len() > 0);
}

/// All messages of a stream that arrives in pieces of these sizes, over and over; where the decoder
/// wants them, or always in the same buffer.
fn hear(
    flags: Flags,
    stream: &[u8],
    pieces: &[usize],
    in_place: bool,
) -> Vec<(Control, Option<Term>)> {
    let mut decoder = FrameDecoder::new(flags, FrameLimits::default());
    let mut buffer = BytesMut::new();
    let mut rest = stream;
    let mut heard = Vec::new();
    for piece in pieces.iter().cycle() {
        while let Some(event) = decoder.decode(&mut buffer).unwrap() {
            match event {
                Event::Tick => (),
                Event::Message(message) => {
                    let payload = message.payload.map(|payload| payload.decode().unwrap());
                    heard.push((message.control, payload));
                }
                other => panic!("{other:?}"),
            }
        }
        if rest.is_empty() {
            break;
        }
        let mut most = (*piece).min(rest.len());
        if in_place {
            let mut place = decoder.read_buffer(&mut buffer, most);
            most = most.min(place.remaining_mut());
            assert!(most > 0);
            place.put_slice(rest.split_off(..most).unwrap());
        } else {
            buffer.put_slice(rest.split_off(..most).unwrap());
        }
    }
    assert!(buffer.is_empty());
    heard
}

/// Decodes until there is nothing more or an error, and sees to it that little memory is taken.
fn survive(flags: Flags, stream: &[u8]) {
    let mut decoder = FrameDecoder::new(flags, FrameLimits::default());
    let mut buffer = BytesMut::from(stream);
    while let Ok(Some(_)) = decoder.decode(&mut buffer) {}
    assert!(buffer.capacity() <= 2 * stream.len() + 128 * 1024);
}

/// What frames begin with, or nothing.
fn prefix() -> impl Strategy<Value = &'static [u8]> {
    prop_oneof![
        Just(&b""[..]),
        Just(&b"\x83D"[..]),
        Just(&b"\x83D\0"[..]),
        Just(&b"\x83D\0h\x04a\x06"[..]),
        Just(&b"\x83D\x02\x08\0\0\x01ah\x03"[..]),
        Just(&b"\x83E\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0"[..]),
        Just(&b"\x83E\0\0\0\0\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff\0"[..]),
        Just(&b"\x83F\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01"[..]),
        Just(&b"\x83F\0\0\0\0\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xfe"[..]),
        Just(&b"p\x83"[..]),
    ]
}

fn flags() -> impl Strategy<Value = Flags> {
    let without = |flags: Flags| ALL.difference(flags);
    prop_oneof![
        Just(ALL),
        Just(without(Flags::ALTACT_SIG)),
        Just(without(Flags::DIST_HDR_ATOM_CACHE)),
        Just(without(Flags::FRAGMENTS)),
        Just(without(Flags::EXIT_PAYLOAD)),
        Just(without(Flags::DIST_HDR_ATOM_CACHE | Flags::FRAGMENTS)),
    ]
}

/// Any control message that is the same under all of the flags.
fn control() -> impl Strategy<Value = Control> {
    let pids = || (pid(), pid());
    prop_oneof![
        pids().prop_map(|(from, to)| Control::Link(Link { from, to })),
        (option::of(id()), pids()).prop_map(|(id, (from, to))| Control::Unlink(Unlink {
            id,
            from,
            to
        })),
        (id(), pids()).prop_map(|(id, (from, to))| Control::UnlinkAck(UnlinkAck { id, from, to })),
        (pids(), token()).prop_map(|((from, to), token)| Control::Exit(Exit { from, to, token })),
        (pids(), token()).prop_map(|((from, to), token)| Control::Exit2(Exit2 {
            from,
            to: Recipient::Pid(to),
            priority: false,
            token,
        })),
        (pid(), recipient(), token()).prop_map(|(from, to, token)| Control::Send(SendTo {
            from: Some(from),
            to,
            priority: false,
            token,
        })),
        pids().prop_map(|(leader, to)| Control::GroupLeader(GroupLeader { leader, to })),
        (pid(), target(), reference()).prop_map(|(from, to, reference)| Control::Monitor(
            Monitor {
                from,
                to,
                reference
            }
        )),
        (pid(), target(), reference()).prop_map(|(from, to, reference)| Control::Demonitor(
            Demonitor {
                from,
                to,
                reference
            }
        )),
        (target(), pid(), reference()).prop_map(|(from, to, reference)| Control::MonitorExit(
            MonitorExit {
                from,
                to,
                reference
            }
        )),
        (
            reference(),
            pids(),
            (atom(), atom(), any::<u32>()),
            options(),
            token()
        )
            .prop_map(
                |(request, (from, group_leader), (module, function, arity), options, token)| {
                    Control::SpawnRequest(SpawnRequest {
                        request,
                        from,
                        group_leader,
                        module,
                        function,
                        arity,
                        options,
                        token,
                    })
                }
            ),
        (reference(), pids(), any::<[bool; 3]>(), atom(), token()).prop_map(
            |(request, (to, pid), [linked, monitored, failed], reason, token)| {
                Control::SpawnReply(SpawnReply {
                    request,
                    to,
                    linked,
                    monitored,
                    result: if failed { Err(reason) } else { Ok(pid) },
                    token,
                })
            }
        ),
        Just(Control::NodeLink),
    ]
}

fn recipient() -> impl Strategy<Value = Recipient> {
    prop_oneof![
        pid().prop_map(Recipient::Pid),
        atom().prop_map(Recipient::Name),
        reference().prop_map(Recipient::Alias),
    ]
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![pid().prop_map(Target::Pid), atom().prop_map(Target::Name)]
}

fn options() -> impl Strategy<Value = SpawnOptions> {
    let others = Just(vec![Term::tuple([
        Term::atom("priority"),
        Term::atom("low"),
    ])]);
    let others = prop_oneof![Just(Vec::new()), others];
    let deadline_ms = option::of(any::<u64>());
    (any::<bool>(), any::<bool>(), deadline_ms, others).prop_map(
        |(link, monitor, deadline_ms, others)| SpawnOptions {
            link,
            monitor,
            deadline_ms,
            others,
        },
    )
}

fn token() -> impl Strategy<Value = Option<Term>> {
    option::weighted(0.2, small_term())
}

/// Small, or large enough for a few fragments.
fn payload() -> impl Strategy<Value = Term> {
    let large = (0..300_000_usize).prop_map(|bytes| Term::binary(vec![b'x'; bytes]));
    prop_oneof![4 => small_term(), 1 => large]
}

fn small_term() -> impl Strategy<Value = Term> {
    let scalar = prop_oneof![
        any::<i64>().prop_map(Term::from),
        vec(any::<u8>(), 0..20).prop_map(Term::binary),
        atom().prop_map(Term::Atom),
    ];
    scalar.prop_recursive(3, 20, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Term::tuple),
            vec(inner, 0..5).prop_map(Term::list),
        ]
    })
}

fn atom() -> impl Strategy<Value = Atom> {
    "[a-zω]{0,40}".prop_map(|text| Atom::try_from(text).unwrap())
}

fn pid() -> impl Strategy<Value = Pid> {
    (atom(), any::<[u32; 3]>()).prop_map(|(node, [id, serial, creation])| Pid {
        node,
        id,
        serial,
        creation,
    })
}

fn reference() -> impl Strategy<Value = Reference> {
    (atom(), any::<u32>(), vec(any::<u32>(), 1..=5))
        .prop_map(|(node, creation, ids)| Reference::new(node, creation, &ids).unwrap())
}

fn id() -> impl Strategy<Value = NonZeroU64> {
    any::<NonZeroU64>()
}
