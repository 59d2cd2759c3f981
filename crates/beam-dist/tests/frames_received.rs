//! What a decoder makes of frames, of good ones and of bad ones.
#![allow(clippy::unwrap_used)]

use std::slice::from_ref;

use allocation_counter::measure;
use beam_dist::{
    Flags, Message,
    control::Control,
    frame::{
        Event, FRAGMENT_BYTES, FrameDecodeError, FrameDecoder, FrameLimits, SpareMemory, TICK,
    },
};
use beam_term::{Atom, DecodeErrorKind, Limits, Pid, Term};
use bytes::{BufMut, BytesMut};

const OTP_25: Flags = Flags::from_bits_retain(0xd_07df_7fbd);
const NO_CACHE: Flags = OTP_25.difference(Flags::DIST_HDR_ATOM_CACHE);
const NO_FRAGMENTS: Flags = OTP_25.difference(Flags::FRAGMENTS);
const PASS_THROUGH: Flags = NO_CACHE.intersection(NO_FRAGMENTS);

const LIMITS: FrameLimits = FrameLimits {
    message_bytes: 1000,
    sequences: 3,
    assembly_bytes: 2000,
};

#[test]
fn ticks_may_come_at_any_time() {
    let message = frame(&[HEADER, &send(b"a\x07")]);
    let stream = [&TICK[..], &TICK, &message, &TICK].concat();

    let kinds: Vec<_> = events(OTP_25, &stream)
        .into_iter()
        .map(|event| matches!(event.unwrap(), Event::Tick))
        .collect();
    assert_eq!(kinds, [true, true, false, true]);
}

#[test]
fn each_negotiated_form_is_understood_and_no_other() {
    let header = frame(&[HEADER, &send(b"a\x07")]);
    let first = frame(&[&first(1, 1), &send(b"a\x07")]);
    let pass_through = frame(&[b"p\x83", &send(b"\x83a\x07")]);
    let all = [&header, &first, &pass_through];

    for (flags, understood) in [
        (OTP_25, [true, true, false]),
        (NO_CACHE, [true, true, false]),
        (NO_FRAGMENTS, [true, false, false]),
        (PASS_THROUGH, [false, false, true]),
    ] {
        for (frame, understood) in all.into_iter().zip(understood) {
            match only(flags, frame) {
                Ok(event) => {
                    assert!(understood);
                    assert_eq!(payload(event), Term::from(7));
                }
                Err(error) => {
                    assert!(!understood);
                    assert!(matches!(error, FrameDecodeError::Form { .. }), "{error}");
                }
            }
        }
    }
}

#[test]
fn a_term_with_a_version_behind_a_header_is_refused() {
    let control = only(OTP_25, &frame(&[HEADER, b"\x83", &send(b"a\x07")]));
    let payload = only(OTP_25, &frame(&[HEADER, &send(b"\x83a\x07")]));
    let missing = only(PASS_THROUGH, &frame(&[b"p\x83", &send(b"a\x07")]));

    assert!(matches!(control, Err(FrameDecodeError::Control(_))));
    assert!(matches!(payload, Err(FrameDecodeError::Payload(_))));
    assert!(matches!(
        missing,
        Err(FrameDecodeError::Form { found: b'a' })
    ));
}

#[test]
fn a_frame_gives_nothing_until_its_last_byte() {
    for (flags, frame) in samples() {
        for end in 0..frame.len() {
            let mut buffer = BytesMut::from(&frame[..end]);
            let event = FrameDecoder::new(flags, LIMITS).decode(&mut buffer);
            assert!(matches!(event, Ok(None)), "{event:?} after {end} bytes");
            assert_eq!(buffer, frame[..end]);
        }
        assert!(only(flags, &frame).is_ok());
    }
}

#[test]
fn a_frame_that_ends_early_or_late_is_refused() {
    for (flags, frame) in samples() {
        for end in TICK.len() + 1..frame.len() {
            let cut = self::frame(&[&frame[TICK.len()..end]]);
            assert!(only(flags, &cut).is_err(), "cut after {end} bytes");
        }
        let longer = self::frame(&[&frame[TICK.len()..], b"j"]);
        assert_eq!(
            only(flags, &longer).unwrap_err(),
            FrameDecodeError::Surplus { bytes: 1 }
        );
    }
}

