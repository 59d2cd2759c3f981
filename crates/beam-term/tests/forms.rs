//! Every form of the External Term Format, against bytes that OTP made or takes.
#![allow(clippy::unwrap_used)]

use beam_term::{
    Atom, AtomRefs, BitString, Closure, DecodeError, DecodeErrorKind, Float, Fun, Integer, Kind,
    Map, Opaque, Pid, Port, Reader, Reference, Term, Token, Writer,
};
use bytes::{Bytes, BytesMut};

fn decode(encoded: &[u8]) -> Result<Term, DecodeError> {
    let mut external = vec![131];
    external.extend_from_slice(encoded);
    Term::from_bytes(external)
}

fn encode(term: &Term) -> Bytes {
    term.to_bytes().unwrap().slice(1..)
}

/// The encoding is what OTP makes of the term, and gives the term back.
#[track_caller]
fn both_ways(term: impl Into<Term>, encoded: &[u8]) {
    let term = term.into();
    assert_eq!(encode(&term), encoded, "encoding {term:?}");
    assert_eq!(decode(encoded), Ok(term));
}

/// The encoding is an older or unusual form of the term.
#[track_caller]
fn read_only(encoded: &[u8], term: impl Into<Term>) {
    let term = term.into();
    assert_eq!(decode(encoded), Ok(term.clone()));
    let mut reader = Reader::new(encoded.to_vec());
    reader.skip().unwrap();
    assert!(reader.is_empty());
    assert_eq!(decode(&encode(&term)), Ok(term));
}

#[track_caller]
fn malformed(encoded: &[u8]) {
    let error = decode(encoded).unwrap_err();
    assert!(
        matches!(error.kind(), DecodeErrorKind::Malformed { .. }),
        "{error:?} for {encoded:?}"
    );
    assert!(matches!(
        Reader::new(encoded.to_vec()).skip(),
        Err(error) if matches!(error.kind(), DecodeErrorKind::Malformed { .. })
    ));
}

fn atom_and(tag: u8, atom: &[u8], rest: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend_from_slice(atom);
    for part in rest {
        bytes.extend_from_slice(part);
    }
    bytes
}

const NODE: &[u8] = b"w\x03a@b";

fn node() -> Atom {
    Atom::from_static("a@b")
}

#[test]
fn integers_take_the_shortest_form() {
    both_ways(0, &[97, 0]);
    both_ways(255, &[97, 255]);
    both_ways(256, &[98, 0, 0, 1, 0]);
    both_ways(-1, &[98, 255, 255, 255, 255]);
    both_ways(2_147_483_647, &[98, 127, 255, 255, 255]);
    both_ways(-2_147_483_648, &[98, 128, 0, 0, 0]);
    both_ways(2_147_483_648_i64, &[110, 4, 0, 0, 0, 0, 128]);
    both_ways(-2_147_483_649_i64, &[110, 4, 1, 1, 0, 0, 128]);
    both_ways(i64::MIN, &[110, 8, 1, 0, 0, 0, 0, 0, 0, 0, 128]);
    both_ways(i64::MAX, b"n\x08\x00\xff\xff\xff\xff\xff\xff\xff\x7f");
    both_ways(u64::MAX, b"n\x08\x00\xff\xff\xff\xff\xff\xff\xff\xff");
    both_ways(
        1_u128 << 64,
        b"n\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01",
    );
}

#[test]
fn an_integer_of_more_than_255_bytes_is_a_large_big() {
    let mut encoded = vec![111, 0, 0, 1, 0, 1];
    encoded.extend([0xAB; 256]);
    let term = decode(&encoded).unwrap();
    assert!(matches!(&term, Term::Integer(value) if value < &Integer::from(i128::MIN)));
    assert_eq!(encode(&term), encoded);
}

#[test]
fn a_small_value_in_a_big_form_is_small() {
    read_only(&[110, 1, 1, 5], -5);
    read_only(&[110, 0, 0], 0);
    read_only(&[111, 0, 0, 0, 2, 0, 1, 1], 257);
    read_only(&[110, 10, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0], 7);
}

#[test]
fn floats_are_eight_bytes_or_old_text() {
    let float = |value: f64| Float::try_from(value).unwrap();
    both_ways(float(0.1), &[70, 63, 185, 153, 153, 153, 153, 153, 154]);
    both_ways(float(-0.0), &[70, 128, 0, 0, 0, 0, 0, 0, 0]);

    let mut text = b"c1.50000000000000000000e+00".to_vec();
    text.resize(32, 0);
    read_only(&text, float(1.5));
}

