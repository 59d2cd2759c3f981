//! Bytes that a hostile peer might send: each is refused, without recursion and within a bound on memory.

#![allow(clippy::unwrap_used)]

use std::io::Write;

use allocation_counter::measure;
use beam_term::{
    DecodeError, DecodeErrorKind, Integer, Limits, Map, Reader, Term, from_bytes, from_term,
};
use bytes::Bytes;
use flate2::{Compression, write::ZlibEncoder};

/// What refusing may cost beside the input, which the reader shares.
const MODEST_BYTES: u64 = 256 * 1024;

/// Every way of reading refuses the bytes; gives the error that building a tree ends in.
#[track_caller]
fn refused(encoded: impl Into<Bytes>) -> DecodeError {
    refused_within(encoded, MODEST_BYTES)
}

#[track_caller]
fn refused_within(encoded: impl Into<Bytes>, most_bytes: u64) -> DecodeError {
    let encoded = encoded.into();
    let built = modestly(most_bytes, || Reader::new(encoded.clone()).term());
    modestly(most_bytes, || Reader::new(encoded.clone()).skip()).unwrap_err();
    modestly(most_bytes, || {
        Reader::new(encoded.clone()).raw().map(|_| ())
    })
    .unwrap_err();
    modestly(most_bytes, || {
        Reader::new(encoded.clone()).deserialize::<serde_json::Value>()
    })
    .unwrap_err();
    built.unwrap_err()
}

/// Runs without ever holding more than that many bytes more than before.
#[track_caller]
fn modestly<T>(most_bytes: u64, run: impl FnOnce() -> T) -> T {
    let mut result = None;
    let allocated = measure(|| result = Some(run()));
    assert!(
        allocated.bytes_max <= most_bytes,
        "{} bytes were held",
        allocated.bytes_max
    );
    result.unwrap()
}

fn compressed(claimed: u32, term: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(term).unwrap();
    let mut encoded = vec![131, 80];
    encoded.extend(claimed.to_be_bytes());
    encoded.extend(encoder.finish().unwrap());
    encoded
}

const TOO_DEEP: DecodeErrorKind = DecodeErrorKind::TooDeep { limit: 512 };

#[test]
fn deeply_nested_lists_are_too_deep() {
    for depth in [10_000, 1_000_000] {
        let mut encoded = b"l\0\0\0\x01".repeat(depth);
        encoded.extend(vec![106; depth + 1]);
        assert_eq!(refused(encoded), TOO_DEEP);
    }
}

#[test]
fn deeply_nested_tuples_maps_and_records_are_too_deep() {
    let heads: [&[u8]; 4] = [
        b"h\x01",
        b"i\0\0\0\x01",
        b"t\0\0\0\x01a\x01",
        b"h\x02w\x02ok",
    ];
    for head in heads {
        for depth in [10_000, 1_000_000] {
            let mut encoded = head.repeat(depth);
            encoded.push(106);
            assert_eq!(refused(encoded), TOO_DEEP);
        }
    }
    let mut records = b"C\0\0\0\x01\0w\x01mw\x01rw\x01f".repeat(100_000);
    records.push(106);
    assert_eq!(refused(records), TOO_DEEP);
}

#[test]
fn deeply_nested_closures_are_too_deep() {
    let closure = [
        b"p\0\0\0\0\x01".as_slice(),
        &[0; 20],
        b"\0\0\0\x01w\x01ma\0a\0Xw\x03a@b\0\0\0\0\0\0\0\0\0\0\0\x01",
    ]
    .concat();
    let mut encoded = closure.repeat(10_000);
    encoded.push(106);
    assert_eq!(refused(encoded), TOO_DEEP);
}

#[test]
fn depth_is_allowed_up_to_its_limit() {
    let nested = |depth: usize| [b"h\x01".repeat(depth), vec![106]].concat();
    Reader::new(nested(512)).term().unwrap();
    Reader::new(nested(512)).skip().unwrap();
    assert_eq!(refused(nested(513)), TOO_DEEP);
}

#[test]
fn a_tree_nests_no_deeper_than_the_stack_allows_whatever_the_limit() {
    let mut limits = Limits::default();
    limits.depth = usize::MAX;
    let nested = |depth: usize| {
        let encoded = [b"h\x01".repeat(depth), vec![106]].concat();
        Reader::new(encoded).with_limits(limits)
    };
    assert!(nested(1024).term().is_ok());
    let too_deep = DecodeErrorKind::TooDeep { limit: 1024 };
    assert_eq!(nested(100_000).term(), Err(too_deep.into()));
    assert!(nested(100_000).skip().is_ok());
}

#[test]
fn a_million_heads_of_pids_are_no_pid() {
    refused(vec![88; 1_000_000]);
}

#[test]
fn containers_that_claim_what_cannot_be_there_are_cut_off() {
    for tag in [b'l', b'i', b't'] {
        let mut encoded = vec![tag, 255, 255, 255, 255];
        encoded.extend([106; 1000]);
        assert_eq!(refused(encoded), DecodeErrorKind::Truncated { offset: 0 });
    }
    assert_eq!(
        refused(vec![0x6C, 0x00, 0x98, 0x96, 0x80]),
        DecodeErrorKind::Truncated { offset: 0 }
    );
    refused([b"C\xff\xff\xff\xff\0".as_slice(), &[106; 1000]].concat());
}