#[test]
fn a_payload_comes_with_the_control_messages_that_carry_one_and_with_no_other() {
    let missing = only(OTP_25, &frame(&[HEADER, &send(b"")]));
    assert_eq!(missing.unwrap_err(), FrameDecodeError::MissingPayload);

    let link = control(&[Term::from(1), pid(1), pid(2)]);
    assert!(only(OTP_25, &frame(&[HEADER, &link])).is_ok());
    let surplus = only(OTP_25, &frame(&[HEADER, &link, b"a\x07"]));
    assert_eq!(surplus.unwrap_err(), FrameDecodeError::Surplus { bytes: 2 });
}

#[test]
fn an_unknown_operation_may_have_a_payload() {
    let unknown = control(&[Term::from(99), pid(1)]);
    for payload in [&b""[..], b"a\x07"] {
        let event = only(OTP_25, &frame(&[HEADER, &unknown, payload])).unwrap();
        let message = message(event);
        assert_eq!(message.control, Control::Unknown(99));
        assert_eq!(message.payload.is_some(), !payload.is_empty());
    }
}

#[test]
fn a_reason_inside_the_control_message_becomes_the_payload() {
    let pids = [pid(1), pid(2)];
    let exit = |operation: i64, rest: &[Term]| {
        let elements = [&[Term::from(operation)][..], &pids, rest].concat();
        control(&elements)
    };
    let reference = Term::from_bytes(&b"\x83Z\x00\x01w\x01a\x00\x00\x00\x01\x00\x00\x00\x07"[..]);
    let token = Term::atom("token");
    let killed = Term::atom("killed");
    for control in [
        exit(3, from_ref(&killed)),
        exit(13, &[token.clone(), killed.clone()]),
        exit(8, from_ref(&killed)),
        exit(18, &[token, killed.clone()]),
        exit(21, &[reference.unwrap(), killed.clone()]),
    ] {
        let event = only(OTP_25, &frame(&[HEADER, &control])).unwrap();
        assert_eq!(payload(event), killed);

        let event = only(PASS_THROUGH, &frame(&[b"p\x83", &control])).unwrap();
        assert_eq!(payload(event), killed);

        let surplus = only(OTP_25, &frame(&[HEADER, &control, b"a\x07"]));
        assert_eq!(surplus.unwrap_err(), FrameDecodeError::Surplus { bytes: 2 });
    }
}

#[test]
fn a_payload_beyond_the_limits_of_terms_is_refused_and_the_link_goes_on() {
    let deep = [b"l\0\0\0\x01".repeat(600), b"j".repeat(601)].concat();
    let stream = [
        frame(&[HEADER, &send(&deep)]),
        frame(&[HEADER, &send(b"a\x07")]),
    ];
    let limits = FrameLimits::default();
    let mut decoder = FrameDecoder::new(OTP_25, limits);
    let mut buffer = BytesMut::from(&stream.concat()[..]);

    let Some(Event::Refused { control, error }) = decoder.decode(&mut buffer).unwrap() else {
        panic!("a payload of this depth is taken");
    };
    assert!(matches!(control, Control::Send(_)));
    assert!(matches!(
        error.kind(),
        DecodeErrorKind::TooDeep { limit: 512 }
    ));
    let next = decoder.decode(&mut buffer).unwrap().unwrap();
    assert_eq!(payload(next), Term::from(7));
}

#[test]
fn the_limits_of_terms_can_be_set() {
    let mut limits = Limits::default();
    limits.depth = 2;
    for (flags, nested) in [
        (OTP_25, [&b"h\x01h\x01j"[..], b"h\x01h\x01h\x01j"]),
        (PASS_THROUGH, [b"\x83h\x01h\x01j", b"\x83h\x01h\x01h\x01j"]),
    ] {
        let mut decoder = FrameDecoder::new(flags, LIMITS).with_term_limits(limits);
        let mut decode = |payload: &[u8]| {
            let header: &[u8] = if flags == OTP_25 { HEADER } else { b"p\x83" };
            let mut buffer = BytesMut::from(&frame(&[header, &send(payload)])[..]);
            decoder.decode(&mut buffer).unwrap().unwrap()
        };

        let shallow = decode(nested[0]);
        assert_eq!(payload(shallow), "{{[]}}".parse().unwrap());
        let Event::Refused { error, .. } = decode(nested[1]) else {
            panic!("a payload of this depth is taken");
        };
        assert_eq!(error, DecodeErrorKind::TooDeep { limit: 2 });
    }
}

