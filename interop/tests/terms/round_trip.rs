//! Terms that a node makes, on their way to us and back.

use beam_term::{Opaque, Term};
use bytes::Bytes;
use interop::{Beam, Session};

use crate::parts::has;

/// Every way in which OTP encodes a term for others.
pub(crate) const FORMS: [&str; 7] = [
    "[]",
    "[{minor_version, 0}]",
    "[{minor_version, 1}]",
    "[{minor_version, 2}]",
    "[deterministic]",
    "[compressed]",
    "[{compressed, 9}, {minor_version, 1}, deterministic]",
];

/// Has a node make a list of terms. Each must decode to the same term from all of its encodings, hash as in OTP, and be for
/// the node what it was when it comes back in our encoding.
pub(crate) async fn both_ways(beam: &Beam, source: &str) -> Vec<Term> {
    let session = beam.session();
    let terms = decode(&make(&session, source, "[]").await);
    assert!(!terms.is_empty());
    for form in &FORMS[1..] {
        let encodings = make(&session, "Originals", form).await;
        assert_eq!(decode(&encodings), terms, "{form}");
    }
    assert_same(&session, &terms).await;
    terms
}

/// Has a process of a node make a list of terms, keep it as `Originals`, and encode each of them.
pub(crate) async fn make(session: &Session, source: &str, options: &str) -> Vec<Bytes> {
    let source = format!("Originals = {source}, [term_to_binary(T, {options}) || T <- Originals]");
    let encodings = session.eval(&source).await.unwrap();
    let encodings = encodings.as_list().expect("a list");
    let bytes = |term: &Term| term.as_bytes().expect("an encoding").clone();
    encodings.iter().map(bytes).collect()
}

pub(crate) fn decode(encodings: &[Bytes]) -> Vec<Term> {
    let decode = |encoded: &Bytes| Term::from_bytes(encoded.clone()).unwrap();
    encodings.iter().map(decode).collect()
}

/// The terms are, in our encoding, what the process made and kept; and the hashes of all that we look into are OTP's.
pub(crate) async fn assert_same(session: &Session, terms: &[Term]) {
    let encodings = Term::list(
        terms
            .iter()
            .map(|term| Term::Binary(term.to_bytes().unwrap())),
    );
    let source = "[{T =:= binary_to_term(B), erlang:phash2(T, 1 bsl 32)} || {T, B} <- lists:zip(Originals, Encodings)]";
    let answers = session
        .expression(source)
        .bind("Encodings", &encodings)
        .term()
        .await
        .unwrap();
    let answers = answers.as_list().expect("a list");
    assert_eq!(answers.len(), terms.len());
    for (term, answer) in terms.iter().zip(answers) {
        let Some([same, hash]) = answer.as_tuple() else {
            panic!("{answer} for {term}");
        };
        assert_eq!(same, &Term::from(true), "{term}");
        if !has(term, |term| opaque(term).is_some()) {
            assert_eq!(hash, &Term::from(term.phash2_full()), "{term}");
        }
    }
}

pub(crate) fn opaque(term: &Term) -> Option<&Opaque> {
    match term {
        Term::Opaque(opaque) => Some(opaque),
        _ => None,
    }
}
