//! Rust values as terms, both ways.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Debug,
    net::IpAddr,
};

use beam_term::{
    Atom, AtomRefs, BitString, DecodeError, DecodeErrorKind, EncodeError, Float, Fun, Integer, Map,
    Pid, Port, RawTerm, Reader, Reference, Term, Writer, from_bytes, from_term, to_bytes, to_term,
};
use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;

/// The value is sent as the term, and read back from it.
#[track_caller]
fn both_ways<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: T, term: Term) {
    assert_eq!(to_term(&value).unwrap(), term);
    assert_eq!(to_bytes(&value).unwrap(), term.to_bytes().unwrap());
    assert_eq!(from_bytes::<T>(term.to_bytes().unwrap()).unwrap(), value);
}

/// The value can be read from the term, even if it is not sent as such.
#[track_caller]
fn reads<T: DeserializeOwned + PartialEq + Debug>(term: Term, value: T) {
    assert_eq!(from_term::<T>(&term).unwrap(), value);
}

#[track_caller]
fn refuses<T: DeserializeOwned + Debug>(term: Term, message: &str) {
    let error = from_term::<T>(&term).unwrap_err();
    assert_eq!(error.to_string(), message);
}

fn atom(text: &str) -> Term {
    Atom::try_from(text).unwrap().into()
}

fn text(text: &str) -> Term {
    Term::binary(text.to_owned())
}

fn integers<const N: usize>(values: [i64; N]) -> Term {
    Term::list(values.map(Term::from))
}

fn map<const N: usize>(entries: [(Term, Term); N]) -> Term {
    Term::Map(entries.into_iter().collect())
}

fn pid() -> Pid {
    Pid {
        node: Atom::from_static("a@b"),
        id: 1,
        serial: 2,
        creation: 3,
    }
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct Job {
    name: String,
    retries: Option<u32>,
}

fn job() -> Job {
    Job {
        name: "resize".to_owned(),
        retries: None,
    }
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    Empty,
    Circle(f64),
    Rectangle(u32, u32),
    Label { text: String },
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct Meters(u64);

#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct Marker;

#[test]
fn text_is_the_same_term_by_conversion_as_by_serde() {
    assert_eq!(Term::from("grün"), to_term("grün").unwrap());
    assert_eq!(Term::from("grün".to_owned()), Term::binary("grün"));
}

#[test]
fn units_inside_of_results_come_back_as_they_were() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Nothing;
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Wrapped(());
    fn comes_back<T>(value: T)
    where
        T: std::fmt::Debug + PartialEq + Serialize + serde::de::DeserializeOwned,
    {
        let encoded = to_bytes(&value).unwrap();
        assert_eq!(from_bytes::<T>(encoded).as_ref(), Ok(&value));
    }
    comes_back(Ok::<_, ()>(Wrapped(())));
    comes_back(Ok::<_, ()>(Nothing));
    comes_back(Ok::<_, ()>(None::<()>));
    comes_back(Err::<u8, _>(Wrapped(())));
    comes_back(Ok::<_, u8>(Ok::<_, u8>(())));
}

#[test]
fn another_enum_named_result_comes_back_as_it_was() {
    mod plain {
        #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        pub(super) enum Result {
            Ok(u8),
            Err { code: u8 },
            Pending,
            Unit(()),
        }
    }
    mod renamed {
        #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub(super) enum Result {
            Ok(u8),
            Error,
        }
    }
    use plain::Result::{Err, Ok, Pending, Unit};
    for value in [Ok(1), Err { code: 2 }, Pending, Unit(())] {
        let encoded = to_bytes(&value).unwrap();
        assert_eq!(from_bytes::<plain::Result>(encoded).unwrap(), value);
    }
    for value in [renamed::Result::Ok(1), renamed::Result::Error] {
        let encoded = to_bytes(&value).unwrap();
        assert_eq!(from_bytes::<renamed::Result>(encoded).unwrap(), value);
    }
}