#[test]
fn hostile_terms_are_refused() {
    let payloads: &[&[u8]] = &[
        b"l\xff\xff\xff\xff",
        b"i\xff\xff\xff\xff",
        b"t\xff\xff\xff\xff",
        b"m\xff\xff\xff\xff",
        b"o\xff\xff\xff\xff\0",
        b"l\x00\x98\x96\x80",
        b"d\xff\xff",
        b"R\x00",
        b"R\xff",
        b"P\0\0\0\x01",
        b"X".repeat(300).leak(),
        b"l\x00\x98\x96\x80".repeat(60).leak(),
    ];
    for hostile in payloads {
        let payload = only(OTP_25, &frame(&[HEADER, &send(hostile)]));
        assert!(
            matches!(payload, Err(FrameDecodeError::Payload(_))),
            "{payload:?}"
        );
        let inside = [&b"h\x03a\x01"[..], hostile, hostile].concat();
        for control in [hostile, &&inside[..]] {
            let control = only(OTP_25, &frame(&[HEADER, control]));
            assert!(
                matches!(control, Err(FrameDecodeError::Control(_))),
                "{control:?}"
            );
        }
    }
}

#[test]
fn a_header_fills_the_cache_and_later_headers_use_it() {
    let (mut decoder, mut buffer) = (FrameDecoder::new(OTP_25, LIMITS), BytesMut::new());
    let mut said = |refs: &[Ref<'_>], long| {
        buffer.put(&frame(&[b"\x83D", &atoms(refs, long), &send(b"h\x02R\x00R\x01")])[..]);
        payload(decoder.decode(&mut buffer).unwrap().unwrap())
    };
    let of = |atoms: [&'static str; 2]| Term::tuple(atoms.map(Term::atom));

    let new = [Ref::New(7, 255, "seven"), Ref::New(0, 255, "zero")];
    assert_eq!(said(&new, false), of(["seven", "zero"]));
    let known = [Ref::Known(0, 255), Ref::Known(7, 255), Ref::Known(7, 255)];
    assert_eq!(said(&known, false), of(["zero", "seven"]));
    let long: &'static str = "ω".repeat(255).leak();
    let replaced = [Ref::New(7, 255, long), Ref::Known(0, 255)];
    assert_eq!(said(&replaced, true), of([long, "zero"]));
    assert_eq!(said(&known, false), of(["zero", long]));
    // A slot can change its atom within a header.
    let twice = [Ref::New(0, 255, "0"), Ref::New(0, 255, "zero")];
    assert_eq!(said(&twice, false), of(["0", "zero"]));
}

#[test]
fn a_header_can_refer_to_255_atoms() {
    for count in [1, 2, 3, 254, 255] {
        let texts: Vec<_> = (0..count).map(|at| format!("atom_{at}")).collect();
        let new = (0..)
            .zip(&texts)
            .map(|(at, text)| Ref::New(at as u8 % 8, at as u8, text));
        let last = send(&[b'R', count - 1]);
        let frame = frame(&[b"\x83D", &atoms(&new.collect::<Vec<_>>(), false), &last]);
        let mut decoder = FrameDecoder::new(OTP_25, FrameLimits::default());
        let event = decoder
            .decode(&mut BytesMut::from(&frame[..]))
            .unwrap()
            .unwrap();
        assert_eq!(
            payload(event).as_atom().unwrap(),
            &*texts[usize::from(count) - 1]
        );
    }
}

#[test]
fn corrupted_headers_are_refused() {
    let truncated = FrameDecodeError::TruncatedHeader;
    let headers: &[(&[u8], FrameDecodeError)] = &[
        (b"\x83", truncated.clone()),
        (b"\x83D", truncated.clone()),
        (b"\x83D\x01", truncated.clone()),
        (b"\x83D\xff", truncated.clone()),
        (b"\x83D\x01\x08", truncated.clone()),
        (b"\x83D\x01\x08\x00", truncated.clone()),
        (b"\x83D\x01\x08\x00\x05atom", truncated.clone()),
        (b"\x83D\x01\x18\x00\xff\xff", truncated.clone()),
        (b"\x83E\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0", truncated.clone()),
        (b"\x83F\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0", truncated.clone()),
        (b"\x83D\x01\x00\x07", FrameDecodeError::EmptyCacheSlot),
        (
            b"\x83D\x01\x08\x00\x02\xff\xff",
            FrameDecodeError::InvalidAtom,
        ),
        (b"\x83G\x00", FrameDecodeError::Form { found: b'G' }),
        (b"\x00", FrameDecodeError::Form { found: 0 }),
    ];
    for (header, error) in headers {
        assert_eq!(only(OTP_25, &frame(&[header])).unwrap_err(), *error);
    }
    let too_long = "a".repeat(256);
    let header = atoms(&[Ref::New(0, 0, &too_long)], true);
    let error = only(OTP_25, &frame(&[b"\x83D", &header])).unwrap_err();
    assert_eq!(error, FrameDecodeError::InvalidAtom);
    let header = atoms(&[Ref::New(0, 0, "atom")], false);
    let error = only(NO_CACHE, &frame(&[b"\x83D", &header])).unwrap_err();
    assert_eq!(error, FrameDecodeError::NoAtomCache);
}

#[test]
fn an_index_beyond_the_header_is_refused() {
    let refs = atoms(&[Ref::New(0, 0, "atom")], false);
    for terms in [&b"R\x01"[..], b"h\x01R\x01", &send(b"R\x01")] {
        assert!(only(OTP_25, &frame(&[b"\x83D", &refs, terms])).is_err());
    }
}

#[test]
fn fragments_of_several_messages_alternate() {
    let text = |byte: u8, len| Term::binary(vec![byte; len]);
    let sent = [text(b'x', 300), text(b'y', 400), text(b'z', 5)];
    let whole = sent
        .clone()
        .map(|text| send(&text.to_bytes().unwrap()[1..]));
    let parts = |at: usize, cuts: &[usize]| {
        let mut rest = &whole[at][..];
        let mut frames = Vec::new();
        for (id, length) in (1..=cuts.len() as u64).rev().zip(cuts) {
            let part = rest.split_off(..*length).unwrap();
            let header = match frames.len() {
                0 => first(at as u64, id),
                _ => further(at as u64, id),
            };
            frames.push(frame(&[&header, part]));
        }
        assert!(rest.is_empty());
        frames
    };
    // The first cut goes through a control message.
    let x = parts(0, &[10, 200, whole[0].len() - 210]);
    let y = parts(1, &[whole[1].len() - 1, 0, 1]);
    let z = parts(2, &[whole[2].len()]);
    let stream = [
        &x[0],
        &y[0],
        &z[0],
        &x[1],
        &y[1],
        &TICK.to_vec(),
        &y[2],
        &x[2],
    ];
    let stream: Vec<u8> = stream.into_iter().flatten().copied().collect();

    let heard: Vec<_> = events(OTP_25, &stream)
        .into_iter()
        .filter_map(|event| match event.unwrap() {
            Event::Message(message) => Some(message.payload.unwrap().decode().unwrap()),
            _ => None,
        })
        .collect();
    assert_eq!(heard, [sent[2].clone(), sent[1].clone(), sent[0].clone()]);
}

#[test]
fn all_fragments_of_a_message_use_the_atoms_of_its_first() {
    let terms = send(b"h\x03R\x00R\x00R\x01");
    let (start, end) = terms.split_at(terms.len() - 3);
    let refs = |text| atoms(&[Ref::New(0, 0, text), Ref::New(0, 1, "one")], false);
    let first = [&first(9, 2)[..18], &refs("zero")].concat();
    let other = frame(&[b"\x83D", &refs("other"), &send(b"R\x00")]);
    let stream = [
        frame(&[&first, start]),
        other,
        frame(&[&further(9, 1), end]),
    ]
    .concat();

    let heard: Vec<_> = events(OTP_25, &stream)
        .into_iter()
        .map(|event| payload(event.unwrap()))
        .collect();
    let [zero, one, other] = ["zero", "one", "other"].map(Term::atom);
    assert_eq!(heard, [other, Term::tuple([zero.clone(), zero, one])]);
}

#[test]
fn fragments_out_of_order_are_refused() {
    let order = |expected, found| FrameDecodeError::FragmentOrder {
        sequence: 1,
        expected,
        found,
    };
    let began = frame(&[&first(1, 3), b"x"]);
    let further = |sequence, id| frame(&[&further(sequence, id), b"x"]);
    for (next, error) in [
        (further(1, 1), order(2, 1)),
        (further(1, 3), order(2, 3)),
        (further(1, 0), order(2, 0)),
        (
            further(2, 2),
            FrameDecodeError::UnknownSequence { sequence: 2 },
        ),
        (
            began.clone(),
            FrameDecodeError::DuplicateSequence { sequence: 1 },
        ),
        (
            frame(&[&first(2, 0), b"x"]),
            FrameDecodeError::NoFragments { sequence: 2 },
        ),
    ] {
        let events = events(OTP_25, &[began.clone(), next].concat());
        assert_eq!(events.into_iter().next_back().unwrap().unwrap_err(), error);
    }
    // A sequence that ended is as unknown as one that never began, and can begin again.
    let message = frame(&[&first(1, 1), &send(b"a\x07")]);
    let again = [message.clone(), message, further(1, 1)].concat();
    let events = events(OTP_25, &again);
    assert!(events[0].is_ok() && events[1].is_ok());
    assert!(matches!(
        events[2],
        Err(FrameDecodeError::UnknownSequence { sequence: 1 })
    ));
}

#[test]
fn no_more_messages_than_allowed_are_under_assembly() {
    let mut stream: Vec<_> = (1..=3)
        .flat_map(|sequence| frame(&[&first(sequence, 2), b"x"]))
        .collect();
    assert!(events(OTP_25, &stream).is_empty());

    stream.extend(frame(&[&first(4, 2), b"x"]));
    let error = events(OTP_25, &stream).remove(0).unwrap_err();
    assert_eq!(error, FrameDecodeError::TooManySequences { limit: 3 });
}

#[test]
fn no_more_bytes_than_allowed_are_under_assembly() {
    // Headers count, for the atoms that they list are kept.
    let header = first(1, 2).len();
    let begun = |sequence, bytes| frame(&[&first(sequence, 2), &vec![b'x'; bytes - header]]);
    let mut stream = [begun(1, 700), begun(2, 700), begun(3, 600)].concat();
    assert!(events(OTP_25, &stream).is_empty());

    stream.extend(frame(&[&further(3, 1), b"x"]));
    let error = events(OTP_25, &stream).remove(0).unwrap_err();
    assert_eq!(
        error,
        FrameDecodeError::TooMuchUnderAssembly { limit: 2000 }
    );
}

#[test]
fn what_was_assembled_makes_room_for_more() {
    let whole = send(&Term::binary(vec![b'x'; 800]).to_bytes().unwrap()[1..]);
    let (start, end) = whole.split_at(500);
    let message = |sequence| {
        [
            frame(&[&first(sequence, 2), start]),
            frame(&[&further(sequence, 1), end]),
        ]
    };
    let stream: Vec<u8> = (0..10).flat_map(message).flatten().collect();

    let events = events(OTP_25, &stream);
    assert_eq!(events.len(), 10);
    assert!(events.iter().all(Result::is_ok));
}

#[test]
fn a_message_that_is_too_large_is_refused() {
    let longest = [&1000_u32.to_be_bytes()[..], b"p"].concat();
    assert!(events(OTP_25, &longest).is_empty());
    let too_long = 1001_u32.to_be_bytes();
    let too_large = |bytes| FrameDecodeError::MessageTooLarge { bytes, limit: 1000 };
    assert_eq!(
        events(OTP_25, &too_long).remove(0).unwrap_err(),
        too_large(1001)
    );

    let mut stream = frame(&[&first(1, 9), &[b'x'; 900]]);
    stream.extend(frame(&[&further(1, 8), &[b'x'; 100]]));
    assert!(events(OTP_25, &stream).is_empty());
    stream.extend(frame(&[&further(1, 7), b"x"]));
    assert_eq!(
        events(OTP_25, &stream).remove(0).unwrap_err(),
        too_large(1001)
    );
}

#[test]
fn room_is_made_for_what_arrives_not_for_what_is_claimed() {
    let mut decoder = FrameDecoder::new(OTP_25, FrameLimits::default());
    let claim = 200 * 1024 * 1024_u32;
    let mut buffer = BytesMut::from(&claim.to_be_bytes()[..]);
    assert!(decoder.decode(&mut buffer).unwrap().is_none());
    assert!(buffer.capacity() <= 128 * 1024);

    buffer.put_bytes(0, 1024 * 1024);
    assert!(decoder.decode(&mut buffer).unwrap().is_none());
    assert!(buffer.capacity() <= 4 * 1024 * 1024);
}

#[test]
fn a_large_fragment_is_read_to_its_place_in_the_message() {
    let large = vec![b'x'; 300_000];
    let payload = Term::binary(large).to_bytes().unwrap();
    let terms = send(&payload[1..]);
    let (head, rest) = terms.split_at(50);
    let mut stream = frame(&[&first(1, 4), head]);
    for (id, part) in (1..=3).rev().zip(rest.chunks(rest.len().div_ceil(3))) {
        stream.extend(frame(&[&further(1, id), part]));
    }

    const MOST: usize = 64 * 1024;
    let mut decoder = FrameDecoder::new(OTP_25, FrameLimits::default());
    let mut received = BytesMut::new();
    let (mut stream, mut places) = (&stream[..], Vec::new());
    let message = loop {
        if let Some(event) = decoder.decode(&mut received).unwrap() {
            break message(event);
        }
        let mut place = decoder.read_buffer(&mut received, MOST);
        let count = place.remaining_mut().min(stream.len());
        place.put_slice(stream.split_off(..count).unwrap());
        if received.is_empty() {
            places.push(count);
        }
    };
    let copied = terms.len() - places.iter().sum::<usize>();
    // What comes with a header is copied, and before the first fragment nobody knows of it.
    assert!(copied <= MOST + 3 * 4096, "{copied} of {}", terms.len());
    assert_eq!(message.payload.unwrap().encoded_len(), payload.len() - 1);
    assert!(received.is_empty());
}

#[test]
fn a_message_takes_the_memory_of_one_like_it_however_they_arrive() {
    for size in [100_000, 262_144, 1 << 20, (1 << 20) + 200_000] {
        let payload = Term::binary(vec![b'x'; size]).to_bytes().unwrap();
        let terms = send(&payload[1..]);
        let parts: Vec<_> = terms.chunks(FRAGMENT_BYTES).collect();
        let fragments = parts.len() as u64;
        let mut stream = frame(&[&first(1, fragments), parts[0]]);
        for (id, part) in (1..fragments).rev().zip(&parts[1..]) {
            stream.extend(frame(&[&further(1, id), part]));
        }
        for piece in [100, 1_459, 61_000, 65_536, 65_600, 66_000, 262_144, 1 << 21] {
            let mut decoder = FrameDecoder::new(OTP_25, FrameLimits::default());
            let mut received = BytesMut::new();
            let mut memory = || {
                let mut stream = &stream[..];
                loop {
                    if let Some(event) = decoder.decode(&mut received).unwrap() {
                        let Term::Binary(large) = self::payload(event) else {
                            panic!("no binary");
                        };
                        break large.as_ptr();
                    }
                    let mut place = decoder.read_buffer(&mut received, 64 * 1024);
                    let count = place.remaining_mut().min(stream.len()).min(piece);
                    place.put_slice(stream.split_off(..count).unwrap());
                }
            };
            assert_eq!(memory(), memory(), "{size} bytes by {piece}");
        }
    }
}

#[test]
fn memory_of_large_messages_counts_while_messages_that_never_end_have_it() {
    const MIB: usize = 1024 * 1024;
    let limits = FrameLimits {
        message_bytes: 8 * MIB,
        sequences: 4096,
        assembly_bytes: 8 * MIB,
    };
    let large = Term::binary(vec![b'x'; 4 * MIB]).to_bytes().unwrap();
    let large = frame(&[&first(1, 1), &send(&large[1..])]);
    let allocated = measure(|| {
        let mut decoder =
            FrameDecoder::new(OTP_25, limits).with_spare_memory(SpareMemory::new(8 * MIB));
        let mut received = BytesMut::new();
        for round in 0..64 {
            for part in large.chunks(64 * 1024) {
                received.extend_from_slice(part);
                drop(decoder.decode(&mut received).unwrap());
            }
            // It claims to be of 3 MiB.
            received.extend_from_slice(&frame(&[&first(1000 + round, 3 * 1024), &[0; 1024]]));
            assert!(decoder.decode(&mut received).unwrap().is_none());
        }
    });
    assert!(allocated.bytes_max < 32 * MIB as u64, "{allocated:?}");
}

#[test]
fn room_in_a_message_is_made_for_what_arrives_not_for_what_is_claimed() {
    let mut decoder = FrameDecoder::new(OTP_25, FrameLimits::default());
    let claim = 200 * 1024 * 1024_u32;
    let mut received = BytesMut::from(&frame(&[&first(1, 2), b"h"])[..]);
    received.put_u32(claim);
    received.put_slice(&further(1, 1));
    let mut arrived = 0;
    let allocated = measure(|| {
        while arrived < 1024 * 1024 {
            assert!(decoder.decode(&mut received).unwrap().is_none());
            let mut place = decoder.read_buffer(&mut received, 64 * 1024);
            assert!(place.remaining_mut() <= arrived.max(64 * 1024) * 4);
            let count = place.remaining_mut().min(10_000);
            place.put_bytes(0, count);
            arrived += count;
        }
    });
    assert!(allocated.bytes_max < 5 * 1024 * 1024, "{allocated:?}");
}

#[test]
fn there_is_always_room_to_read_into() {
    let mut decoder = FrameDecoder::new(OTP_25, FrameLimits::default());
    let mut buffer = BytesMut::new();
    let message = frame(&[
        HEADER,
        &send(&Term::binary(vec![b'x'; 10_000]).to_bytes().unwrap()[1..]),
    ]);
    let mut stream = message.repeat(20);
    let mut kept = Vec::new();

    while !stream.is_empty() {
        match decoder.decode(&mut buffer).unwrap() {
            Some(event) => kept.push(event),
            None => {
                let room = buffer.capacity() - buffer.len();
                assert!(room >= FrameDecoder::READ_BYTES);
                buffer.extend(stream.drain(..room.min(stream.len())));
            }
        }
    }
    while let Some(event) = decoder.decode(&mut buffer).unwrap() {
        kept.push(event);
    }
    assert_eq!(kept.len(), 20);
}

#[test]
fn an_idle_link_does_not_keep_the_memory_of_its_largest_frame() {
    let mut decoder = FrameDecoder::new(NO_FRAGMENTS, FrameLimits::default());
    let large = Term::binary(vec![b'x'; 1024 * 1024]).to_bytes().unwrap();
    let mut buffer = BytesMut::from(&frame(&[HEADER, &send(&large[1..])])[..]);

    drop(decoder.decode(&mut buffer).unwrap().unwrap());
    assert!(decoder.decode(&mut buffer).unwrap().is_none());
    assert!(buffer.capacity() <= 64 * 1024);
}

/// A header that refers to no atoms.
const HEADER: &[u8] = b"\x83D\x00";

/// An atom of a header, by segment and index.
enum Ref<'a> {
    Known(u8, u8),
    New(u8, u8, &'a str),
}

/// The part of a header that lists atoms.
fn atoms(refs: &[Ref<'_>], long: bool) -> Vec<u8> {
    let mut nibbles = vec![0; (refs.len() / 2 + 1) * 2];
    let mut rest = Vec::new();
    for (at, atom) in refs.iter().enumerate() {
        let (&Ref::Known(segment, index) | &Ref::New(segment, index, _)) = atom;
        nibbles[at] = segment;
        rest.push(index);
        if let Ref::New(_, _, text) = atom {
            nibbles[at] |= 8;
            let length = (text.len() as u16).to_be_bytes();
            rest.extend(&length[usize::from(!long)..]);
            rest.extend(text.as_bytes());
        }
    }
    nibbles[refs.len()] = long.into();
    let flags = nibbles.chunks(2).map(|pair| pair[0] | pair[1] << 4);
    [refs.len() as u8]
        .into_iter()
        .chain(flags)
        .chain(rest)
        .collect()
}

/// The header of a first fragment that refers to no atoms.
fn first(sequence: u64, fragments: u64) -> Vec<u8> {
    let numbers = [sequence, fragments].map(u64::to_be_bytes).concat();
    [b"\x83E", &numbers[..], b"\0"].concat()
}

fn further(sequence: u64, id: u64) -> Vec<u8> {
    let numbers = [sequence, id].map(u64::to_be_bytes).concat();
    [b"\x83F", &numbers[..]].concat()
}

fn frame(parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    [&(content.len() as u32).to_be_bytes()[..], &content].concat()
}

/// The terms of a message to a name, with an encoded payload.
fn send(payload: &[u8]) -> Vec<u8> {
    let elements = [Term::from(6), pid(1), Term::atom(""), Term::atom("rex")];
    [&control(&elements), payload].concat()
}

fn control(elements: &[Term]) -> Vec<u8> {
    Term::tuple(elements.iter().cloned()).to_bytes().unwrap()[1..].to_vec()
}

fn pid(id: u32) -> Term {
    Term::Pid(Box::new(Pid {
        node: Atom::from_static("w1@127.0.0.1"),
        id,
        serial: 0,
        creation: 7,
    }))
}

/// Frames of all forms, each good by itself.
fn samples() -> Vec<(Flags, Vec<u8>)> {
    let refs = atoms(&[Ref::New(0, 0, "zero"), Ref::New(7, 1, "seven")], true);
    let request = [
        Term::from(29),
        Term::from_bytes(&b"\x83Z\x00\x01w\x01a\x00\x00\x00\x01\x00\x00\x00\x07"[..]).unwrap(),
        pid(1),
        pid(2),
        Term::tuple([Term::atom("m"), Term::atom("f"), Term::from(0)]),
        Term::list([Term::atom("monitor")]),
    ];
    vec![
        (OTP_25, frame(&[b"\x83D", &refs, &send(b"h\x02R\x00R\x01")])),
        (OTP_25, frame(&[&first(1, 1), &send(b"m\0\0\0\x02xy")])),
        (OTP_25, frame(&[HEADER, &control(&request), b"j"])),
        (
            PASS_THROUGH,
            frame(&[b"p\x83", &send(b"\x83l\0\0\0\x01a\x07j")]),
        ),
    ]
}

/// All that a decoder makes of a stream, up to and with the first error.
fn events(flags: Flags, stream: &[u8]) -> Vec<Result<Event, FrameDecodeError>> {
    let mut decoder = FrameDecoder::new(flags, LIMITS);
    let mut buffer = BytesMut::from(stream);
    let mut events = Vec::new();
    while let Some(event) = decoder.decode(&mut buffer).transpose() {
        let failed = event.is_err();
        events.push(event);
        if failed {
            break;
        }
    }
    events
}

/// What a decoder makes of one frame.
fn only(flags: Flags, frame: &[u8]) -> Result<Event, FrameDecodeError> {
    let mut events = events(flags, frame);
    assert_eq!(events.len(), 1);
    events.remove(0)
}

fn message(event: Event) -> Message {
    match event {
        Event::Message(message) => message,
        other => panic!("{other:?}"),
    }
}

fn payload(event: Event) -> Term {
    message(event).payload.unwrap().decode().unwrap()
}
