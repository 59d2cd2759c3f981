//! What an encoder makes of messages.
#![allow(clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use beam_dist::{
    Flags,
    control::{Control, Link, MonitorExit, Recipient, SendTo, Target},
    frame::{
        Encoded, Event, FRAGMENT_BYTES, Fragments, FrameDecoder, FrameEncodeError, FrameEncoder,
        FrameLimits, TICK,
    },
};
use beam_term::{Atom, EncodeError, Pid, RawTerm, Reference, Term, Writer};
use bytes::{Buf, BufMut, Bytes, BytesMut};

const OTP_25: Flags = Flags::from_bits_retain(0xd_07df_7fbd);
const NO_FRAGMENTS: Flags = OTP_25.difference(Flags::FRAGMENTS);
const PASS_THROUGH: Flags = NO_FRAGMENTS.difference(Flags::DIST_HDR_ATOM_CACHE);

#[test]
fn a_small_message_is_one_frame_at_the_end_of_the_buffer() {
    let mut out = BytesMut::from(&TICK[..]);
    let encoded = encoder(OTP_25).encode_with(&send(), seven, &mut out);

    assert!(matches!(encoded, Ok(Encoded::Whole)));
    let terms = b"h\x04a\x06Xw\x01a\0\0\0\x01\0\0\0\0\0\0\0\x07w\0w\x03rexa\x07";
    let length = (3 + terms.len() as u32).to_be_bytes();
    let expected = [&TICK[..], &length, b"\x83D\0", terms].concat();
    assert_eq!(out, expected);
}

#[test]
fn without_a_distribution_header_each_term_has_its_version() {
    let mut out = BytesMut::new();
    let encoder = encoder(PASS_THROUGH);
    assert!(matches!(
        encoder.encode_bytes(&send(), &Bytes::from_static(b"a\x07"), &mut out),
        Ok(Encoded::Whole)
    ));

    let terms = b"\x83h\x04a\x06Xw\x01a\0\0\0\x01\0\0\0\0\0\0\0\x07w\0w\x03rex\x83a\x07";
    let length = (1 + terms.len() as u32).to_be_bytes();
    assert_eq!(out, [&length[..], b"p", terms].concat());
}

#[test]
fn all_ways_to_give_a_payload_give_the_same_frame() {
    let term = Term::list([Term::binary("payload"), Term::from(7)]);
    let external = term.to_bytes().unwrap();
    let raw = beam_term::RawTerm::from_external(external.clone()).unwrap();

    for flags in [OTP_25, PASS_THROUGH] {
        let [mut with, mut bytes, mut passed_on] = [(); 3].map(|()| BytesMut::new());
        let encoder = encoder(flags);
        let encoded = [
            encoder.encode_with(&send(), |writer| writer.term(&term), &mut with),
            encoder.encode_bytes(&send(), &external.slice(1..), &mut bytes),
            encoder.encode_raw(&send(), &raw, &mut passed_on),
        ];
        assert!(
            encoded
                .iter()
                .all(|encoded| matches!(encoded, Ok(Encoded::Whole)))
        );
        assert_eq!(with, bytes);
        assert_eq!(with, passed_on);
    }
}

#[test]
fn a_message_that_fails_leaves_the_buffer_as_it_was() {
    let limits = FrameLimits {
        message_bytes: 100_000,
        ..FrameLimits::default()
    };
    let unsendable = Control::Send(SendTo {
        from: None,
        to: Recipient::Name(Atom::from_static("rex")),
        priority: false,
        token: None,
    });
    let too_large = Bytes::from(vec![b'j'; 100_000]);
    for flags in [OTP_25, NO_FRAGMENTS, PASS_THROUGH] {
        let encoder = FrameEncoder::new(flags, limits);
        let mut out = BytesMut::from(&TICK[..]);
        let error = |message: &str| EncodeError::Message(message.into());

        let result = encoder.encode_with(
            &send(),
            |writer| {
                writer.tuple(2);
                Err(error("refused"))
            },
            &mut out,
        );
        assert_eq!(
            result.unwrap_err(),
            FrameEncodeError::Payload(error("refused"))
        );
        assert_eq!(out, TICK[..]);

        let result = encoder.encode_with(&unsendable, seven, &mut out);
        assert!(matches!(result, Err(FrameEncodeError::Control(_))));
        assert_eq!(out, TICK[..]);

        let written = |writer: &mut Writer<'_>| {
            writer.binary(&too_large);
            Ok(())
        };
        let results = [
            encoder.encode_with(&send(), written, &mut out),
            encoder.encode_bytes(&send(), &too_large, &mut out),
        ];
        for result in results {
            let error = result.unwrap_err();
            assert!(matches!(
                error,
                FrameEncodeError::MessageTooLarge { limit: 100_000, .. }
            ));
        }
        assert_eq!(out, TICK[..]);

        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let panics = |writer: &mut Writer<'_>| {
                writer.tuple(2);
                panic!("a payload that panics")
            };
            encoder.encode_with(&send(), panics, &mut out).is_ok()
        }));
        assert!(unwound.is_err());
        assert_eq!(out, TICK[..]);
    }
}