#[test]
fn a_number_that_an_f32_cannot_hold_is_refused() {
    for number in [
        "1.0e300",
        "-1.0e39",
        "1000000000000000000000000000000000000000",
    ] {
        let term: Term = number.parse().unwrap();
        assert!(from_term::<f32>(&term).is_err(), "{number}");
        assert!(from_term::<f64>(&term).is_ok(), "{number}");
    }
    assert_eq!(from_bytes(to_bytes(&f32::MAX).unwrap()), Ok(f32::MAX));
    assert_eq!(from_term(&Term::from(7)), Ok(7.0_f32));
}

#[test]
fn numbers_are_numbers() {
    both_ways(-5_i8, Term::from(-5));
    both_ways(u64::MAX, Term::from(u64::MAX));
    both_ways(i128::MIN, Term::from(i128::MIN));
    both_ways(u128::MAX, Term::from(u128::MAX));
    both_ways(0.5_f64, Term::try_from(0.5).unwrap());
    both_ways(0.5_f32, Term::try_from(0.5).unwrap());
    reads(Term::from(3), 3.0_f64);
    reads(Term::from(1_u128 << 100), 2.0_f64.powi(100));
}

#[test]
fn numbers_out_of_range_are_refused() {
    refuses::<u8>(Term::from(256), "invalid value: integer `256`, expected u8");
    refuses::<u64>(Term::from(-1), "invalid value: integer `-1`, expected u64");
    refuses::<i64>(
        Term::from(u64::MAX),
        "invalid value: integer `18446744073709551615`, expected i64",
    );
    let huge = num_bigint::BigInt::from(1) << 2000_u32;
    refuses::<u128>(
        Term::from(huge.clone()),
        "the integer at byte 0 is out of range",
    );
    refuses::<f64>(Term::from(huge), "the integer at byte 0 is out of range");
    refuses::<u8>(
        Term::try_from(1.0).unwrap(),
        "expected an integer at byte 0, found a float",
    );
}

#[test]
fn nan_cannot_be_sent() {
    assert!(matches!(
        to_bytes(&[1.0, f64::NAN]),
        Err(EncodeError::NonFinite(_))
    ));
    assert!(to_bytes(&f32::INFINITY).is_err());
}

#[test]
fn booleans_are_atoms() {
    both_ways(true, atom("true"));
    both_ways(false, atom("false"));
    refuses::<bool>(
        atom("yes"),
        "expected true or false at byte 0, found an atom",
    );
}

#[test]
fn text_is_a_binary_and_charlists_are_taken_for_it() {
    both_ways("h\u{e9}".to_owned(), text("h\u{e9}"));
    reads(Term::charlist("h\u{e9}"), "h\u{e9}".to_owned());
    reads(Term::charlist("a\u{3a9}"), "a\u{3a9}".to_owned());
    reads(Term::nil(), String::new());
    // With the type that takes it.
    refuses::<String>(
        atom("resize"),
        "expected text as a binary (an atom is read as `Atom`) at byte 0, found an atom",
    );
    refuses::<String>(
        Term::from(1),
        "expected text as a binary at byte 0, found an integer",
    );
    refuses::<String>(Term::binary(vec![0xFF]), "text that is not UTF-8 at byte 0");
    refuses::<String>(integers([97, -1]), "the integer at byte 7 is out of range");
    refuses::<String>(integers([0xD800]), "the integer at byte 5 is out of range");
}

#[test]
fn characters_are_text_of_one_or_code_points() {
    both_ways('\u{3a9}', text("\u{3a9}"));
    reads(Term::from(937), '\u{3a9}');
    assert!(from_term::<char>(&text("ab")).is_err());
}

#[test]
fn bytes_are_binaries() {
    both_ways(ByteBuf::from(vec![0, 255]), Term::binary(vec![0, 255]));
    both_ways(Bytes::from_static(&[0, 255]), Term::binary(vec![0, 255]));
}

