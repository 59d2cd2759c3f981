//! What no other node would decode is not written: it would cost the link that it is sent on.

#![allow(clippy::unwrap_used)]

use beam_term::{
    Atom, Closure, DecodeErrorKind, EncodeError, Fun, Integer, Limits, Map, Pid, RawTerm, Reader,
    Term, Writer, from_bytes, from_term, to_bytes,
};
use bytes::{BufMut, Bytes, BytesMut};
use num_bigint::BigInt;
use serde::{Serialize, Serializer, ser::SerializeTuple};

/// The least integer whose magnitude has so many bytes.
fn integer_of(bytes: usize) -> Integer {
    Integer::from(BigInt::from(1) << (8 * (bytes - 1)))
}

/// Whether it is what a value is refused for that is so long; what passes through serde keeps the message only.
fn too_long(len: usize) -> impl Fn(EncodeError) -> bool {
    move |error| {
        error
            .to_string()
            .contains(&format!("of {len} bytes or elements is too long"))
    }
}

fn written(write: impl FnOnce(&mut Writer<'_>) -> Result<(), EncodeError>) -> Option<EncodeError> {
    write(&mut Writer::new(&mut BytesMut::new())).err()
}

#[test]
fn an_integer_has_as_many_bytes_as_a_node_takes() {
    let largest = Term::from(integer_of(524_280));
    let encoded = largest.to_bytes().unwrap();
    assert_eq!(Term::from_bytes(encoded).as_ref(), Ok(&largest));

    let integer = integer_of(524_281);
    let term = Term::from(integer.clone());
    let map: Map = [(term.clone(), Term::tuple([term.clone()]))]
        .into_iter()
        .collect();
    for error in [
        term.to_bytes().unwrap_err(),
        Term::from(map).to_bytes().unwrap_err(),
        to_bytes(&integer).unwrap_err(),
        to_bytes(&(1, vec![term])).unwrap_err(),
    ] {
        assert!(too_long(524_281)(error));
    }
}

#[test]
#[should_panic = "up to 524280 bytes"]
fn a_piece_that_is_too_long_is_not_written() {
    Writer::new(&mut BytesMut::new()).integer(integer_of(524_281));
}

/// Claims to be a tuple of so many elements.
struct Wide(usize);

impl Serialize for Wide {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_tuple(self.0)?.end()
    }
}

#[test]
fn a_tuple_has_as_many_elements_as_a_node_takes() {
    assert!(too_long(1 << 24)(to_bytes(&Wide(1 << 24)).unwrap_err()));
    let error = to_bytes(&Wide((1 << 24) - 1)).unwrap_err();
    assert!(error.to_string().contains("announced"), "{error}");

    let mut limits = Limits::default();
    limits.elements = usize::MAX;
    let tuple = |arity: u32| {
        let mut encoded = BytesMut::from(b"i".as_slice());
        encoded.put_u32(arity);
        encoded.put_bytes(b'j', arity as usize);
        Reader::new(encoded).with_limits(limits).skip()
    };
    assert_eq!(tuple((1 << 24) - 1), Ok(()));
    assert!(matches!(
        tuple(1 << 24),
        Err(error) if matches!(error.kind(), DecodeErrorKind::Malformed { offset: 0, .. })
    ));
}

#[test]
fn a_closure_has_as_many_values_as_a_node_takes() {
    let node = Atom::from_static("a@b");
    let closure = |free| {
        Term::from(Fun::Closure(Closure {
            module: Atom::from_static("m"),
            arity: 1,
            uniq: [7; 16],
            index: 2,
            old_index: 2,
            old_uniq: 9,
            creator: Pid {
                node: node.clone(),
                id: 1,
                serial: 0,
                creation: 1,
            },
            free: vec![Term::nil(); free],
        }))
    };
    let largest = closure(255);
    let encoded = largest.to_bytes().unwrap();
    assert_eq!(Term::from_bytes(encoded.clone()).as_ref(), Ok(&largest));

    assert!(too_long(256)(closure(256).to_bytes().unwrap_err()));
    assert!(too_long(256)(to_bytes(&closure(256)).unwrap_err()));
    let mut one_more = encoded.to_vec();
    one_more[1 + 1 + 4 + 1 + 16 + 4..][..4].copy_from_slice(&256_u32.to_be_bytes());
    one_more.push(b'j');
    assert!(matches!(
        Term::from_bytes(one_more),
        Err(error) if matches!(error.kind(), DecodeErrorKind::Malformed { .. })
    ));
}

