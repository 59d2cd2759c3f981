//! Terms that only their node can do something with: they must come back to it as they were.

use beam_term::{Fun, Term};
use bytes::Bytes;
use interop::{Beam, Otp};

use crate::round_trip::{FORMS, assert_same, both_ways, decode, make, opaque};

pub(crate) async fn exported_functions_come_back_callable(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let source =
        "[fun lists:reverse/1, fun erlang:'+'/2, fun 'Elixir.Ünknown':'run!'/255, fun '':''/0]";
    let terms = both_ways(&beam, source).await;
    assert!(matches!(&terms[0], Term::Fun(fun) if matches!(**fun, Fun::Export { arity: 1, .. })));

    let call = beam.expression("(binary_to_term(Encoded))([1, 2, 3])");
    let call = call.bind_binary("Encoded", terms[0].to_bytes().unwrap());
    assert_eq!(
        call.term().await.unwrap(),
        Term::list([3, 2, 1].map(Term::from))
    );
}

pub(crate) async fn closures_come_back_callable(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    beam.define_module(
        "-module(closures).
        -export([all/0]).
        all() -> [constant(), sum(40), pick([a | b], 1.5, #{1 => <<5:3>>, 2 => self()}), adder(sum(2)), loop(), many(1, 2, 3)].
        constant() -> fun() -> 42 end.
        sum(N) -> fun(X) -> N + X end.
        pick(A, B, C) -> fun(X, Y) -> {A, B, C, X, Y} end.
        adder(F) -> fun(X) -> F(F(X)) end.
        loop() -> fun Loop(N) when N > 100 -> N; Loop(N) -> Loop(2 * N) end.
        many(A, B, C) -> fun(D, E, F, G, H, I, J) -> [A, B, C, D, E, F, G, H, I, J, make_ref() =:= ok] end.",
    )
    .await
    .unwrap();

    // The last two are interpreted: their environment holds their code.
    let source = "closures:all() ++ [fun(X) -> {X, X} end, begin Y = 5, fun() -> Y end end]";
    let session = beam.session();
    let encodings = make(&session, source, "[{minor_version, 2}]").await;
    let terms = decode(&encodings);
    let is_closure =
        |term: &Term| matches!(term, Term::Fun(fun) if matches!(**fun, Fun::Closure(_)));
    assert!(terms.len() == 8 && terms.iter().all(is_closure));
    let ours: Vec<_> = terms.iter().map(|term| term.to_bytes().unwrap()).collect();
    assert_eq!(ours[..6], encodings[..6]);
    assert_same(&session, &terms).await;

    let call = "[begin
            {arity, Arity} = erlang:fun_info(Original, arity),
            Arguments = lists:duplicate(Arity, 1),
            apply(binary_to_term(Encoded), Arguments) =:= apply(Original, Arguments)
        end || {Original, Encoded} <- lists:zip(Originals, Encodings)]";
    let call = session.expression(call).bind("Encodings", &binaries(ours));
    assert_eq!(
        call.term().await.unwrap(),
        Term::list([true; 8].map(Term::from))
    );
}

pub(crate) async fn terms_in_the_local_format_come_back_equal(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    // No funs: OTP 27 and 29 crash when they decode their own.
    let source =
        "[a, [], {self(), make_ref()}, #{key => [<<1:1>>, 1 bsl 100]}, lists:seq(1, 1000)]";
    let session = beam.session();
    if otp.number() < 26 {
        let error = session
            .eval("term_to_binary(a, [local])")
            .await
            .unwrap_err();
        assert!(error.to_string().contains("bad"), "{error}");
        return;
    }
    let encodings = make(&session, source, "[local]").await;
    let terms = decode(&encodings);
    assert!(terms.iter().all(|term| opaque(term).is_some()));
    let ours: Vec<_> = terms.iter().map(|term| term.to_bytes().unwrap()).collect();
    assert_eq!(ours, encodings);
    assert_same(&session, &terms).await;
}

pub(crate) async fn native_records_come_back_equal_and_in_order(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    if otp.number() < 29 {
        // Nodes of older releases never get one, unless we send what we took from another node.
        let record = Bytes::from_static(b"\x83C\0\0\0\0\0w\x06shapesw\x05empty");
        assert!(opaque(&Term::from_bytes(record.clone()).unwrap()).is_some());
        let decode = beam
            .expression("binary_to_term(Encoded)")
            .bind_binary("Encoded", record);
        let error = decode.term().await.unwrap_err();
        assert!(error.to_string().contains("bad argument"), "{error}");
        return;
    }
    define_shapes(&beam).await;
    let inside = "begin
            [A, B, C, D] = shapes:all(),
            [{A, B}, [C, D], [A | B], #{A => B, c => C}, #{N => D || N <- lists:seq(1, 100)}, {fun() -> D end, \"text\", A}]
        end";
    for form in FORMS {
        let session = beam.session();
        let shapes = decode(&make(&session, "shapes:all()", form).await);
        assert!(shapes.iter().all(|term| opaque(term).is_some()));
        assert_same(&session, &shapes).await;

        let session = beam.session();
        let terms = decode(&make(&session, inside, form).await);
        assert_same(&session, &terms).await;
        assert_eq!(terms[0], Term::tuple(shapes[..2].to_vec()));
        let map = terms[3].as_map().unwrap();
        assert_eq!(map.get(&shapes[0]), Some(&shapes[1]));

        let area = beam.expression("shapes:area(binary_to_term(Encoded))");
        let area = area.bind_binary("Encoded", shapes[1].to_bytes().unwrap());
        assert_eq!(area.term().await.unwrap(), Term::from(6));
    }
    // They stand between tuples and maps.
    let source = "Ordered = [{}, {1, 2}, hd(shapes:all()), #{}],
        {Ordered, [erts_internal:cmp_term(A, B) || A <- Ordered, B <- Ordered]}";
    let answer = beam.eval(source).await.unwrap();
    let Some([Term::List(ordered), Term::List(compared)]) = answer.as_tuple() else {
        panic!("{answer}");
    };
    let pairs = ordered
        .iter()
        .flat_map(|a| ordered.iter().map(move |b| (a, b)));
    for ((a, b), compared) in pairs.zip(compared) {
        assert_eq!(Term::from(a.cmp(b) as i8), *compared, "{a} against {b}");
    }
}

async fn define_shapes(beam: &Beam) {
    let module = "-module(shapes).
        -export([all/0, area/1]).
        -export_record([rectangle]).
        -record #rectangle{width, height = 2}.
        -record #'Círculo'{radius = 1.5}.
        -record #empty{}.
        all() -> [#empty{}, #rectangle{width = 3}, #'Círculo'{}, #rectangle{width = #empty{}, height = [#'Círculo'{}]}].
        area(#rectangle{width = W, height = H}) -> W * H.";
    beam.define_module(module).await.unwrap();
}

fn binaries(encodings: Vec<Bytes>) -> Term {
    Term::list(encodings.into_iter().map(Term::Binary))
}