#[test]
fn sequences_are_lists() {
    both_ways(vec![1_u8, 2, 255], integers([1, 2, 255]));
    both_ways(vec![-1_i64, -200], integers([-1, -200]));
    both_ways(vec!["a".to_owned()], Term::list([text("a")]));
    both_ways(Vec::<u32>::new(), Term::nil());
    both_ways(
        vec![vec![1_u16], vec![]],
        Term::list([integers([1]), Term::nil()]),
    );
    reads(Term::binary(vec![1, 255]), vec![1_u8, 255]);
    reads(Term::binary(vec![1, 255]), vec![1_i64, 255]);
}

#[test]
fn elements_of_a_string_can_be_anything_that_an_integer_can() {
    let string = || Term::charlist("ab");
    reads(string(), vec![97_u64, 98]);
    reads(string(), vec![97.0_f64, 98.0]);
    reads(string(), vec![Some(97_u8), Some(98)]);
    reads(string(), vec!['a', 'b']);
    reads(string(), vec![Meters(97), Meters(98)]);
    reads(string(), vec![Term::from(97), Term::from(98)]);
    reads(string(), (97_u8, 98_i32));
}

#[test]
fn long_sequences_of_bytes_are_lists_in_the_end() {
    let long = vec![7_u8; 70_000];
    let encoded = to_bytes(&long).unwrap();
    assert_eq!(encoded[..6], [131, 108, 0, 1, 17, 112]);
    assert_eq!(from_bytes::<Vec<u8>>(encoded).unwrap(), long);
}

#[test]
fn terms_of_two_bytes_do_not_make_a_string() {
    both_ways(
        vec![(0_u8, ())],
        Term::list([Term::tuple([Term::from(0), atom("ok")])]),
    );
    both_ways(
        vec![Term::tuple([]), Term::from(1)],
        Term::list([Term::tuple([]), Term::from(1)]),
    );
    both_ways(vec![atom(""), atom("")], Term::list([atom(""), atom("")]));
}

#[test]
fn a_list_in_the_tail_of_a_list_goes_on_with_it() {
    let encoded = b"\x83l\0\0\0\x01a\x01l\0\0\0\x01a\x02k\0\x02\x03\x04".as_slice();
    assert_eq!(from_bytes::<Vec<u8>>(encoded).unwrap(), [1, 2, 3, 4]);
    assert_eq!(
        from_bytes::<(u8, u8, u8, u8)>(encoded).unwrap(),
        (1, 2, 3, 4)
    );
    let error = from_bytes::<Vec<u8>>(b"\x83l\0\0\0\x01a\x01a\x02".as_slice()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected the end of the list at byte 7, found an integer"
    );
}

#[test]
fn tuples_are_tuples_and_lists_are_taken_for_them() {
    both_ways((1, "a".to_owned()), Term::tuple([Term::from(1), text("a")]));
    both_ways([1_u8, 2], Term::tuple([1, 2].map(Term::from)));
    reads(Term::list([Term::from(1), text("a")]), (1, "a".to_owned()));
    refuses::<(u8, u8)>(
        Term::tuple([Term::from(1)]),
        "expected a tuple of 2 elements at byte 0, found one of 1",
    );
    refuses::<(u8, u8)>(
        integers([1]),
        "invalid length 1, expected a tuple of size 2",
    );
    refuses::<(u8, u8)>(integers([1, 2, 3]), "surplus elements after the first 2: 1");
}

#[test]
fn options_are_nil_or_the_value() {
    both_ways(Some(5), Term::from(5));
    both_ways(None::<u8>, atom("nil"));
    reads(atom("undefined"), None::<u8>);
    both_ways(Some(atom("nothing")), atom("nothing"));
}

#[test]
fn units_are_ok() {
    both_ways((), atom("ok"));
    both_ways(Marker, atom("ok"));
    for term in [atom("nil"), atom("undefined"), Term::tuple([])] {
        reads(term, ());
    }
    refuses::<()>(
        atom("error"),
        "expected the atom ok at byte 0, found an atom",
    );
}