#[test]
fn a_float_that_is_no_finite_number_is_refused() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        malformed(&[&[70], value.to_be_bytes().as_slice()].concat());
    }
    let mut text = b"cinf".to_vec();
    text.resize(32, 0);
    malformed(&text);
    text[1..5].copy_from_slice(b"1,50");
    malformed(&text);
}

#[test]
fn atoms_are_sent_as_utf8() {
    both_ways(Term::atom("ok"), b"w\x02ok");
    both_ways(Term::atom(""), b"w\x00");
    both_ways(Term::atom("\u{e9}"), b"w\x02\xc3\xa9");
    let long = "\u{3a9}".repeat(200);
    let encoded = [b"v\x01\x90", long.as_bytes()].concat();
    both_ways(Atom::try_from(long).unwrap(), &encoded);
}

#[test]
fn atoms_in_old_forms_are_latin_1() {
    read_only(b"d\x00\x02ok", Term::atom("ok"));
    read_only(b"s\x02ok", Term::atom("ok"));
    read_only(b"d\x00\x01\xe9", Term::atom("\u{e9}"));
    let long = [b"s\xff".as_slice(), &[0xE9; 255]].concat();
    read_only(&long, Atom::try_from("\u{e9}".repeat(255)).unwrap());
}

#[test]
fn an_atom_that_is_too_long_or_not_utf8_is_refused() {
    malformed(&[b"d\x01\x00".as_slice(), &[b'a'; 256]].concat());
    malformed(&[b"v\x01\x00".as_slice(), &[b'a'; 256]].concat());
    malformed(b"w\x01\xff");
    malformed(b"w\x02\xc3\x28");
}

#[test]
fn pids_have_old_and_new_forms() {
    let pid = Pid {
        node: node(),
        id: 1,
        serial: 2,
        creation: 0x0304_0506,
    };
    let numbers = [0, 0, 0, 1, 0, 0, 0, 2];
    both_ways(pid.clone(), &atom_and(88, NODE, &[&numbers, &[3, 4, 5, 6]]));
    read_only(
        &atom_and(103, b"d\x00\x03a@b", &[&numbers, &[3]]),
        Pid { creation: 3, ..pid },
    );
}

#[test]
fn ports_have_three_forms() {
    let port = |id, creation| Port {
        node: node(),
        id,
        creation,
    };
    both_ways(
        port(0x1_0000_0000, 5),
        &atom_and(120, NODE, &[&[0, 0, 0, 1, 0, 0, 0, 0], &[0, 0, 0, 5]]),
    );
    read_only(
        &atom_and(89, NODE, &[&[15, 255, 255, 255], &[0, 0, 0, 5]]),
        port(0x0FFF_FFFF, 5),
    );
    read_only(&atom_and(102, NODE, &[&[0, 0, 0, 7], &[5]]), port(7, 5));
}

#[test]
fn references_have_three_forms() {
    let reference = |creation, ids: &[u32]| Reference::new(node(), creation, ids).unwrap();
    both_ways(
        reference(5, &[1, 2, 3]),
        &atom_and(
            90,
            &[&[0, 3], NODE].concat(),
            &[&[0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]],
        ),
    );
    read_only(
        &atom_and(
            114,
            &[&[0, 2], NODE].concat(),
            &[&[5, 0, 0, 0, 1, 0, 0, 0, 2]],
        ),
        reference(5, &[1, 2]),
    );
    read_only(
        &atom_and(101, NODE, &[&[0, 0, 0, 9, 5]]),
        reference(5, &[9]),
    );
    malformed(&atom_and(90, &[&[0, 6], NODE].concat(), &[&[0; 28]]));
    malformed(&atom_and(90, &[&[0, 0], NODE].concat(), &[&[0; 4]]));
}

#[test]
fn tuples_and_lists_have_heads_for_their_size() {
    both_ways(Term::tuple([]), &[104, 0]);
    both_ways(Term::tuple([Term::nil()]), &[104, 1, 106]);
    let large = Term::tuple((0..256).map(|_| Term::nil()));
    both_ways(large, &[&[105, 0, 0, 1, 0], [106; 256].as_slice()].concat());

    both_ways(Term::nil(), &[106]);
    both_ways(
        Term::list([Term::nil(), Term::from(1)]),
        &[108, 0, 0, 0, 2, 106, 97, 1, 106],
    );
    both_ways(
        Term::list_with_tail([Term::from(1)], Term::from(2)),
        &[108, 0, 0, 0, 1, 97, 1, 97, 2],
    );
}