#[test]
fn what_the_peer_would_not_decode_is_not_sent() {
    let record = RawTerm::from_external(&b"\x83C\0\0\0\0\0w\x01mw\x01r"[..]).unwrap();
    let local = RawTerm::from_external(&b"\x83ylocal"[..]).unwrap();
    let exit = Control::Send(SendTo {
        from: Some(pid()),
        to: Recipient::Name(Atom::from_static("rex")),
        priority: false,
        token: Some(record.decode().unwrap()),
    });
    let all = |flags: Flags, payload: &RawTerm, out: &mut BytesMut| {
        let encoder = encoder(flags);
        let encoded = payload.to_external().unwrap().slice(1..);
        [
            encoder.encode_raw(&send(), payload, out).err(),
            encoder.encode_bytes(&send(), &encoded, out).err(),
            encoder
                .encode_with(&send(), |writer| writer.serialize(payload), out)
                .err(),
        ]
    };
    let mut out = BytesMut::new();
    for flags in [OTP_25, PASS_THROUGH] {
        let refused = Some(FrameEncodeError::Payload(EncodeError::NativeRecord));
        assert_eq!(
            all(flags, &record, &mut out),
            [(); 3].map(|()| refused.clone())
        );
        let refused = Some(FrameEncodeError::Payload(EncodeError::Local));
        assert_eq!(
            all(flags, &local, &mut out),
            [(); 3].map(|()| refused.clone())
        );
        let traced = encoder(flags).encode_with(&exit, seven, &mut out);
        assert!(matches!(traced, Err(FrameEncodeError::Control(_))));
        assert!(out.is_empty());
    }
    let none = [None, None, None];
    assert_eq!(all(OTP_25 | Flags::NATIVE_RECORDS, &record, &mut out), none);
}

#[test]
fn a_payload_that_is_no_term_is_not_sent() {
    let mut out = BytesMut::new();
    for payload in [&b""[..], b"a", b"a\x01a\x02", b"i\x01\0\0\0"] {
        let result = encoder(OTP_25).encode_bytes(&send(), &Bytes::from_static(payload), &mut out);
        assert!(matches!(
            result,
            Err(FrameEncodeError::Payload(EncodeError::Undecodable(_)))
        ));
        assert!(out.is_empty());
    }
}

#[test]
fn a_control_message_and_a_payload_must_go_together() {
    let mut out = BytesMut::new();
    let encoder = encoder(OTP_25);
    let mismatch = FrameEncodeError::PayloadMismatch;

    assert_eq!(encoder.encode(&send(), &mut out), Err(mismatch.clone()));
    let result = encoder.encode_with(&link(), seven, &mut out);
    assert_eq!(result.unwrap_err(), mismatch);
    let unknown = encoder.encode(&Control::Unknown(99), &mut out);
    assert!(matches!(unknown, Err(FrameEncodeError::Control(_))));
    assert!(out.is_empty());
}

#[test]
fn a_message_of_64_kib_is_whole_and_a_larger_one_is_not() {
    let control = {
        let mut out = BytesMut::new();
        let encoded = encoder(OTP_25).encode_bytes(&send(), &binary(5), &mut out);
        assert!(matches!(encoded, Ok(Encoded::Whole)));
        out.len() - 7 - 5
    };
    for (payload, frames) in [
        (FRAGMENT_BYTES - control, 1),
        (FRAGMENT_BYTES - control + 1, 2),
        (2 * FRAGMENT_BYTES - control, 2),
        (2 * FRAGMENT_BYTES - control + 1, 3),
    ] {
        let payload = binary(payload);
        let encoded = [
            encoder(OTP_25).encode_bytes(&send(), &payload, &mut BytesMut::new()),
            encoder(OTP_25).encode_with(
                &send(),
                |writer| {
                    writer.binary(&payload[5..]);
                    Ok(())
                },
                &mut BytesMut::new(),
            ),
        ];
        for encoded in encoded {
            match encoded.unwrap() {
                Encoded::Whole => assert_eq!(frames, 1),
                Encoded::Fragmented(fragments) => assert_eq!(fragments.len(), frames),
            }
        }
    }
}