#[test]
fn structs_are_maps_with_atoms_as_keys() {
    both_ways(
        job(),
        map([
            (atom("name"), text("resize")),
            (atom("retries"), atom("nil")),
        ]),
    );
    both_ways(Meters(5), Term::from(5));
}

#[test]
fn structs_are_read_from_maps_of_json_and_from_keyword_lists() {
    reads(
        map([
            (text("name"), text("resize")),
            (text("retries"), atom("nil")),
        ]),
        job(),
    );
    let pair = |key: Term, value: Term| Term::tuple([key, value]);
    let keywords = [
        pair(atom("retries"), atom("nil")),
        pair(atom("name"), text("resize")),
    ];
    reads(Term::list(keywords), job());
    reads(Term::list([pair(atom("name"), text("resize"))]), job());
    refuses::<Job>(Term::nil(), "missing field `name`");
    refuses::<Job>(
        Term::list([atom("name")]),
        "expected a tuple at byte 5, found an atom",
    );
    refuses::<Job>(text("x"), "expected a map at byte 0, found a binary");
}

#[test]
fn the_name_of_an_elixir_struct_is_passed_over() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        name: String,
    }

    let elixir = [
        (atom("__struct__"), atom("Elixir.Job")),
        (atom("name"), text("resize")),
    ];
    reads(
        map(elixir.clone()),
        Strict {
            name: "resize".to_owned(),
        },
    );
    refuses::<Strict>(
        map([(atom("name"), text("x")), (atom("age"), Term::from(1))]),
        "unknown field `age`, expected `name`",
    );
    // A map is read as it is.
    assert_eq!(
        from_term::<HashMap<String, Term>>(&map(elixir))
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn maps_are_maps() {
    let entries = [("a".to_owned(), 1), ("b".to_owned(), 2)];
    both_ways(
        BTreeMap::from(entries),
        map([(text("a"), Term::from(1)), (text("b"), Term::from(2))]),
    );
    both_ways(
        HashMap::from([(1_u8, true)]),
        map([(Term::from(1), atom("true"))]),
    );
    reads(
        map([(atom("a"), Term::from(1))]),
        HashMap::from([("a".to_owned(), 1)]),
    );
    reads(
        Term::list([Term::tuple([atom("a"), Term::from(1)])]),
        HashMap::from([("a".to_owned(), 1)]),
    );
    both_ways(
        BTreeMap::from([(atom("a"), pid())]),
        map([(atom("a"), pid().into())]),
    );
}

#[test]
fn a_key_that_would_come_twice_is_not_sent() {
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    struct Alike(u8);

    impl Serialize for Alike {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str("same")
        }
    }

    let alike = BTreeMap::from([(Alike(1), 1), (Alike(2), 2)]);
    assert_eq!(
        to_bytes(&alike).unwrap_err().to_string(),
        "a map has a key twice"
    );
}

#[test]
fn variants_are_atoms_and_tagged_tuples() {
    both_ways(Shape::Empty, atom("empty"));
    both_ways(
        Shape::Circle(0.5),
        Term::tuple([atom("circle"), Term::try_from(0.5).unwrap()]),
    );
    both_ways(
        Shape::Rectangle(1, 2),
        Term::tuple([atom("rectangle"), Term::from(1), Term::from(2)]),
    );
    both_ways(
        Shape::Label {
            text: "x".to_owned(),
        },
        Term::tuple([atom("label"), map([(atom("text"), text("x"))])]),
    );
    reads(
        Term::tuple([
            atom("label"),
            Term::list([Term::tuple([atom("text"), text("x")])]),
        ]),
        Shape::Label {
            text: "x".to_owned(),
        },
    );
}

