//! What called functions print comes out here, as OTP would have printed it.

use beam_node::{Node, Output};
use beam_term::Term;
use interop::{Beam, Otp, on_each_release};
use tokio::{sync::mpsc, time::timeout};

use crate::cluster::{Cluster, DEADLINE, HIDDEN_AND_VISIBLE, rust_name};

on_each_release! {
    what_io_prints_comes_out_here,
    formats_come_out_as_otp_writes_them,
    what_elixir_prints_comes_out_here,
    input_and_unknown_requests_are_refused,
}

/// Prints in ways that are no one call.
const MODULE: &str = "-module(rlb_printer).
-export([lines/1, child/1, late/2]).
lines(Count) -> [io:format(\"line ~b~n\", [N]) || N <- lists:seq(1, Count)], done.
child(Text) ->
    {_, Ref} = spawn_monitor(fun() -> io:put_chars(Text) end),
    receive {'DOWN', Ref, _, _, Reason} -> Reason end.
late(Name, Text) -> register(Name, self()), receive go -> io:put_chars(Text) end.
";

async fn what_io_prints_comes_out_here(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    beam.define_module(MODULE).await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let (node, mut printed) = start(&cluster, visible).await;
        for (module, function, arguments, value, text) in [
            (
                "io",
                "put_chars",
                "[<<\"bytes and \", 195, 169>>]",
                "ok",
                "bytes and é",
            ),
            (
                "io",
                "put_chars",
                "[[\"deep\", [<<\" list\">>, 10]]]",
                "ok",
                "deep list\n",
            ),
            ("io", "nl", "[]", "ok", "\n"),
            ("io", "write", "[{a, [1, \"b\"]}]", "ok", "{a,[1,[98]]}"),
            (
                "io",
                "fwrite",
                "[\"no arguments~n\"]",
                "ok",
                "no arguments\n",
            ),
            (
                "io",
                "format",
                "[\"~p of ~s~n\", [{1, \"two\"}, three]]",
                "ok",
                "{1,\"two\"} of three\n",
            ),
            (
                "rlb_printer",
                "lines",
                "[3]",
                "done",
                "line 1\nline 2\nline 3\n",
            ),
            (
                "rlb_printer",
                "child",
                "[<<\"from a child\">>]",
                "normal",
                "from a child",
            ),
        ] {
            let returned = call(&node, &beam, (module, function), arguments)
                .await
                .unwrap();
            assert_eq!(returned, value.parse().unwrap(), "{module}:{function}");
            assert_eq!(
                next(&mut printed, &beam, text.len()).await,
                text,
                "{module}:{function}"
            );
        }

        // A cast prints as well.
        node.cast(beam.name(), ("io", "put_chars"), ("cast",))
            .await
            .unwrap();
        assert_eq!(next(&mut printed, &beam, 4).await, "cast");

        // So does a function that nobody waits for any more.
        let arguments = (Term::atom("rlb_late"), "late");
        node.cast(beam.name(), ("rlb_printer", "late"), arguments)
            .await
            .unwrap();
        let source = "Go = fun Go() -> try rlb_late ! go catch error:badarg -> Go() end end, Go()";
        beam.eval(source).await.unwrap();
        assert_eq!(next(&mut printed, &beam, 4).await, "late");

        // Large texts come out whole and in order.
        let large = "0123456789".repeat(30_000);
        let ok: Term = node
            .call(beam.name(), ("io", "put_chars"), (&large,))
            .await
            .unwrap();
        assert_eq!(ok, Term::atom("ok"));
        assert!(next(&mut printed, &beam, large.len()).await == large);
        assert!(printed.try_recv().is_err(), "nothing else was printed");
    }
}

/// Formats with their arguments, as one Erlang list.
const FORMATS: &str = r#"[
    {"~p ~p ~p~n", [atom, 'an Atom', "text"]},
    {"~p~n", [#{a => 1, "b" => [2.5, <<"c">>], {3} => #{}}]},
    {"~tp ~ts~n", [<<"grüße"/utf8>>, <<"grüße"/utf8>>]},
    {"~tp ~ts ~tw~n", ["мир", "мир", 'мир']},
    {"~w ~w ~w~n", ["text", <<"text">>, [a | b]]},
    {"~s ~s ~s~n", [atom, <<"bytes">>, ["deep", [$\s, <<"list">>]]]},
    {"~b ~b ~B ~.16b ~.16B ~.2#~n", [0, -17, 123456789012345678901234567890, 255, 255, 5]},
    {"~x ~X ~.16+~n", [255, "0x", -255, "16#", 255]},
    {"~f ~.2f ~e ~.3e ~g ~.4g~n", [1.0, 3.14159, 1.0, 12345.678, 0.1, 1.0e10]},
    {"~p ~w ~p ~p~n", [1.0, 0.1, 1.0e22, -1.5e-7]},
    {"|~10s|~-10s|~10.3s|~5w|~-5w|~3c|~c|~n", ["right", "left", "cut", 1, 2, $x, $y]},
    {"|~10.2.0f|~5.10.0b|~*s|~n", [2.5, 42, 6, "star"]},
    {"~~ ~i~p~n", [ignored, kept]},
    {"~lp ~lw~n", ["as a list", "as a list"]},
    {"~p ~p ~p~n", [[], {}, <<>>]},
    {"~p ~p~n", [<<1, 2, 255>>, <<5:3>>]},
    {"~p~n", [fun lists:map/2]},
    {"~p ~p~n", [[$a, 10, $b], [1, 2, 3]]},
    {"~p ~p~n", ["quo\"te\\", 'quo\'te']},
    {"no arguments at all~n", []}
]"#;

async fn formats_come_out_as_otp_writes_them(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    // What counts as printable is a setting of each node; here it is all of Unicode.
    let beam = cluster.beam("otp").flags(["+pc", "unicode"]);
    let beam = beam.start().await.unwrap();
    let formats = beam.eval(FORMATS).await.unwrap();
    let source = "[unicode:characters_to_binary(io_lib:format(F, A)) || {F, A} <- Formats]";
    let expected = beam
        .expression(source)
        .bind("Formats", &formats)
        .term()
        .await
        .unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let (node, mut printed) = start(&cluster, visible).await;
        let formats = formats.as_list().unwrap().iter();
        for (format, expected) in formats.zip(expected.as_list().unwrap()) {
            let arguments = format.as_tuple().unwrap().to_vec();
            let ok: Term = node
                .call(beam.name(), ("io", "format"), arguments)
                .await
                .unwrap();
            assert_eq!(ok, Term::atom("ok"), "{format}");
            let expected = expected.as_str().unwrap();
            assert_eq!(
                next(&mut printed, &beam, expected.len()).await,
                expected,
                "{format}"
            );
        }

        // A format that does not fit its arguments fails the function, as it does at home.
        let arguments = (Term::charlist("~p ~p"), vec![1]);
        let called = node
            .call::<Term, _>(beam.name(), ("io", "format"), arguments)
            .await;
        let error = called.unwrap_err();
        assert_eq!(error.exception().unwrap().reason, Term::atom("badarg"));
        assert!(printed.try_recv().is_err());
    }
}

async fn what_elixir_prints_comes_out_here(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("elixir").elixir().start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let (node, mut printed) = start(&cluster, visible).await;
        for (function, argument, text) in [
            ("puts", Term::binary("grüße"), "grüße\n"),
            ("puts", Term::charlist("мир"), "мир\n"),
            ("puts", Term::from(42), "42\n"),
            ("write", Term::binary("no newline"), "no newline"),
            (
                "inspect",
                "#{a => [1,nil]}".parse().unwrap(),
                "%{a: [1, nil]}\n",
            ),
            ("inspect", Term::binary("text"), "\"text\"\n"),
        ] {
            let returned: Term = node
                .call(beam.name(), ("Elixir.IO", function), (&argument,))
                .await
                .unwrap();
            match function {
                "inspect" => assert_eq!(returned, argument),
                _ => assert_eq!(returned, Term::atom("ok")),
            }
            assert_eq!(next(&mut printed, &beam, text.len()).await, text);
        }
        let date: Term = node
            .call(beam.name(), ("Elixir.Date", "new!"), (2024, 2, 29))
            .await
            .unwrap();
        node.call::<Term, _>(beam.name(), ("Elixir.IO", "inspect"), (date,))
            .await
            .unwrap();
        assert_eq!(next(&mut printed, &beam, 14).await, "~D[2024-02-29]\n");
        let script = "for n <- 1..3, do: IO.puts(n)\nIO.puts([\"a\", ?b, [\"c\"]])";
        node.call::<Term, _>(beam.name(), ("Elixir.Code", "eval_string"), (script,))
            .await
            .unwrap();
        assert_eq!(next(&mut printed, &beam, 10).await, "1\n2\n3\nabc\n");
    }
}