#[test]
fn a_list_of_bytes_is_a_string() {
    both_ways(Term::charlist("ab"), b"k\x00\x02ab");
    read_only(b"k\x00\x00", Term::nil());

    let long = Term::list((0..65_536).map(|_| Term::from(1)));
    assert_eq!(encode(&long)[..7], [108, 0, 1, 0, 0, 97, 1]);
    assert_eq!(decode(&encode(&long)), Ok(long));
}

#[test]
fn negative_and_large_integers_do_not_make_a_string() {
    for numbers in [[-1, -200], [1, 256], [-1, 255]] {
        let term = Term::list(numbers.map(Term::from));
        let encoded = encode(&term);
        assert_eq!(encoded[0], 108);
        assert_eq!(decode(&encoded), Ok(term));
    }
}

#[test]
fn lists_in_tails_are_one_list() {
    // [1 | [2 | "ab"]], and [1 | [2 | x]].
    let abc = Term::list([1, 2, 97, 98].map(Term::from));
    read_only(b"l\0\0\0\x01a\x01l\0\0\0\x01a\x02k\0\x02ab", abc);
    let improper = Term::list_with_tail([1, 2].map(Term::from), Term::atom("x"));
    read_only(b"l\0\0\0\x01a\x01l\0\0\0\x01a\x02w\x01x", improper);
    read_only(b"l\0\0\0\0a\x03", Term::from(3));
}

#[test]
fn long_chains_of_tails_do_not_count_as_deep() {
    let mut encoded = b"l\0\0\0\x01j".repeat(10_000);
    encoded.push(106);
    let term = decode(&encoded).unwrap();
    assert_eq!(term.as_list().map(<[Term]>::len), Some(10_000));
    assert_eq!(Reader::new(encoded).skip(), Ok(()));
}

#[test]
fn maps_are_sent_in_the_order_of_their_keys() {
    let entries = [("b", 1), ("a", 2)].map(|(k, v)| (Term::atom(k), Term::from(v)));
    let map: Map = entries.into_iter().collect();
    both_ways(map.clone(), b"t\0\0\0\x02w\x01aa\x02w\x01ba\x01");
    read_only(b"t\0\0\0\x02w\x01ba\x01w\x01aa\x02", map);
    both_ways(Map::new(), b"t\0\0\0\0");
}

#[test]
fn a_map_with_a_key_twice_is_refused() {
    let error = decode(&[116, 0, 0, 0, 2, 97, 1, 97, 1, 97, 1, 97, 2]).unwrap_err();
    assert!(matches!(error.kind(), DecodeErrorKind::Malformed { .. }));
}

#[test]
fn binaries_are_slices_of_the_input() {
    both_ways(Term::binary("abc"), b"m\0\0\0\x03abc");
    let input = Bytes::from_static(b"\x83m\0\0\0\x03abc");
    let term = Term::from_bytes(input.clone()).unwrap();
    assert_eq!(term.as_bytes().unwrap().as_ptr(), input[6..].as_ptr());
}

#[test]
fn bit_strings_keep_only_their_bits() {
    let three = |byte| BitString::new(vec![byte], 3).unwrap();
    both_ways(three(0b0010_0000), &[77, 0, 0, 0, 1, 3, 32]);
    read_only(&[77, 0, 0, 0, 1, 3, 255], three(0b1110_0000));
    read_only(&[77, 0, 0, 0, 1, 8, 1], Term::binary(vec![1]));
    read_only(&[77, 0, 0, 0, 0, 0], Term::binary(""));
    malformed(&[77, 0, 0, 0, 1, 0, 1]);
    malformed(&[77, 0, 0, 0, 1, 9, 1]);
    malformed(&[77, 0, 0, 0, 1, 200, 1]);
    malformed(&[77, 0, 0, 0, 0, 1]);
}

#[test]
fn exports_name_module_function_and_arity() {
    let fun = |arity| Fun::Export {
        module: Atom::from_static("erlang"),
        function: Atom::from_static("abs"),
        arity,
    };
    both_ways(fun(1), b"qw\x06erlangw\x03absa\x01");
    read_only(b"qd\0\x06erlangd\0\x03absb\0\0\0\x02", fun(2));
    malformed(b"qd\0\x06erlangd\0\x03absb\0\0\x01\0");
}