#[test]
fn variants_of_another_shape_are_refused() {
    let tagged = |elements: &[Term]| Term::tuple(elements.iter().cloned());
    refuses::<Shape>(
        atom("square"),
        "unknown variant `square`, expected one of `empty`, `circle`, `rectangle`, `label`",
    );
    refuses::<Shape>(
        tagged(&[atom("empty"), Term::from(1)]),
        "expected an atom for the variant `empty`, found a tuple",
    );
    refuses::<Shape>(
        atom("circle"),
        "expected a tuple of 2 elements for the variant `circle`, found an atom",
    );
    refuses::<Shape>(
        tagged(&[atom("rectangle"), Term::from(1)]),
        "expected a tuple of 3 elements for the variant `rectangle`, found one of 2",
    );
    refuses::<Shape>(
        tagged(&[atom("circle"), text("x")]),
        "expected a number at byte 10, found a binary in `[1]`",
    );
    refuses::<Shape>(
        text("empty"),
        "expected an atom or a tagged tuple at byte 0, found a binary",
    );
    refuses::<Shape>(
        tagged(&[text("empty")]),
        "expected an atom at byte 2, found a binary",
    );
}

#[test]
fn results_are_ok_and_error() {
    type R = Result<u8, String>;
    both_ways(R::Ok(5), Term::tuple([atom("ok"), Term::from(5)]));
    both_ways(
        R::Err("no".to_owned()),
        Term::tuple([atom("error"), text("no")]),
    );
    both_ways(Ok::<(), ()>(()), atom("ok"));
    both_ways(Err::<(), ()>(()), atom("error"));
    both_ways(
        Ok::<Result<(), u8>, ()>(Ok(())),
        Term::tuple([atom("ok"), atom("ok")]),
    );
    both_ways(
        vec![Ok(()), Err(1_u8), Ok(())],
        Term::list([
            atom("ok"),
            Term::tuple([atom("error"), Term::from(1)]),
            atom("ok"),
        ]),
    );
    both_ways(
        Ok::<Atom, ()>(Atom::from_static("ok")),
        Term::tuple([atom("ok"), atom("ok")]),
    );
    reads(Term::tuple([atom("ok"), atom("nil")]), Ok::<(), ()>(()));
    reads(atom("ok"), Ok::<Option<u8>, ()>(None));
    refuses::<R>(atom("ok"), "invalid type: unit value, expected u8");
}

#[test]
fn types_of_this_crate_pass_unchanged() {
    let reference = Reference::new(Atom::from_static("a@b"), 1, &[1, 2, 3]).unwrap();
    let port = Port {
        node: Atom::from_static("a@b"),
        id: 1,
        creation: 2,
    };
    let fun = Fun::Export {
        module: Atom::from_static("m"),
        function: Atom::from_static("f"),
        arity: 2,
    };
    let bits = BitString::new(vec![0x80], 1).unwrap();
    let entries: Map = [(pid().into(), Term::nil())].into_iter().collect();
    both_ways(Atom::from_static("ok"), atom("ok"));
    both_ways(Integer::from(u128::MAX), Term::from(u128::MAX));
    both_ways(Float::try_from(1.5).unwrap(), Term::try_from(1.5).unwrap());
    both_ways(pid(), pid().into());
    both_ways(reference.clone(), reference.into());
    both_ways(port.clone(), port.into());
    both_ways(fun.clone(), fun.into());
    both_ways(bits.clone(), bits.into());
    both_ways(entries.clone(), entries.into());
    let improper = Term::list_with_tail([Term::from(1)], atom("x"));
    both_ways(improper.clone(), improper.clone());
    both_ways(
        (pid(), Some(improper.clone())),
        Term::tuple([pid().into(), improper]),
    );
    refuses::<Pid>(atom("x"), "expected a pid, found an atom");
    refuses::<Vec<Atom>>(
        Term::list([atom("x"), text("y")]),
        "expected an atom, found a binary in `[1]`",
    );
}

