//! Large binaries are kept by reference, in the place where they belong.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use beam_term::{
    Atom, Binary, BitString, Closure, Fun, Limits, Pid, RawTerm, Reader, Shared, Term, Writer,
};
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

/// What a sharing writer makes of something: all of it, and what it kept by reference.
fn written(write: impl FnOnce(&mut Writer<'_>)) -> (BytesMut, Vec<Shared>) {
    let mut buffer = BytesMut::from("before");
    let mut writer = Writer::sharing(&mut buffer);
    write(&mut writer);
    let shared = writer.into_shared();
    let mut whole = BytesMut::new();
    let mut from = 6;
    for part in &shared {
        whole.extend_from_slice(&buffer[from..part.at]);
        whole.extend_from_slice(&part.bytes);
        from = part.at;
    }
    whole.extend_from_slice(&buffer[from..]);
    (whole, shared)
}

/// The same without sharing.
fn copied(write: impl FnOnce(&mut Writer<'_>)) -> BytesMut {
    let mut buffer = BytesMut::new();
    let mut writer = Writer::new(&mut buffer);
    write(&mut writer);
    assert!(writer.into_shared().is_empty());
    buffer
}

fn bytes(len: usize) -> Bytes {
    (0..len).map(|at| at as u8).collect::<Vec<_>>().into()
}

fn large() -> Bytes {
    bytes(Writer::SHARED_BYTES)
}

#[test]
fn only_large_binaries_are_shared() {
    for (len, parts) in [(Writer::SHARED_BYTES - 1, 0), (Writer::SHARED_BYTES, 1)] {
        let bytes = bytes(len);
        let write = |writer: &mut Writer<'_>| writer.shared_binary(&bytes);
        let (whole, shared) = written(write);
        assert_eq!(whole, copied(write));
        assert_eq!(shared.len(), parts);
        assert!(
            shared
                .iter()
                .all(|part| part.bytes.as_ptr() == bytes.as_ptr())
        );
    }
    let (whole, shared) = written(|writer| writer.binary(&large()));
    assert_eq!((whole.len(), shared.len()), (5 + large().len(), 0));
}

#[test]
fn binaries_in_terms_are_shared_wherever_they_are() {
    let bytes = large();
    let bits = BitString::new(bytes.clone(), 3).unwrap();
    let closure = Closure {
        module: Atom::from_static("m"),
        arity: 0,
        uniq: [7; 16],
        index: 1,
        old_index: 2,
        old_uniq: 3,
        creator: pid(),
        free: vec![Term::Binary(bytes.clone()), Term::from(1)],
    };
    let inside = Term::tuple([
        Term::from(1),
        Term::Binary(bytes.clone()),
        Term::list([Term::Binary(bytes.clone()), Term::from(2)]),
        Term::Map(
            [(Term::Binary(bytes.clone()), Term::from(bits))]
                .into_iter()
                .collect(),
        ),
        Term::from(Fun::Closure(closure)),
    ]);
    let (whole, shared) = written(|writer| writer.term(&inside).unwrap());
    assert_eq!(whole, copied(|writer| writer.term(&inside).unwrap()));
    assert_eq!(
        Term::from_bytes([&b"\x83"[..], &whole].concat()).unwrap(),
        inside
    );
    assert_eq!(shared.len(), 5);
}

#[test]
fn values_share_their_binaries_and_what_is_encoded_already() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Picture {
        name: String,
        pixels: Binary,
        copied: serde_bytes::ByteBuf,
        next: Option<Box<Picture>>,
    }
    let picture = |next| Picture {
        name: "one".into(),
        pixels: large().into(),
        copied: vec![1; Writer::SHARED_BYTES].into(),
        next,
    };
    let value = Ok::<_, ()>(picture(Some(Box::new(picture(None)))));
    let (whole, shared) = written(|writer| writer.serialize(&value).unwrap());
    assert_eq!(whole, copied(|writer| writer.serialize(&value).unwrap()));
    assert_eq!(shared.len(), 2);

    let mut reader = Reader::new(whole.freeze());
    let raw = reader.raw().unwrap();
    assert_eq!(raw.deserialize::<Result<Picture, ()>>().unwrap(), value);
    let pair = (raw.clone(), vec![Some(raw)]);
    let (whole, shared) = written(|writer| writer.serialize(&pair).unwrap());
    assert_eq!(whole, copied(|writer| writer.serialize(&pair).unwrap()));
    assert_eq!(shared.len(), 2);
}

#[test]
fn a_term_with_a_cache_of_atoms_shares_its_binaries() {
    let bytes = large();
    let mut encoded = BytesMut::from(&b"h\x02R\0"[..]);
    Writer::new(&mut encoded).binary(&bytes);
    let encoded = encoded.freeze();
    let atoms = [Atom::from_static("cached")].into_iter().collect();
    let raw = Reader::new(encoded.clone())
        .with_atoms(atoms)
        .raw()
        .unwrap();

    let (whole, shared) = written(|writer| writer.raw(&raw).unwrap());
    let term = Term::tuple([Term::atom("cached"), Term::Binary(bytes)]);
    assert_eq!(Reader::new(whole.freeze()).term().unwrap(), term);
    assert_eq!(shared.len(), 1);
    assert_eq!(shared[0].bytes.as_ptr(), encoded[9..].as_ptr());
}

#[test]
fn what_is_taken_back_is_not_kept() {
    // `{ok, ok}` becomes `ok`; what was written before it stays.
    let value = (Binary(large()), Ok::<_, ()>(()), Binary(large()));
    let (whole, shared) = written(|writer| writer.serialize(&value).unwrap());
    assert_eq!(whole, copied(|writer| writer.serialize(&value).unwrap()));
    assert_eq!(shared.len(), 2);
}

#[test]
fn large_keys_are_told_apart() {
    let other = Bytes::from(vec![9; Writer::SHARED_BYTES]);
    let map = BTreeMap::from([
        (Binary(large()), Binary(large())),
        (Binary(other), Binary(large())),
    ]);
    let (whole, shared) = written(|writer| writer.serialize(&map).unwrap());
    assert_eq!(whole, copied(|writer| writer.serialize(&map).unwrap()));
    assert_eq!(shared.len(), 2);
}

#[test]
fn a_binary_is_received_as_a_slice_of_its_message() {
    let encoded = beam_term::to_bytes(&(1, Binary(large()))).unwrap();
    let raw = RawTerm::from_external(encoded.clone()).unwrap();
    let (_, binary): (u8, Binary) = raw.deserialize().unwrap();
    assert_eq!(binary, Binary(large()));
    assert_eq!(binary.as_ptr(), encoded[10..].as_ptr());

    let error = beam_term::from_bytes::<Binary>(&b"\x83a\x01"[..]).unwrap_err();
    assert!(error.to_string().contains("a binary"), "{error}");
    Reader::external(encoded, Limits::default()).unwrap();
}

#[test]
fn a_binary_is_bytes_in_other_formats() {
    let json = serde_json::to_string(&Binary::from("ab")).unwrap();
    assert_eq!(json, "[97,98]");
    assert_eq!(
        serde_json::from_str::<Binary>(&json).unwrap(),
        Binary::from("ab")
    );
    assert_eq!(
        serde_json::from_str::<Binary>("\"ab\"").unwrap(),
        Binary::from("ab")
    );
    assert!(serde_json::from_str::<Binary>("[97,300]").is_err());
}

fn pid() -> Pid {
    Pid {
        node: Atom::from_static("a@b"),
        id: 1,
        serial: 2,
        creation: 3,
    }
}