async fn input_and_unknown_requests_are_refused(otp: Otp) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("elixir").elixir().start().await.unwrap();
    for visible in HIDDEN_AND_VISIBLE {
        let (node, mut printed) = start(&cluster, visible).await;
        let refused: Term = "{error,enotsup}".parse().unwrap();
        for (function, arguments) in [
            ("get_line", "[\"prompt> \"]"),
            ("get_chars", "[\"prompt> \", 3]"),
            ("read", "[\"prompt> \"]"),
            ("columns", "[]"),
        ] {
            let returned = call(&node, &beam, ("io", function), arguments)
                .await
                .unwrap();
            assert_eq!(returned, refused, "{function}");
        }
        let returned = call(&node, &beam, ("Elixir.IO", "gets"), "[<<\"prompt> \">>]").await;
        assert_eq!(returned.unwrap(), refused);
        assert!(printed.try_recv().is_err());
    }
}

/// A node, and what is printed through it.
async fn start(cluster: &Cluster, visible: bool) -> (Node, mpsc::UnboundedReceiver<Output>) {
    let (print, printed) = mpsc::unbounded_channel();
    let node = cluster
        .node(&rust_name("rust"))
        .visible(visible)
        .output(move |output| {
            // The test may be over.
            let _ = print.send(output);
        });
    (node.start().await.unwrap(), printed)
}

async fn call(
    node: &Node,
    beam: &Beam,
    function: (&str, &str),
    arguments: &str,
) -> beam_node::Result<Term> {
    let arguments = beam.eval(arguments).await.unwrap();
    let arguments = arguments.as_list().unwrap().to_vec();
    node.call(beam.name(), function, arguments).await
}

/// The next bytes that are printed, at least so many: a text may come in pieces.
async fn next(printed: &mut mpsc::UnboundedReceiver<Output>, beam: &Beam, bytes: usize) -> String {
    let mut text = String::new();
    while text.len() < bytes {
        let output = timeout(DEADLINE, printed.recv()).await;
        let output = output
            .unwrap_or_else(|_| panic!("nothing more after {text:?}"))
            .unwrap();
        assert_eq!(output.node.as_str(), beam.name());
        text.push_str(&output.text);
    }
    text
}
