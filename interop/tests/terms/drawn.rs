//! Thousands of terms drawn at random.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::LazyLock;

use beam_term::arbitrary::{scalar, string, term};
use beam_term::{Atom, Fun, Map, Term};
use bytes::Bytes;
use interop::{Beam, Otp};
use proptest::collection::vec;
use proptest::prop_oneof;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::parts::has;
use crate::round_trip::FORMS;

pub(crate) async fn otp_decodes_our_encodings_to_the_same_terms(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let function = "fun(B) -> term_to_binary(binary_to_term(B), [{minor_version, 2}]) end";
    let answers = ask(&beam, function, encodings()).await;
    for (drawn, answer) in TERMS.iter().zip(&answers) {
        let encoded = answer
            .as_bytes()
            .unwrap_or_else(|| panic!("{answer} for {drawn}"));
        assert_eq!(
            Term::from_bytes(encoded.clone()).as_ref(),
            Ok(&drawn.term),
            "{drawn}"
        );
        // Where there is but one way to encode the term, ours is OTP's. OTP 25 has two for ports; closures get another
        // creator.
        if otp.number() >= 26 && !has_pairs(&drawn.term) && !has_closure(&drawn.term) {
            assert_eq!(encoded, &drawn.encoded, "{drawn}");
        }
    }
}

pub(crate) async fn we_decode_every_form_of_otps_encodings(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let mut compressed = 0;
    for options in FORMS {
        let function = format!("fun(B) -> term_to_binary(binary_to_term(B), {options}) end");
        let answers = ask(&beam, &function, encodings()).await;
        for (drawn, answer) in TERMS.iter().zip(&answers) {
            let encoded = answer
                .as_bytes()
                .unwrap_or_else(|| panic!("{answer} for {drawn}"));
            let decoded = Term::from_bytes(encoded.clone());
            assert_eq!(decoded.as_ref(), Ok(&drawn.term), "{options}, {drawn}");
            compressed += usize::from(encoded.starts_with(&[131, 80]));
        }
    }
    assert!(compressed > 0);
}