#[test]
fn fragments_count_down_and_the_first_has_the_control_message() {
    let payload = binary(200_000);
    let mut out = BytesMut::from(&TICK[..]);
    let mut fragments = fragmented(&encoder(OTP_25), &payload, &mut out);
    assert_eq!(out, TICK[..]);

    assert!(!fragments.has_begun());
    let left = fragments.remaining_bytes();
    let mut frames = Vec::new();
    for id in (1..=4).rev() {
        assert_eq!(fragments.len(), id);
        let mut fragment = fragments.next().unwrap();
        assert!(fragments.has_begun());
        let frame = fragment.copy_to_bytes(fragment.remaining());
        let length = u32::from_be_bytes(*frame.first_chunk().unwrap());
        assert_eq!(length as usize, frame.len() - 4);
        assert_eq!(frame[6..14], 1_u64.to_be_bytes());
        assert_eq!(frame[14..22], (id as u64).to_be_bytes());
        frames.push(frame);
    }
    assert!(fragments.next().is_none());
    assert_eq!(fragments.remaining_bytes(), 0);

    assert_eq!(frames[0][4..6], *b"\x83E");
    assert_eq!(frames[0][22..25], *b"\0h\x04");
    assert!(frames[1..].iter().all(|frame| frame[4..6] == *b"\x83F"));
    let headers = [23, 22, 22, 22];
    let bodies = frames
        .iter()
        .zip(headers)
        .map(|(frame, header)| frame.len() - header);
    let bodies: Vec<_> = bodies.collect();
    assert_eq!(bodies[..3], [FRAGMENT_BYTES; 3]);
    assert_eq!(bodies.iter().sum::<usize>(), left);
}

#[test]
fn fragments_share_the_payload() {
    let payload = binary(200_000);
    let memory = payload.as_ptr_range();
    let fragments = fragmented(&encoder(OTP_25), &payload, &mut BytesMut::new());

    for mut fragment in fragments {
        let head = fragment.chunk().len();
        fragment.advance(head);
        assert!(memory.contains(&fragment.chunk().as_ptr()));
        assert_eq!(fragment.chunk().len(), fragment.remaining());
    }
}

#[test]
fn large_binaries_are_in_the_frames_as_they_were_given() {
    for size in [5000, 60_000, 65_536, 1 << 20] {
        let large = Bytes::from(vec![7; size]);
        let payload = Term::tuple([
            Term::from(1),
            Term::Binary(large.clone()),
            Term::atom("between"),
            Term::Binary(large.clone()),
        ]);
        for flags in [OTP_25, NO_FRAGMENTS, PASS_THROUGH] {
            let mut out = BytesMut::from(&TICK[..]);
            let encoded =
                encoder(flags).encode_with(&send(), |writer| writer.term(&payload), &mut out);
            assert_eq!(out, TICK[..]);
            let Ok(Encoded::Fragmented(frames)) = encoded else {
                panic!("{encoded:?}");
            };
            let left = frames.remaining_bytes();
            assert!(left > 2 * size);

            let memory = large.as_ptr_range();
            let (mut shared, mut own) = (0, 0);
            for frame in frames {
                for part in frame.into_parts() {
                    match memory.contains(&part.as_ptr()) {
                        true => shared += part.len(),
                        false => own += part.len(),
                    }
                    out.put(part);
                }
            }
            assert_eq!(shared, 2 * size);
            assert!(own < 2 * (shared / FRAGMENT_BYTES + 4) * 32, "{own}");
            assert_eq!(only_payload(flags, &mut out), payload);
        }
    }
}

#[test]
fn a_frame_in_parts_can_be_written_piece_by_piece() {
    let payload = binary(200_000);
    for step in [1, 22, 23, 24, 1000, 65_536, 70_000] {
        let mut out = BytesMut::new();
        for mut frame in fragmented(&encoder(OTP_25), &payload, &mut BytesMut::new()) {
            while frame.has_remaining() {
                let mut slices = [std::io::IoSlice::new(&[]); 4];
                let filled = frame.chunks_vectored(&mut slices);
                let seen = slices[..filled].iter().map(|slice| slice.len());
                assert_eq!(seen.sum::<usize>(), frame.remaining());
                let count = step.min(frame.remaining());
                let mut piece = frame.chunk();
                piece = &piece[..count.min(piece.len())];
                out.put_slice(piece);
                frame.advance(piece.len());
            }
        }
        let expected = Term::binary(payload.slice(5..));
        assert_eq!(only_payload(OTP_25, &mut out), expected);
    }
    let frame = fragmented(&encoder(OTP_25), &payload, &mut BytesMut::new()).next();
    let mut frame = frame.unwrap();
    frame.advance(frame.remaining());
    assert!(!frame.has_remaining() && frame.chunk().is_empty());
}