#[test]
fn what_raised_limits_let_in_is_not_passed_on() {
    let mut limits = Limits::default();
    limits.integer_bytes = usize::MAX;
    let mut integer = BytesMut::from(b"o".as_slice());
    integer.put_u32(524_281);
    integer.put_u8(0);
    integer.put_bytes(0xFF, 524_281);
    let record = [b"C\0\0\0\x01\0w\x01mw\x01rw\x01f", integer.as_ref()].concat();

    let raw = |encoded: Bytes| Reader::new(encoded).with_limits(limits).raw().unwrap();
    let integer = raw(integer.freeze());
    let record = raw(record.into());
    for error in [
        written(|writer| writer.raw(&integer)),
        written(|writer| writer.raw(&record)),
        written(|writer| writer.term(&record.decode().unwrap())),
        written(|writer| writer.serialize(&[&record])),
    ] {
        let error = error.unwrap();
        assert!(error.to_string().contains("524281 bytes"), "{error}");
    }
    let small = raw(Bytes::from_static(b"a\x01"));
    assert_eq!(written(|writer| writer.raw(&small)), None);
}

#[test]
fn a_local_term_is_no_part_of_another() {
    let local = Term::from_bytes(b"\x83ylocal".as_slice()).unwrap();
    assert_eq!(to_bytes(&local), local.to_bytes());
    assert_eq!(from_bytes(to_bytes(&local).unwrap()).as_ref(), Ok(&local));
    assert_eq!(from_term(&local).as_ref(), Ok(&local));

    let raw = RawTerm::from_external(local.to_bytes().unwrap()).unwrap();
    assert_eq!(raw.to_external(), Ok(local.to_bytes().unwrap()));
    let refused = Some(EncodeError::Local);
    let around = Term::tuple([Term::from(1), local.clone()]);
    assert_eq!(around.to_bytes().err(), refused);
    for local in [
        written(|writer| {
            writer.list(1);
            writer.term(&local)
        }),
        written(|writer| {
            writer.tuple(1);
            writer.raw(&raw)
        }),
    ] {
        assert_eq!(local, refused);
    }
    for error in [to_bytes(&around), to_bytes(&[&local])] {
        assert_eq!(
            error.unwrap_err().to_string(),
            EncodeError::Local.to_string()
        );
    }

    for around in [b"h\x01ylocal".as_slice(), b"l\0\0\0\x01ajylocal"] {
        let mut reader = Reader::new(around);
        assert!(matches!(
            reader.term(),
            Err(error) if matches!(error.kind(), DecodeErrorKind::UnknownTag { tag: 121, .. })
        ));
    }
}

#[test]
fn a_writer_knows_what_a_peer_would_not_decode() {
    let record = Term::from_bytes(b"\x83C\0\0\0\0\0w\x01mw\x01r".as_slice()).unwrap();
    let raw = RawTerm::from_external(record.to_bytes().unwrap()).unwrap();
    let local = Term::from_bytes(b"\x83ylocal".as_slice()).unwrap();
    type Write<'a> = &'a dyn Fn(&mut Writer<'_>) -> Result<(), EncodeError>;
    let records: [Write<'_>; 5] = [
        &|writer| writer.term(&record),
        &|writer| writer.term(&Term::list([Term::from(1), record.clone()])),
        &|writer| writer.raw(&raw),
        &|writer| writer.serialize(&(1, Some(&record))),
        &|writer| writer.serialize(&vec![&raw, &raw]),
    ];
    for write in records {
        let mut buffer = BytesMut::from(b"before".as_slice());
        let mut writer = Writer::new(&mut buffer);
        writer.tuple(2);
        writer.nil();
        assert_eq!(writer.check_for_peer(false), Ok(()));
        write(&mut writer).unwrap();
        assert_eq!(writer.check_for_peer(true), Ok(()));
        assert_eq!(writer.check_for_peer(false), Err(EncodeError::NativeRecord));
    }
    let mut buffer = BytesMut::from(b"before".as_slice());
    let mut writer = Writer::new(&mut buffer);
    writer.serialize(&local).unwrap();
    assert_eq!(writer.check_for_peer(true), Err(EncodeError::Local));
}

#[test]
fn a_raw_term_knows_whether_there_are_records_in_it() {
    let mut reader =
        Reader::new(b"h\x03C\0\0\0\0\0w\x01mw\x01ra\x01h\x01C\0\0\0\0\0w\x01mw\x01r".as_slice());
    reader.tuple_of(3).unwrap();
    let known: Vec<_> = (0..3)
        .map(|_| reader.raw().unwrap().check_for_peer(false).is_ok())
        .collect();
    assert_eq!(known, [false, true, false]);
}