/// What OTP 25 makes of `fun() -> Y end` in module `m`, with atoms in the newer form.
const CLOSURE: &[u8] = &[
    112, 0, 0, 0, 66, 0, 141, 146, 73, 55, 44, 225, 109, 28, 51, 108, 93, 183, 114, 82, 233, 144,
    0, 0, 0, 2, 0, 0, 0, 1, 119, 1, 109, 97, 2, 98, 4, 108, 146, 73, 88, 119, 3, 97, 64, 98, 0, 0,
    0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 104, 2, 119, 1, 121, 109, 0, 0, 0, 1, 122,
];

#[test]
fn closures_keep_their_environment() {
    let closure = Closure {
        module: Atom::from_static("m"),
        arity: 0,
        uniq: CLOSURE[6..22].try_into().unwrap(),
        index: 2,
        old_index: 2,
        old_uniq: 0x046C_9249,
        creator: Pid {
            node: node(),
            id: 9,
            serial: 0,
            creation: 0,
        },
        free: vec![Term::tuple([Term::atom("y"), Term::binary("z")])],
    };
    let mut sized = CLOSURE.to_vec();
    sized[4] = CLOSURE.len() as u8 - 1;
    both_ways(Fun::Closure(closure), &sized);
}

#[test]
fn native_records_are_kept_as_they_are() {
    // #m:r{x = 1}, of which the fields' values may nest.
    let record = b"C\0\0\0\x01\x01w\x01mw\x01rw\x01xh\x01C\0\0\0\0\0w\x01mw\x01s";
    let term = decode(record).unwrap();
    assert!(matches!(&term, Term::Opaque(opaque) if opaque.as_bytes() == record.as_slice()));
    let around = [b"h\x02".as_slice(), record, b"a\x01"].concat();
    both_ways(Term::tuple([term, Term::from(1)]), &around);
}

#[test]
fn a_local_term_is_kept_to_its_end() {
    let local = b"yanything at all";
    let term = decode(local).unwrap();
    assert!(matches!(&term, Term::Opaque(opaque) if opaque.as_bytes() == local.as_slice()));
    assert_eq!(encode(&term), local.as_slice());
    // Nothing can follow it.
    assert!(decode(b"h\x02yanything at alla\x01").is_err());
}

#[test]
fn unknown_tags_are_refused() {
    let known: Vec<u8> = (0..=255)
        .filter(|&tag| Reader::new(vec![tag; 64]).peek_kind().is_ok())
        .collect();
    assert_eq!(known.len(), 31);
    for tag in (0..=255).filter(|tag| !known.contains(tag)) {
        let error = DecodeError::from(DecodeErrorKind::UnknownTag { tag, offset: 0 });
        let mut reader = Reader::new(vec![tag; 64]);
        assert_eq!(reader.peek_kind(), Err(error.clone()));
        assert_eq!(reader.term(), Err(error));
    }
}

#[test]
fn atoms_of_a_header_resolve_wherever_they_stand() {
    let atoms: AtomRefs = ["m", "a@b", "\u{3a9}"]
        .into_iter()
        .map(|text| Atom::try_from(text).unwrap())
        .collect();
    // {'Ω', #Pid, #Ref, #Port, fun m:m/1, #m:m{m = 'Ω'}, fun() -> … end}
    let encoded = [
        b"h\x07R\x02".as_slice(),
        b"XR\x01\0\0\0\x01\0\0\0\x02\0\0\0\x03",
        b"Z\0\x01R\x01\0\0\0\x01\0\0\0\x02",
        b"YR\x01\0\0\0\x01\0\0\0\x02",
        b"qR\0R\0a\x01",
        b"C\0\0\0\x01\0R\0R\0R\0R\x02",
        b"p\0\0\0\0\x01",
        &[7; 16],
        b"\0\0\0\0\0\0\0\x02R\0a\0a\0gR\x01\0\0\0\x01\0\0\0\0\x01R\x02k\0\x01a",
    ]
    .concat();
    let mut reader = Reader::new(encoded.clone()).with_atoms(atoms.clone());
    let raw = reader.raw().unwrap();
    reader.finish().unwrap();

    let external = raw.to_external().unwrap();
    let term = Term::from_bytes(external.clone()).unwrap();
    assert_eq!(raw.decode().unwrap(), term);
    assert_eq!(term.to_bytes().unwrap(), external);
    assert_eq!(term.as_tuple().unwrap()[0], Term::atom("\u{3a9}"));
    assert!(matches!(&term.as_tuple().unwrap()[5],
        Term::Opaque(opaque) if opaque.as_bytes() == b"C\0\0\0\x01\0w\x01mw\x01mw\x01mw\x02\xce\xa9".as_slice()));

    let mut buffer = BytesMut::new();
    Writer::new(&mut buffer).raw(&raw).unwrap();
    assert_eq!(buffer, external[1..]);
}

