//! A call's request and reply, as OTP 25 sends them, are taken apart without any allocation.

#![allow(clippy::unwrap_used)]

use allocation_counter::measure;
use beam_term::{Atom, AtomRefs, DecodeError, Pid, RawTerm, Reader, Reference, Term, Writer};
use bytes::{Bytes, BytesMut};

/// The control term and the payload of `erpc:call(Node, erlang, '+', [1, 2])`.
const REQUEST: &[u8] = &[
    0x68, 0x06, 0x61, 0x1D, 0x5A, 0x00, 0x03, 0x52, 0x00, 0x6B, 0x01, 0x0D, 0x60, 0x00, 0x02, 0x80,
    0x5A, 0x97, 0x9C, 0x00, 0x02, 0x3C, 0x84, 0x3C, 0x72, 0x58, 0x52, 0x00, 0x00, 0x00, 0x00, 0x66,
    0x00, 0x00, 0x00, 0x00, 0x6B, 0x01, 0x0D, 0x60, 0x58, 0x52, 0x00, 0x00, 0x00, 0x00, 0x47, 0x00,
    0x00, 0x00, 0x00, 0x6B, 0x01, 0x0D, 0x60, 0x68, 0x03, 0x52, 0x01, 0x52, 0x02, 0x61, 0x04, 0x6C,
    0x00, 0x00, 0x00, 0x01, 0x52, 0x03, 0x6A, 0x6C, 0x00, 0x00, 0x00, 0x04, 0x5A, 0x00, 0x03, 0x52,
    0x00, 0x6B, 0x01, 0x0D, 0x60, 0x00, 0x02, 0x80, 0x59, 0x97, 0x9C, 0x00, 0x02, 0x3C, 0x84, 0x3C,
    0x72, 0x52, 0x04, 0x52, 0x05, 0x6B, 0x00, 0x02, 0x01, 0x02, 0x6A,
];

fn atoms() -> AtomRefs {
    AtomRefs::from_iter(
        [
            "c@127.0.0.1",
            "erpc",
            "execute_call",
            "monitor",
            "erlang",
            "+",
        ]
        .map(Atom::from_static),
    )
}

struct Request {
    id: Reference,
    from: Pid,
    function: (Atom, Atom, u8),
    result: Reference,
    called: (Atom, Atom),
    arguments: RawTerm,
}

fn read_request(reader: &mut Reader) -> Result<Request, DecodeError> {
    reader.tuple_of(6)?;
    reader.integer::<u8>()?;
    let (id, from) = (reader.reference()?, reader.pid()?);
    let _group_leader = reader.pid()?;
    reader.tuple_of(3)?;
    let function = (reader.atom()?, reader.atom()?, reader.integer()?);
    reader.for_each(|option| option.atom().map(|_| ()))?;
    reader.list()?;
    let result = reader.reference()?;
    let called = (reader.atom()?, reader.atom()?);
    let arguments = reader.raw()?;
    reader.nil()?;
    reader.finish()?;
    Ok(Request {
        id,
        from,
        function,
        result,
        called,
        arguments,
    })
}

#[test]
fn a_request_is_read_without_allocation() {
    let atoms = atoms();
    let mut request = None;
    let allocated = measure(|| {
        let mut reader = Reader::new(Bytes::from_static(REQUEST)).with_atoms(atoms.clone());
        request = Some(read_request(&mut reader));
    });
    assert_eq!(allocated.count_total, 0);

    let request = request.unwrap().unwrap();
    assert_eq!(request.from.node, "c@127.0.0.1");
    assert_eq!(request.from.id, 0x66);
    assert_eq!(
        request.function,
        (
            Atom::from_static("erpc"),
            Atom::from_static("execute_call"),
            4
        )
    );
    assert_eq!(
        request.called,
        (Atom::from_static("erlang"), Atom::from_static("+"))
    );
    assert_eq!(request.id.ids()[0], request.result.ids()[0] + 1);
    let mut sum = None;
    let allocated = measure(|| {
        let (a, b): (i64, i64) = request.arguments.deserialize().unwrap();
        sum = Some(a + b);
    });
    assert_eq!((sum, allocated.count_total), (Some(3), 0));
}

#[test]
fn a_reply_is_written_and_read_without_allocation() {
    let call = Reference::new(Atom::from_static("c@127.0.0.1"), 7, &[1, 2, 3]).unwrap();
    let returned = Atom::from_static("return");
    let mut buffer = BytesMut::with_capacity(256);
    let allocated = measure(|| {
        let mut writer = Writer::new(&mut buffer);
        writer.tuple(3);
        writer.reference(&call);
        writer.atom(&returned);
        writer.serialize(&(3_i64, "text", Some(true))).unwrap();
    });
    assert_eq!(allocated.count_total, 0);

    let reply = buffer.freeze();
    let allocated = measure(|| {
        let mut reader = Reader::new(reply.clone());
        reader.tuple_of(3).unwrap();
        assert!(reader.reference().unwrap() == call && reader.atom().unwrap() == returned);
        let (number, _, truth): (i64, serde::de::IgnoredAny, Option<bool>) =
            reader.deserialize().unwrap();
        assert!(number == 3 && truth == Some(true));
    });
    assert_eq!(allocated.count_total, 0);
}

#[test]
fn moderately_nested_terms_are_skipped_without_allocation() {
    let encoded = [b"h\x02w\x02ok".repeat(8), b"a\x01".to_vec()].concat();
    let mut reader = Reader::new(encoded);
    let allocated = measure(|| reader.skip().unwrap());
    assert_eq!(allocated.count_total, 0);
    assert!(reader.is_empty());
}

#[test]
fn a_short_term_lets_go_of_the_buffer_that_it_came_in() {
    let mut encoded = BytesMut::new();
    Writer::new(&mut encoded)
        .term(&Term::atom("short"))
        .unwrap();
    let buffer = encoded.freeze();

    let kept = Reader::new(buffer.clone()).raw().unwrap();
    assert!(!buffer.is_unique());
    let copied = kept.clone().compact();
    drop(kept);

    assert!(buffer.is_unique());
    assert_eq!(copied.decode().unwrap(), Term::atom("short"));
}