#[test]
fn binaries_in_terms_stay_slices_of_the_input() {
    #[derive(Deserialize)]
    struct Upload {
        body: Term,
        raw: RawTerm,
    }

    let encoded = to_bytes(&HashMap::from([
        ("body", Term::binary("some bytes")),
        ("raw", Term::binary("more bytes")),
    ]))
    .unwrap();
    let within = encoded.as_ptr_range();
    let upload: Upload = from_bytes(encoded.clone()).unwrap();
    assert!(within.contains(&upload.body.as_bytes().unwrap().as_ptr()));
    let raw = upload.raw.decode().unwrap();
    assert!(within.contains(&raw.as_bytes().unwrap().as_ptr()));
}

#[test]
fn raw_terms_pass_unchanged_but_for_cached_atoms() {
    let atoms = AtomRefs::from_iter([Atom::from_static("cached")]);
    let mut reader = Reader::new(b"h\x02R\0a\x01".as_slice()).with_atoms(atoms);
    let raw: RawTerm = reader.deserialize().unwrap();
    let mut buffer = BytesMut::new();
    Writer::new(&mut buffer).serialize(&vec![raw]).unwrap();
    assert_eq!(buffer, b"l\0\0\0\x01h\x02w\x06cacheda\x01j".as_slice());
}

#[test]
fn a_raw_term_is_encoded_once_and_decoded_by_type() {
    let raw = RawTerm::serialize(&job()).unwrap();
    assert_eq!(raw.deserialize::<Job>().unwrap(), job());
    assert_eq!(raw.to_external().unwrap(), to_bytes(&job()).unwrap());
}

#[test]
fn untagged_and_flattened_values_take_the_natural_shape() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
        Many(Vec<Either>),
        Job(Job),
        Nothing(()),
    }

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    struct Outer {
        id: u8,
        #[serde(flatten)]
        job: Job,
    }

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    enum Tagged {
        Job(Job),
    }

    reads(Term::from(5), Either::Number(5));
    reads(text("x"), Either::Text("x".to_owned()));
    reads(atom("x"), Either::Text("x".to_owned()));
    reads(atom("nil"), Either::Nothing(()));
    reads(Term::charlist("a"), Either::Many(vec![Either::Number(97)]));
    reads(map([(atom("name"), text("resize"))]), Either::Job(job()));
    let outer = Outer { id: 1, job: job() };
    assert_eq!(
        from_term::<Outer>(&to_term(&outer).unwrap()).unwrap(),
        outer
    );
    let tagged = map([
        (atom("kind"), atom("job")),
        (atom("__struct__"), atom("Elixir.Job")),
        (atom("name"), text("resize")),
    ]);
    reads(tagged, Tagged::Job(job()));
}

#[test]
fn types_with_a_readable_form_take_it() {
    both_ways(IpAddr::from([127, 0, 0, 1]), text("127.0.0.1"));
}

#[test]
fn json_takes_and_gives_the_natural_shape() {
    let term = map([
        (atom("atom"), atom("ok")),
        (atom("bool"), atom("true")),
        (text("list"), integers([1, -2])),
        (Term::from(1), atom("nil")),
        (atom("text"), text("h\u{e9}")),
        (atom("tuple"), Term::tuple([Term::try_from(0.5).unwrap()])),
    ]);
    let json = serde_json::to_value(&term).unwrap();
    let expected = serde_json::json!({
        "1": null, "atom": "ok", "bool": true, "list": [1, -2], "text": "h\u{e9}", "tuple": [0.5],
    });
    assert_eq!(json, expected);

    let back: Term = serde_json::from_value(json).unwrap();
    assert_eq!(back.as_map().unwrap().get(&text("atom")), Some(&text("ok")));
    assert_eq!(back.as_map().unwrap().get(&text("1")), Some(&atom("nil")));

    assert_eq!(
        serde_json::from_str::<Atom>("\"ok\"").unwrap(),
        Atom::from_static("ok")
    );
    assert_eq!(
        serde_json::to_string(&Atom::from_static("true")).unwrap(),
        "\"true\""
    );
    let keyed_by_atom = map([(atom("a"), integers([1])), (atom("b"), atom("nil"))]);
    assert_eq!(
        from_term::<serde_json::Value>(&keyed_by_atom).unwrap(),
        serde_json::json!({"a": [1], "b": null}),
    );
}