#[test]
fn nested_claims_add_up_against_the_bytes_that_are_left() {
    // Each list alone could be there.
    let mut encoded = b"\x6C\x00\x98\x96\x80".repeat(64);
    encoded.extend(vec![106; 10_000_001]);
    assert_eq!(refused(encoded), DecodeErrorKind::Truncated { offset: 5 });
}

#[test]
fn lengths_of_four_gibibytes_are_cut_off() {
    for head in [
        b"m\xff\xff\xff\xff".as_slice(),
        b"M\xff\xff\xff\xff\x01",
        b"o\xff\xff\xff\xff\0",
        b"v\xff\xff",
        b"d\xff\xff",
        b"k\xff\xff",
        b"Z\xff\xffw\x01a",
    ] {
        let encoded = [head, &[0; 1000]].concat();
        assert!(
            matches!(
                refused(encoded).kind(),
                DecodeErrorKind::Truncated { .. } | DecodeErrorKind::Malformed { .. }
            ),
            "{head:?}"
        );
    }
}

#[test]
fn a_closure_of_four_billion_values_is_cut_off() {
    let closure = [
        b"p\0\0\0\0\x01".as_slice(),
        &[0; 20],
        b"\xff\xff\xff\xffw\x01ma\0a\0Xw\x03a@b\0\0\0\0\0\0\0\0\0\0\0\x01",
        &[106; 1000],
    ]
    .concat();
    assert_eq!(refused(closure), DecodeErrorKind::Truncated { offset: 0 });
}

#[test]
fn an_atom_cache_reference_without_a_header_is_unknown() {
    let unknown = |offset| DecodeErrorKind::UnknownAtomRef { index: 0, offset };
    assert_eq!(refused(b"R\0".as_slice()), unknown(0));
    assert_eq!(refused(b"h\x02a\x02R\0".as_slice()), unknown(4));
    assert_eq!(
        refused(b"XR\0\0\0\0\0\0\0\0\0\0\0\0\x01".as_slice()),
        unknown(1)
    );
}

#[test]
fn a_bomb_that_claims_its_size_is_refused_unopened() {
    let bomb = compressed(1 << 30, &vec![106; 8 << 20]);
    let error = modestly(MODEST_BYTES, || Term::from_bytes(bomb)).unwrap_err();
    assert_eq!(error, DecodeErrorKind::InflatesTooFar { bytes: 1 << 30 });
}

#[test]
fn a_bomb_that_claims_little_inflates_to_no_more() {
    let bomb = compressed(1000, &vec![106; 8 << 20]);
    let error = modestly(MODEST_BYTES, || Term::from_bytes(bomb)).unwrap_err();
    assert!(matches!(error.kind(), DecodeErrorKind::Malformed { .. }));
}

#[test]
fn a_claim_of_the_limit_takes_no_memory_that_is_not_filled() {
    let small = compressed(64 << 20, b"j");
    let error = modestly(MODEST_BYTES, || Term::from_bytes(small)).unwrap_err();
    assert!(matches!(error.kind(), DecodeErrorKind::Malformed { .. }));
}

#[test]
fn a_compressed_term_within_bounds_is_read() {
    let term = [b"m\0\0\x03\xe8".as_slice(), &[7; 1000]].concat();
    let encoded = compressed(term.len() as u32, &term);
    assert_eq!(
        Term::from_bytes(encoded.clone()),
        Ok(Term::binary(vec![7; 1000]))
    );
    let cut = &encoded[..encoded.len() - 1];
    assert!(Term::from_bytes(cut.to_vec()).is_err());
    let longer = [&encoded[..], &[0]].concat();
    assert_eq!(
        Term::from_bytes(longer),
        Err(DecodeErrorKind::TrailingBytes { count: 1 }.into())
    );
}

#[test]
fn compression_does_not_nest() {
    let inner = compressed(1, b"j")[1..].to_vec();
    let outer = compressed(inner.len() as u32, &inner);
    let unknown = DecodeErrorKind::UnknownTag { tag: 80, offset: 0 };
    assert_eq!(Term::from_bytes(outer), Err(unknown.into()));
    assert_eq!(
        refused([b"h\x01".as_slice(), &inner].concat()),
        DecodeErrorKind::UnknownTag { tag: 80, offset: 2 }
    );
}

#[test]
fn an_integer_has_no_more_bytes_than_otp_takes() {
    let largest = |bytes: u32| {
        let mut encoded = [&[111][..], &bytes.to_be_bytes(), &[0]].concat();
        encoded.resize(encoded.len() + bytes as usize, 255);
        encoded
    };
    // OTP 26 and later count the words of an integer in 16 bits.
    let limit = 65_535 * 8;
    assert!(Reader::new(largest(limit)).term().is_ok());
    for bytes in [limit + 1, 1 << 24] {
        assert_eq!(
            refused(largest(bytes)),
            DecodeErrorKind::IntegerTooLarge {
                bytes: bytes as usize,
                offset: 0
            }
        );
    }
}

