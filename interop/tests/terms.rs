//! What each release of OTP makes of terms that this project encodes, and of their order.

#![allow(clippy::unwrap_used)]

use beam_term::{Map, Term, arbitrary::term};
use interop::{Beam, Otp, on_each_release};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};

on_each_release! {
    otp_gives_terms_back_as_they_were,
    other_forms_of_otp_are_the_same_terms,
    otp_orders_keys_as_we_do,
}

async fn otp_gives_terms_back_as_they_were(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let terms = draw(300);
    let source = "[term_to_binary(Term, [deterministic, {minor_version, 2}]) || Term <- Terms]";
    let encoded = eval(&beam, source, &terms).await;
    for (term, encoded) in terms.as_list().unwrap().iter().zip(encoded) {
        let encoded = encoded.as_bytes().unwrap();
        let back = Term::from_bytes(encoded.clone()).unwrap();
        assert_eq!(back, *term, "{term}");
        // Byte for byte in the forms of newer releases; OTP 25 has a shorter one for most ports.
        if otp.number() > 25 {
            assert_eq!(back.to_bytes().unwrap(), encoded, "{term}");
        }
    }
}

async fn other_forms_of_otp_are_the_same_terms(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let terms = draw(300);
    // With atoms in Latin-1 until OTP 25, and compressed.
    let source = "[{term_to_binary(Term), term_to_binary(Term, [compressed])} || Term <- Terms]";
    let encoded = eval(&beam, source, &terms).await;
    for (term, forms) in terms.as_list().unwrap().iter().zip(encoded) {
        for form in forms.as_tuple().unwrap() {
            let back = Term::from_bytes(form.as_bytes().unwrap().clone()).unwrap();
            assert_eq!(back, *term, "{term}");
        }
    }
}

async fn otp_orders_keys_as_we_do(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let terms = draw(120);
    let source = "[erts_internal:cmp_term(A, B) || A <- Terms, B <- Terms]";
    let compared = eval(&beam, source, &terms).await;
    let terms = terms.as_list().unwrap();
    let pairs = terms.iter().flat_map(|a| terms.iter().map(move |b| (a, b)));
    for ((a, b), theirs) in pairs.zip(compared) {
        let theirs = theirs.as_i64().unwrap().cmp(&0);
        assert_eq!(a.cmp(b), theirs, "{a} against {b}");
    }
}

#[tokio::test]
async fn native_records_of_otp_29_pass_through_us_unchanged() {
    let beam = Otp::release(29).unwrap().beam().start().await.unwrap();
    let source = "-module(shapes).\n-export([point/0]).\n-record #point{x = 1, y = {2, 3}}.\n\
        -export_record([point]).\npoint() -> #point{}.\n";
    beam.define_module(source).await.unwrap();
    let point = beam.expression("shapes:point()").term().await.unwrap();
    assert!(matches!(point, Term::Opaque(_)), "{point}");

    let terms = Term::list([Term::tuple([point.clone()])]);
    let same = eval(
        &beam,
        "[Point =:= shapes:point() || {Point} <- Terms]",
        &terms,
    )
    .await;
    assert_eq!(same, [Term::atom("true")]);

    let others = [Term::tuple([]), point, Term::Map(Map::new())];
    let source = "[erts_internal:cmp_term(A, B) || A <- Terms, B <- Terms]";
    let compared = eval(&beam, source, &Term::list(others)).await;
    assert_eq!(compared, [0, -1, -1, 1, 0, -1, 1, 1, 0].map(Term::from));
}

/// A list of terms, the same in every run.
fn draw(count: usize) -> Term {
    let mut runner = TestRunner::deterministic();
    let strategy = term();
    Term::list((0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()))
}

async fn eval(beam: &Beam, source: &str, terms: &Term) -> Vec<Term> {
    let results = beam
        .expression(source)
        .bind("Terms", terms)
        .term()
        .await
        .unwrap();
    match results {
        Term::List(results) => results,
        other => panic!("{other}"),
    }
}