#[test]
fn a_buffer_keeps_its_memory_when_its_message_has_large_binaries_only() {
    let large = Term::binary(vec![7; 100_000]);
    let mut out = BytesMut::with_capacity(1000);
    let memory = out.as_ptr();
    for _ in 0..2 {
        let encoded = encoder(OTP_25).encode_with(&send(), |writer| writer.term(&large), &mut out);
        assert!(matches!(encoded, Ok(Encoded::Fragmented(_))));
        assert_eq!((out.as_ptr(), out.len(), out.capacity()), (memory, 0, 1000));
    }
}

#[test]
fn messages_may_go_between_fragments() {
    let encoder = encoder(OTP_25);
    let mut out = BytesMut::new();
    let one = fragmented(&encoder, &binary(150_000), &mut out);
    let other = fragmented(&encoder, &binary(140_000), &mut out);

    for (one, other) in one.zip(other) {
        out.put(one);
        encoder.encode(&link(), &mut out).unwrap();
        out.put(other);
    }
    let mut heard = Vec::new();
    let mut decoder = FrameDecoder::new(OTP_25, FrameLimits::default());
    while let Some(event) = decoder.decode(&mut out).unwrap() {
        let Event::Message(message) = event else {
            panic!("{event:?}");
        };
        heard.push(message.payload.map_or(0, |payload| payload.encoded_len()));
    }
    assert_eq!(heard, [0, 0, 150_000, 0, 140_000]);
}

#[test]
fn what_the_peer_could_not_assemble_is_sent_whole() {
    let exit = Control::MonitorExit(MonitorExit {
        from: Target::Name(Atom::from_static("rex")),
        to: pid(),
        reference: Reference::new(Atom::from_static("a"), 7, &[1]).unwrap(),
    });
    let reason_inside = OTP_25.difference(Flags::EXIT_PAYLOAD);
    for (flags, control) in [
        (NO_FRAGMENTS, send()),
        (PASS_THROUGH, send()),
        (reason_inside, exit),
    ] {
        let payload = binary(200_000);
        let mut out = BytesMut::new();
        let frames = fragments_of(&encoder(flags), &control, &payload, &mut out);
        assert_eq!(frames.len(), 1);
        frames.for_each(|frame| out.put(frame));

        let mut decoder = FrameDecoder::new(flags, FrameLimits::default());
        match decoder.decode(&mut out).unwrap() {
            Some(Event::Message(message)) => {
                assert_eq!(message.control, control);
                assert_eq!(message.payload.unwrap().encoded_len(), payload.len());
            }
            other => panic!("{other:?}"),
        }
    }
}

fn encoder(negotiated: Flags) -> FrameEncoder {
    FrameEncoder::new(negotiated, FrameLimits::default())
}

fn fragmented(encoder: &FrameEncoder, payload: &Bytes, out: &mut BytesMut) -> Fragments {
    fragments_of(encoder, &send(), payload, out)
}

fn fragments_of(
    encoder: &FrameEncoder,
    control: &Control,
    payload: &Bytes,
    out: &mut BytesMut,
) -> Fragments {
    match encoder.encode_bytes(control, payload, out).unwrap() {
        Encoded::Fragmented(fragments) => fragments,
        Encoded::Whole => panic!("{} bytes are sent whole", payload.len()),
    }
}

/// The payload of the only message in the buffer.
fn only_payload(flags: Flags, buffer: &mut BytesMut) -> Term {
    let mut decoder = FrameDecoder::new(flags, FrameLimits::default());
    loop {
        match decoder.decode(buffer).unwrap() {
            Some(Event::Tick) => {}
            Some(Event::Message(message)) => {
                assert!(buffer.is_empty());
                return message.payload.unwrap().decode().unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
}

fn seven(writer: &mut Writer<'_>) -> Result<(), EncodeError> {
    writer.integer(7);
    Ok(())
}

/// A binary whose encoding has so many bytes.
fn binary(encoded_bytes: usize) -> Bytes {
    let mut buffer = BytesMut::new();
    Writer::new(&mut buffer).binary(&vec![b'x'; encoded_bytes - 5]);
    buffer.freeze()
}

fn send() -> Control {
    Control::Send(SendTo {
        from: Some(pid()),
        to: Recipient::Name(Atom::from_static("rex")),
        priority: false,
        token: None,
    })
}

fn link() -> Control {
    Control::Link(Link {
        from: pid(),
        to: pid(),
    })
}

fn pid() -> Pid {
    Pid {
        node: Atom::from_static("a"),
        id: 1,
        serial: 0,
        creation: 7,
    }
}