pub(crate) async fn terms_are_printed_and_parsed_as_otp_does(otp: Otp) {
    let unicode = ["+pc", "unicode"];
    let beam = otp.beam().flags(unicode).start().await.unwrap();
    // From OTP 26 on, the keys of a map can be printed in order.
    let orders_keys = otp.number() >= 26;
    let drawn: Vec<_> = TERMS
        .iter()
        .filter(|drawn| !has_own_print(&drawn.term))
        .collect();
    assert!(drawn.len() > COUNT / 4);
    let function = format!(
        "fun({{Encoded, Text}}) ->
            {{ok, Tokens, _}} = erl_scan:string(unicode:characters_to_list(Text) ++ \" .\"),
            {{ok, Parsed}} = erl_parse:parse_term(Tokens),
            Term = binary_to_term(Encoded),
            {{Parsed =:= Term, unicode:characters_to_binary(io_lib:format(\"{}\", [Term]))}}
        end",
        if orders_keys { "~0tkp" } else { "~0tp" }
    );
    let pair = |drawn: &&Drawn| {
        let text = Term::binary(drawn.term.to_string());
        Term::tuple([Term::Binary(drawn.encoded.clone()), text])
    };
    let answers = ask(&beam, &function, drawn.iter().map(pair)).await;
    for (drawn, answer) in drawn.iter().zip(&answers) {
        let Some([same, printed]) = answer.as_tuple() else {
            panic!("{answer} for {drawn}");
        };
        assert_eq!(same, &Term::from(true), "{drawn}");
        let printed = printed.as_str().expect("text in UTF-8");
        assert_eq!(printed.parse().as_ref(), Ok(&drawn.term), "{drawn}");
        if orders_keys || !has_pairs(&drawn.term) {
            assert_eq!(printed, drawn.term.to_string(), "{drawn}");
        }
    }
}

pub(crate) async fn terms_hash_as_in_otp(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let function = "fun(B) ->
        T = binary_to_term(B),
        [erlang:phash2(T) | [erlang:phash2(T, N) || N <- [1 bsl 32, 1 bsl 32 - 1, 1000, 1]]]
    end";
    let answers = ask(&beam, function, encodings()).await;
    for (drawn, answer) in TERMS.iter().zip(&answers) {
        let range = |range| drawn.term.phash2_range(NonZeroU32::new(range).unwrap());
        let ours = [
            drawn.term.phash2(),
            drawn.term.phash2_full(),
            range(u32::MAX),
            range(1000),
            range(1),
        ];
        assert_eq!(answer, &Term::list(ours.map(Term::from)), "{drawn}");
    }
}

pub(crate) async fn terms_order_as_in_otp(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    // Maps inside of a term go by OTP's own order of keys here, which from OTP 26 on is not that of the terms.
    let exact =
        "fun({A, B}) -> erts_internal:cmp_term(binary_to_term(A), binary_to_term(B)) < 0 end";
    assert_ascending(&beam, exact, |term| !has_pairs(term)).await;
    // The order of `<` takes an integer and a float for equal that are.
    let arithmetic = "fun({A, B}) -> binary_to_term(A) < binary_to_term(B) end";
    assert_ascending(&beam, arithmetic, |term| !has_float(term)).await;
}

/// Asks whether one term comes before the other, for all neighbours among those drawn. In any other order than ours some
/// neighbours stand the other way round.
async fn assert_ascending(beam: &Beam, is_less: &str, choose: impl Fn(&Term) -> bool) {
    let mut ordered: Vec<_> = TERMS.iter().filter(|drawn| choose(&drawn.term)).collect();
    ordered.sort_by(|a, b| a.term.cmp(&b.term));
    ordered.dedup_by(|a, b| a.term == b.term);
    assert!(ordered.len() > COUNT / 4);
    let neighbours = ordered.windows(2).map(|neighbours| {
        let encoded = neighbours.iter().map(|drawn| drawn.encoded.clone());
        Term::tuple(encoded.map(Term::Binary))
    });
    let answers = ask(beam, is_less, neighbours).await;
    for (neighbours, answer) in ordered.windows(2).zip(&answers) {
        let (lesser, greater) = (neighbours[0], neighbours[1]);
        assert_eq!(answer, &Term::from(true), "{lesser}\n\nbefore {greater}");
    }
}

static TERMS: LazyLock<Vec<Drawn>> = LazyLock::new(|| {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&SEED.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = any_term();
    let draw = |number| {
        let term = strategy.new_tree(&mut runner).unwrap().current();
        let encoded = term.to_bytes().unwrap();
        Drawn {
            number,
            term,
            encoded,
        }
    };
    (0..COUNT).map(draw).collect()
});

/// Any term: one in two is nested, and one in a hundred is wide. OTP keeps maps of up to 32 keys in order, and larger ones in a trie.
fn any_term() -> impl Strategy<Value = Term> {
    let map = |pairs: Vec<_>| Term::Map(Map::from_iter(pairs));
    let small_map = || vec((scalar(), scalar()), 0..3).prop_map(map);
    prop_oneof![
        150 => scalar(),
        50 => string(),
        200 => term(),
        1 => vec((scalar(), scalar()), 30..150).prop_map(map),
        1 => vec((small_map(), small_map()), 30..60).prop_map(map),
        1 => vec(scalar(), 250..260).prop_map(Term::Tuple),
        1 => vec(scalar(), 250..260).prop_map(Term::List),
    ]
}

const COUNT: usize = 10_000;

/// What the terms are drawn from; the environment can name another one.
static SEED: LazyLock<u64> = LazyLock::new(|| match std::env::var("TERMS_SEED") {
    Ok(seed) => seed.parse().expect("TERMS_SEED is a number"),
    Err(_) => 1,
});

/// A term that was drawn. It displays as the term in both notations that an Erlang shell takes.
struct Drawn {
    number: usize,
    term: Term,
    encoded: Bytes,
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            number,
            term,
            encoded,
        } = self;
        let encoded = encoded
            .iter()
            .map(u8::to_string)
            .collect::<Vec<_>>()
            .join(",");
        let seed = *SEED;
        write!(
            f,
            "term {number} of TERMS_SEED={seed}: {term} = binary_to_term(<<{encoded}>>)"
        )
    }
}

fn encodings() -> impl Iterator<Item = Term> {
    TERMS
        .iter()
        .map(|drawn| Term::Binary(drawn.encoded.clone()))
}

/// What a fun makes of each value, in the node; where it fails, why.
async fn ask(beam: &Beam, function: &str, values: impl Iterator<Item = Term>) -> Vec<Term> {
    let values = Term::list(values);
    let source = format!(
        "Fun = {function},
        [try Fun(Value) catch Class:Reason -> {{failed, Class, Reason}} end || Value <- Values]"
    );
    let answers = beam
        .expression(&source)
        .bind("Values", &values)
        .term()
        .await
        .unwrap();
    let answers = answers.as_list().expect("a list").to_vec();
    assert_eq!(answers.len(), values.as_list().unwrap_or_default().len());
    answers
}

/// Whether there is a map whose keys can stand in more than one order.
fn has_pairs(term: &Term) -> bool {
    has(term, |term| matches!(term, Term::Map(map) if map.len() > 1))
}

fn has_closure(term: &Term) -> bool {
    has(
        term,
        |term| matches!(term, Term::Fun(fun) if matches!(**fun, Fun::Closure(_))),
    )
}

fn has_float(term: &Term) -> bool {
    has(term, |term| matches!(term, Term::Float(_)))
}

/// Whether there is something that the two sides print in different ways: an identifier, or an unusual name in a fun, which
/// OTP quotes and escapes by other rules than atoms.
fn has_own_print(term: &Term) -> bool {
    let usual = |name: &Atom| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    has(term, |term| match term {
        Term::Reference(_) | Term::Port(_) | Term::Pid(_) | Term::Opaque(_) => true,
        Term::Fun(fun) => match &**fun {
            Fun::Export {
                module, function, ..
            } => !usual(module) || !usual(function),
            Fun::Closure(_) => true,
        },
        _ => false,
    })
}