#[test]
fn an_opaque_term_is_what_its_sender_wrote() {
    let record = decode(b"C\0\0\0\0\0w\x01mw\x01r").unwrap();
    let Term::Opaque(opaque) = &record else {
        panic!("{record:?}")
    };
    let copy: Opaque = opaque.clone();
    assert_eq!(Term::from(copy), record);
}

#[test]
fn tokens_come_one_by_one() {
    let mut reader = Reader::new(b"h\x02l\0\0\0\x01w\x01ajt\0\0\0\x01a\x01k\0\x01z".as_slice());
    assert_eq!(reader.peek_kind(), Ok(Kind::Tuple));
    let expected = [
        Token::Tuple(2),
        Token::List(1),
        Token::Atom(Atom::from_static("a")),
        Token::Nil,
        Token::Map(1),
        Token::Integer(1.into()),
        Token::String(Bytes::from_static(b"z")),
    ];
    for token in expected {
        assert_eq!(reader.token(), Ok(token));
    }
    assert!(reader.is_empty());
    assert_eq!(
        reader.token(),
        Err(DecodeErrorKind::Truncated { offset: 22 }.into())
    );
}

#[test]
fn a_fixed_list_is_read_element_by_element() {
    let mut reader = Reader::new(b"l\0\0\0\x02w\x01aa\x01l\0\0\0\0jj".as_slice());
    assert_eq!(reader.list(), Ok(2));
    assert_eq!(reader.atom(), Ok(Atom::from_static("a")));
    assert_eq!(reader.integer(), Ok(1_u8));
    assert_eq!(reader.nil(), Ok(()));
    assert_eq!(reader.list(), Ok(0));
    assert!(reader.is_empty());
}

#[test]
fn for_each_reads_a_list_in_any_form() {
    let read = |encoded: &'static [u8]| {
        let mut numbers = Vec::new();
        let mut reader = Reader::new(encoded);
        reader.for_each(|reader| {
            numbers.push(reader.integer::<i64>()?);
            Ok(())
        })?;
        reader.finish()?;
        Ok::<_, DecodeError>(numbers)
    };
    assert_eq!(read(b"j"), Ok(vec![]));
    assert_eq!(read(b"k\0\x02\x01\x02"), Ok(vec![1, 2]));
    assert_eq!(
        read(b"l\0\0\0\x01a\x01l\0\0\0\x01a\x02k\0\x01\x03"),
        Ok(vec![1, 2, 3])
    );
    assert!(matches!(
        read(b"l\0\0\0\x01a\x01a\x02"),
        Err(error) if matches!(error.kind(), DecodeErrorKind::Unexpected { found: Kind::Integer, .. })
    ));
}

#[test]
fn a_wrong_kind_says_what_was_expected_and_found() {
    let mut reader = Reader::new(b"h\x01a\x01".as_slice());
    reader.tuple_of(1).unwrap();
    let error = reader.atom().unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected an atom at byte 2, found an integer"
    );
    let mut reader = Reader::new(b"h\x01a\x01".as_slice());
    assert_eq!(
        reader.tuple_of(2).unwrap_err().to_string(),
        "expected a tuple of 2 elements at byte 0, found one of 1"
    );
}

#[test]
fn external_terms_need_their_version_byte_and_nothing_after_them() {
    assert_eq!(
        Term::from_bytes(b"w\x02ok".as_slice()),
        Err(DecodeErrorKind::Version { found: b'w' }.into())
    );
    assert_eq!(
        Term::from_bytes(b"\x83w\x02ok\0\0".as_slice()),
        Err(DecodeErrorKind::TrailingBytes { count: 2 }.into())
    );
    assert_eq!(
        Term::from_bytes(b"".as_slice()),
        Err(DecodeErrorKind::Truncated { offset: 0 }.into())
    );
}