#[test]
fn the_number_of_terms_is_bounded() {
    let limits = |elements| {
        let mut limits = Limits::default();
        limits.elements = elements;
        limits
    };
    // A tuple of two strings: 1 + 1 + 3 + 1 + 3 terms.
    let encoded = b"h\x02k\0\x03abck\0\x03abc".as_slice();
    let reader = |elements| Reader::new(encoded).with_limits(limits(elements));
    reader(9).term().unwrap();
    let refused = Err(DecodeErrorKind::TooManyElements { limit: 8 }.into());
    assert_eq!(reader(8).term().map(|_| ()), refused);
    assert_eq!(reader(8).skip(), refused);
}

#[test]
fn memory_grows_with_the_bytes_of_a_term_and_no_faster() {
    // The worst ratio: an element of a list takes one byte on the wire and forty in memory.
    let count = 100_000;
    let mut encoded = b"l\0\x01\x86\xa0".to_vec();
    encoded.extend(vec![106; count + 1]);
    let term = modestly(3 * 40 * count as u64, || Reader::new(encoded).term()).unwrap();
    assert_eq!(term.as_list().unwrap().len(), count);
}

#[test]
fn a_long_list_of_small_lists_in_tails_takes_linear_time() {
    // Were each tail copied into the list around it, that would be 10^10 moves.
    let mut encoded = b"l\0\0\0\x01j".repeat(200_000);
    encoded.push(106);
    assert_eq!(
        Reader::new(encoded.clone())
            .term()
            .unwrap()
            .as_list()
            .unwrap()
            .len(),
        200_000
    );
    assert_eq!(
        Reader::new(encoded)
            .deserialize::<Vec<Term>>()
            .unwrap()
            .len(),
        200_000
    );
}

#[test]
fn terms_that_are_looked_at_before_they_are_read_count_once() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        A,
    }
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Named {
        a: Option<Word>,
    }
    fn within<T: serde::de::DeserializeOwned>(encoded: &'static [u8], elements: usize) -> bool {
        let mut limits = Limits::default();
        limits.elements = elements;
        let mut reader = Reader::new(encoded).with_limits(limits);
        let result = reader.deserialize::<T>();
        if let Err(error) = &result {
            assert!(error.to_string().contains("more than"), "{error}");
        }
        result.is_ok()
    }
    for (ok, elements) in [(true, 5), (false, 4)] {
        let list = b"l\0\0\0\x03w\x01aw\x01aw\x01aj";
        assert_eq!(within::<Vec<Word>>(list, elements), ok);
        assert_eq!(within::<Vec<Option<Word>>>(list, elements), ok);
        // The module, the name, a field's name and its value are counted, and the head.
        assert_eq!(
            within::<Term>(b"C\0\0\0\x01\0w\x01mw\x01rw\x01fa\x01", elements),
            ok
        );
    }
    for (ok, elements) in [(true, 3), (false, 2)] {
        assert_eq!(within::<Named>(b"t\0\0\0\x01w\x01aw\x01a", elements), ok);
    }
}

#[test]
fn errors_of_hostile_values_stay_short() {
    // A key of 255 characters at every level.
    let mut encoded = vec![131];
    for _ in 0..100 {
        encoded.extend(b"t\0\0\0\x01w\xff");
        encoded.extend([b'k'; 255]);
    }
    encoded.extend(b"q");
    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code)]
    struct Nest(std::collections::HashMap<String, Nest>);
    let error = from_bytes::<Nest>(encoded).unwrap_err();
    assert!(error.to_string().len() < 2048, "{error}");

    let long = Term::binary("x".repeat(5_000_000));
    let number = format!("16#{}", "F".repeat(100_000));
    let keyed = |key: &Term| Term::from(Map::from_iter([(key.clone(), Term::atom("x"))]));
    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Strict {
        known: Option<u8>,
    }
    #[derive(Debug, serde::Deserialize)]
    #[serde(tag = "t")]
    #[allow(dead_code)]
    enum Tagged {
        A,
    }
    type Numbers = std::collections::HashMap<String, u8>;
    type ByNumber = std::collections::HashMap<Integer, u8>;
    let tagged = Term::from(Map::from_iter([(Term::atom("t"), long.clone())]));
    for error in [
        from_term::<char>(&long).unwrap_err(),
        from_term::<std::net::IpAddr>(&long).unwrap_err(),
        from_term::<Strict>(&keyed(&long)).unwrap_err(),
        from_term::<Tagged>(&tagged).unwrap_err(),
        from_term::<Numbers>(&keyed(&long)).unwrap_err(),
        from_term::<ByNumber>(&keyed(&number.parse().unwrap())).unwrap_err(),
    ] {
        let message = error.to_string();
        assert!(message.len() < 2048, "{} bytes", message.len());
    }
    let message = from_term::<Numbers>(&keyed(&long)).unwrap_err().to_string();
    assert!(message.ends_with("xxx…`"), "{message}");
}