#[test]
fn nothing_is_left_behind_when_a_value_changes_hands() {
    // A visitor that ignores what it is handed must not leave it to the next.
    let term = Term::tuple([pid().into(), atom("x")]);
    let (_, name): (serde::de::IgnoredAny, Atom) = from_term(&term).unwrap();
    assert_eq!(name, "x");
    assert_eq!(serde_json::from_str::<Term>("null").unwrap(), atom("nil"));

    // A value that serializes another format within its own serialization.
    struct Nested(Term);
    impl Serialize for Nested {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let json = serde_json::to_string(&self.0).map_err(serde::ser::Error::custom)?;
            (json, &self.0).serialize(serializer)
        }
    }
    assert_eq!(
        to_term(&vec![Nested(Term::from(1))]).unwrap(),
        Term::list([Term::tuple([text("1"), Term::from(1)])])
    );
}

#[test]
fn errors_name_the_place_inside_the_value() {
    #[derive(Debug, Deserialize)]
    struct Batch {
        #[allow(dead_code)]
        jobs: Vec<Job>,
    }

    let bad = map([(atom("name"), text("x")), (atom("retries"), text("many"))]);
    let good = map([(atom("name"), text("x"))]);
    refuses::<Batch>(
        map([(atom("jobs"), Term::list([good, bad]))]),
        "expected an integer at byte 59, found a binary in `jobs[1].retries`",
    );
    let error = from_term::<HashMap<u8, u8>>(&map([(Term::from(7), text("x"))])).unwrap_err();
    assert!(matches!(error.kind(), DecodeErrorKind::Inside { path, .. } if path == "[7]"));
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct Nest(Vec<Nest>);

/// A list in a list in a list.
fn nest(depth: usize) -> Vec<u8> {
    let mut encoded = vec![131];
    for _ in 1..depth {
        encoded.extend(b"l\0\0\0\x01");
    }
    encoded.push(106);
    encoded.extend(vec![106; depth - 1]);
    encoded
}

#[test]
fn nesting_is_bounded_both_ways() {
    // The stack of a worker thread must do, unoptimized.
    let within_two_mebibytes = || {
        let deepest: Nest = from_bytes(nest(129)).unwrap();
        assert_eq!(to_bytes(&deepest).unwrap(), nest(129));
        from_bytes::<serde_json::Value>(nest(129)).unwrap();
        assert_eq!(
            root(from_bytes::<Nest>(nest(130)).unwrap_err()),
            DecodeErrorKind::TooDeep { limit: 128 }
        );
        assert_eq!(
            to_bytes(&Nest(vec![deepest])),
            Err(EncodeError::TooDeep { limit: 128 })
        );
        from_bytes::<Term>(nest(513)).unwrap();
        assert_eq!(
            from_bytes::<Term>(nest(514)),
            Err(DecodeErrorKind::TooDeep { limit: 512 }.into())
        );
    };
    std::thread::Builder::new()
        .stack_size(2 * 1024 * 1024)
        .spawn(within_two_mebibytes)
        .unwrap()
        .join()
        .unwrap();
}

fn root(error: DecodeError) -> DecodeError {
    match error.kind() {
        DecodeErrorKind::Inside { source, .. } => source.clone(),
        _ => error,
    }
}

#[test]
fn nested_claims_add_up_when_typed_values_are_read() {
    // Each list claims nearly all the bytes that are left.
    let mut encoded = vec![131];
    for _ in 0..100 {
        encoded.extend(b"l\0\0\x0f\0");
    }
    encoded.extend([106; 0x1000]);
    assert!(matches!(
        root(from_bytes::<Nest>(encoded).unwrap_err()).kind(),
        DecodeErrorKind::Truncated { .. }
    ));
}
