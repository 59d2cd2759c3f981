//! What holds for every term, and for every sequence of bytes.

#![allow(clippy::unwrap_used)]

use std::cmp::Ordering;

use beam_term::{
    DecodeError, DecodeErrorKind, RawTerm, Reader, Term, Writer, arbitrary::term, from_bytes,
    to_bytes,
};
use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, prelude::*, sample::Index};

/// A term without its version byte.
fn encode(term: &Term) -> Bytes {
    term.to_bytes().unwrap().slice(1..)
}

/// Bytes that are nearly a term.
fn nearly_a_term() -> impl Strategy<Value = Vec<u8>> {
    (term(), vec((any::<Index>(), any::<u8>()), 1..4)).prop_map(|(term, changes)| {
        let mut bytes = encode(&term).to_vec();
        for (index, byte) in changes {
            *index.get_mut(&mut bytes) = byte;
        }
        bytes
    })
}

/// Bytes among which tags and small numbers are frequent.
fn tags_and_numbers() -> impl Strategy<Value = Vec<u8>> {
    let tag = proptest::sample::select(b"abnocFRdsvwerZfYxgXhitjklmMqpCyP".as_slice());
    vec(
        prop_oneof![3 => tag, 2 => 0_u8..4, 1 => any::<u8>()],
        0..200,
    )
}

/// Skipping, building a tree, reading tokens and reading by serde agree on whether bytes are a term.
fn all_ways_agree(bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let bytes = Bytes::from(bytes);
    let mut skipping = Reader::new(bytes.clone());
    let mut building = Reader::new(bytes.clone());
    let mut passing = Reader::new(bytes.clone());
    let skipped = skipping.skip();
    let built = building.term();
    let passed = passing.deserialize::<Term>();
    prop_assert_eq!(&built, &passed);
    match built {
        Ok(term) => {
            prop_assert_eq!(skipped, Ok(()));
            prop_assert_eq!(skipping.position(), building.position());
            prop_assert_eq!(passing.position(), building.position());
            let again = Reader::new(encode(&term)).term();
            prop_assert_eq!(again, Ok(term));
        }
        // The one thing that skipping does not see.
        Err(error) if is_a_key_twice(&error) => {}
        Err(_) => prop_assert!(skipped.is_err()),
    }
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() && reader.token().is_ok() {}
    Ok(())
}

proptest! {
    #[test]
    fn a_term_comes_back_as_it_was(term in term()) {
        let encoded = term.to_bytes().unwrap();
        prop_assert_eq!(Term::from_bytes(encoded.clone()).unwrap().to_bytes().unwrap(), encoded.clone());
        prop_assert_eq!(Term::from_bytes(encoded), Ok(term));
    }

    #[test]
    fn a_term_passes_through_serde_as_it_is(term in term()) {
        let encoded = to_bytes(&term).unwrap();
        prop_assert_eq!(&encoded, &term.to_bytes().unwrap());
        prop_assert_eq!(from_bytes::<Term>(encoded), Ok(term));
    }

    #[test]
    fn a_raw_term_is_the_same_term(term in term()) {
        let encoded = term.to_bytes().unwrap();
        let raw = RawTerm::from_external(encoded.clone()).unwrap();
        prop_assert_eq!(raw.to_external().unwrap(), encoded.clone());
        let mut buffer = BytesMut::new();
        Writer::new(&mut buffer).raw(&raw).unwrap();
        prop_assert_eq!(buffer, encoded.slice(1..));
        prop_assert_eq!(raw.decode(), Ok(term));
    }

    #[test]
    fn a_term_that_is_cut_off_is_refused_wherever_it_is_cut(term in term()) {
        let encoded = encode(&term);
        for len in 0..encoded.len() {
            let short = encoded.slice(..len);
            prop_assert!(Reader::new(short.clone()).term().is_err());
            prop_assert!(Reader::new(short.clone()).skip().is_err());
            prop_assert!(Reader::new(short).deserialize::<Term>().is_err());
        }
    }

    #[test]
    fn what_is_nearly_a_term_is_one_or_not_by_all_ways(bytes in nearly_a_term()) {
        all_ways_agree(bytes)?;
    }

    #[test]
    fn any_bytes_are_a_term_or_not_by_all_ways(bytes in tags_and_numbers()) {
        all_ways_agree(bytes)?;
    }

    #[test]
    fn the_order_is_total_and_in_step_with_equality(a in term(), b in term(), c in term()) {
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a.cmp(&b) == Ordering::Equal, a == b);
        prop_assert_eq!(a.cmp(&a.clone()), Ordering::Equal);
        let mut sorted = [&a, &b, &c];
        sorted.sort();
        prop_assert!(sorted[0] <= sorted[2]);
    }
}

fn is_a_key_twice(error: &DecodeError) -> bool {
    matches!(error.kind(), DecodeErrorKind::Malformed { reason, .. } if reason.contains("a key twice"))
}
