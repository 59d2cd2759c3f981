//! The harness itself, on each release.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use beam_term::Term;
use interop::{Beam, Epmd, Error, Otp, eventually, on_each_release, unique_name};

const DEADLINE: Duration = Duration::from_secs(30);

on_each_release! {
    a_node_runs_its_release,
    a_value_comes_back_as_a_term,
    a_value_of_another_type_is_an_error,
    an_exception_comes_back_with_its_class_and_stack,
    a_source_that_does_not_parse_is_an_error,
    variables_can_be_bound_to_terms,
    expressions_run_side_by_side,
    a_session_keeps_variables_and_mailbox,
    a_killed_process_is_an_error_and_not_a_hang,
    an_expression_that_takes_too_long_is_an_error,
    erlang_modules_are_defined_from_text,
    a_module_that_does_not_compile_is_an_error,
    elixir_evaluates_and_defines_modules,
    what_a_node_prints_is_kept_apart,
    named_nodes_register_and_connect,
    another_cookie_does_not_connect,
    hidden_nodes_are_hidden,
    a_killed_node_is_gone_for_its_peers_and_for_us,
    a_suspended_node_answers_when_it_is_resumed,
    a_stopped_node_ends_in_order,
    a_node_without_a_port_mapper_does_not_start,
}

async fn a_node_runs_its_release(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let release = text(&beam, "list_to_integer(erlang:system_info(otp_release)).").await;
    assert_eq!(release, otp.number().to_string());
}

async fn a_value_comes_back_as_a_term(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let expected = Term::tuple([Term::from(42), Term::binary("é")]);
    let source = "X = 40, {X + 2, <<\"é\"/utf8>>}";
    assert_eq!(beam.eval(source).await.unwrap(), expected);
    let pair: (u8, String) = beam.eval_as(source).await.unwrap();
    assert_eq!(pair, (42, "é".into()));
    let external = beam.expression(source).external().await.unwrap();
    assert_eq!(
        external,
        [131, 104, 2, 97, 42, 109, 0, 0, 0, 2, 0xC3, 0xA9].as_slice()
    );
    assert_eq!(
        text(&beam, "{lists:seq(1, 3), \"abc\", 'An atom'}").await,
        r#"{[1,2,3],"abc",'An atom'}"#
    );
}

async fn a_value_of_another_type_is_an_error(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let error = beam.eval_as::<u8>("256").await.unwrap_err();
    assert!(matches!(error, Error::Decode { .. }), "{error}");
}

async fn an_exception_comes_back_with_its_class_and_stack(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    for (source, class) in [
        ("error(oops)", "error"),
        ("exit(oops)", "exit"),
        ("throw(oops)", "throw"),
    ] {
        match beam.expression(source).external().await {
            Err(Error::Raised(exception)) => {
                assert_eq!(exception.class, class);
                assert_eq!(exception.reason().unwrap(), Term::atom("oops"));
            }
            other => panic!("{source} gave {other:?}"),
        }
    }
    let undefined = beam
        .expression("lists:nothing(1)")
        .external()
        .await
        .unwrap_err()
        .to_string();
    assert!(
        undefined.contains("undefined function lists:nothing/1"),
        "{undefined}"
    );
}

async fn a_source_that_does_not_parse_is_an_error(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let error = beam
        .expression("{1, ")
        .external()
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("syntax error"), "{error}");
}

async fn variables_can_be_bound_to_terms(otp: Otp) {
    let beam = otp.beam().elixir().start().await.unwrap();
    let atom = Term::atom("ok");
    let erlang = beam
        .expression("{Atom, Bytes}")
        .bind("Atom", &atom)
        .bind_binary("Bytes", "xyz");
    assert_eq!(erlang.text().await.unwrap(), r#"{ok,<<"xyz">>}"#);
    let elixir = beam
        .elixir("{atom, bytes}")
        .bind("atom", &atom)
        .bind_binary("bytes", "xyz");
    assert_eq!(elixir.text().await.unwrap(), r#"{ok,<<"xyz">>}"#);
}

async fn expressions_run_side_by_side(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let waiting = beam
        .expression("register(waiting, self()), receive Message -> Message end")
        .start();
    let asked = async || text(&beam, "whereis(waiting) =/= undefined").await == "true";
    eventually("the first expression to run", DEADLINE, asked).await;
    text(&beam, "waiting ! 42").await;
    assert_eq!(waiting.term().await.unwrap(), Term::from(42));
}

async fn a_session_keeps_variables_and_mailbox(otp: Otp) {
    let beam = otp.beam().elixir().start().await.unwrap();
    let session = beam.session();
    session
        .expression("X = 1, register(kept, self())")
        .external()
        .await
        .unwrap();
    session
        .expression("Y = X + 1, error(Y)")
        .external()
        .await
        .unwrap_err();
    text(&beam, "kept ! {message, 3}").await;
    let answer = session.expression("receive {message, Z} -> {X, Z, self() =:= whereis(kept)} end");
    assert_eq!(answer.text().await.unwrap(), "{1,3,true}");
    session.elixir("x = 5").external().await.unwrap();
    assert_eq!(session.elixir("x * 2").text().await.unwrap(), "10");
    let unbound = beam
        .expression("X")
        .external()
        .await
        .unwrap_err()
        .to_string();
    assert!(unbound.contains("unbound"), "{unbound}");

    drop(session);
    let gone = async || text(&beam, "whereis(kept)").await == "undefined";
    eventually("the session's process to be gone", DEADLINE, gone).await;
}

async fn a_killed_process_is_an_error_and_not_a_hang(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    match beam
        .expression("exit(self(), kill), receive never -> ok end")
        .external()
        .await
    {
        Err(Error::Raised(exception)) => assert_eq!(exception.class, "exit"),
        other => panic!("it gave {other:?}"),
    }
    assert_eq!(text(&beam, "1 + 1").await, "2");
}

async fn an_expression_that_takes_too_long_is_an_error(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let hanging = beam
        .expression("receive never -> ok end")
        .deadline(Duration::from_millis(50));
    let error = hanging.external().await.unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }), "{error}");
    assert!(error.to_string().contains("receive never"), "{error}");
}

async fn erlang_modules_are_defined_from_text(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let source = "-module(adder).\n-export([add/2, name/0]).\n-define(NAME, ?MODULE).\n\
        add(A, B) -> A + B.\nname() -> ?NAME.\n";
    beam.define_module(source).await.unwrap();
    assert_eq!(
        text(&beam, "{adder:add(1, 2), adder:name()}").await,
        "{3,adder}"
    );
}

async fn a_module_that_does_not_compile_is_an_error(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let source = "-module(broken).\n-export([f/0]).\nf() -> Unbound.\n";
    let error = beam.define_module(source).await.unwrap_err().to_string();
    assert!(error.contains("'Unbound' is unbound"), "{error}");
}

async fn elixir_evaluates_and_defines_modules(otp: Otp) {
    let beam = otp.beam().elixir().start().await.unwrap();
    assert_eq!(
        beam.elixir("String.upcase(\"é\")").text().await.unwrap(),
        "<<\"É\"/utf8>>"
    );
    let module = "defmodule Adder do\n  def add(a, b), do: a + b\nend";
    beam.elixir(module).external().await.unwrap();
    assert_eq!(text(&beam, "'Elixir.Adder':add(1, 2)").await, "3");
    let error = beam
        .elixir("Adder.nothing()")
        .external()
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("nothing"), "{error}");
}

async fn what_a_node_prints_is_kept_apart(otp: Otp) {
    let beam = otp.beam().elixir().start().await.unwrap();
    text(&beam, "io:format(\"printed ~ts~n\", [[233]])").await;
    beam.elixir("IO.puts(:stderr, \"to standard error\")")
        .external()
        .await
        .unwrap();
    text(&beam, "logger:error(\"logged\")").await;
    let whole = async || {
        let output = beam.output();
        ["printed é", "to standard error", "logged"]
            .iter()
            .all(|part| output.contains(part))
    };
    eventually("everything to be printed", DEADLINE, whole).await;
}

async fn named_nodes_register_and_connect(otp: Otp) {
    let epmd = otp.epmd().start().await.unwrap();
    let left = otp
        .beam()
        .name(unique_name("left"))
        .epmd(&epmd)
        .start()
        .await
        .unwrap();
    let right = otp
        .beam()
        .name(unique_name("right"))
        .epmd(&epmd)
        .start()
        .await
        .unwrap();
    assert_eq!(epmd.names().await.unwrap().len(), 2);
    assert_eq!(text(&left, "node()").await, format!("'{}'", left.name()));
    assert_eq!(ping(&left, &right).await, "pong");
    assert_eq!(
        text(&left, "nodes()").await,
        format!("['{}']", right.name())
    );

    let short = otp
        .beam()
        .short_name(unique_name("short"))
        .epmd(&epmd)
        .start()
        .await
        .unwrap();
    assert!(short.name().ends_with("@localhost"), "{}", short.name());
    assert_eq!(text(&short, "net_kernel:longnames()").await, "false");
}

async fn another_cookie_does_not_connect(otp: Otp) {
    let epmd = otp.epmd().start().await.unwrap();
    let left = otp
        .beam()
        .name(unique_name("left"))
        .epmd(&epmd)
        .start()
        .await
        .unwrap();
    let right = otp
        .beam()
        .name(unique_name("right"))
        .epmd(&epmd)
        .cookie("other")
        .start()
        .await
        .unwrap();
    assert_eq!(ping(&left, &right).await, "pang");
}

async fn hidden_nodes_are_hidden(otp: Otp) {
    let epmd = otp.epmd().start().await.unwrap();
    let left = otp
        .beam()
        .name(unique_name("left"))
        .epmd(&epmd)
        .start()
        .await
        .unwrap();
    let right = otp
        .beam()
        .name(unique_name("right"))
        .epmd(&epmd)
        .hidden()
        .start()
        .await
        .unwrap();
    assert_eq!(ping(&left, &right).await, "pong");
    assert_eq!(text(&left, "nodes()").await, "[]");
    assert_eq!(
        text(&left, "nodes(hidden)").await,
        format!("['{}']", right.name())
    );
}

async fn a_killed_node_is_gone_for_its_peers_and_for_us(otp: Otp) {
    let epmd = otp.epmd().start().await.unwrap();
    let right_again = otp.beam().name(unique_name("right")).epmd(&epmd);
    let left = otp
        .beam()
        .name(unique_name("left"))
        .epmd(&epmd)
        .start()
        .await
        .unwrap();
    let mut right = right_again.clone().start().await.unwrap();
    assert_eq!(ping(&left, &right).await, "pong");

    let waiting = right.expression("receive never -> ok end").start();
    right.kill().await.unwrap();
    assert!(!right.is_alive());
    assert!(matches!(waiting.external().await, Err(Error::Gone { .. })));
    let alone = async || text(&left, "nodes()").await == "[]";
    eventually("the left node to lose the right one", DEADLINE, alone).await;

    let unregistered = async || epmd.names().await.unwrap().len() == 1;
    eventually("the registration to be gone", DEADLINE, unregistered).await;
    let right = right_again.start().await.unwrap();
    assert_eq!(ping(&left, &right).await, "pong");
}

async fn a_suspended_node_answers_when_it_is_resumed(otp: Otp) {
    let mut beam = otp.beam().start().await.unwrap();
    beam.suspend().unwrap();
    let hanging = beam
        .expression("1 + 1")
        .deadline(Duration::from_millis(100));
    let error = hanging.external().await.unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }), "{error}");
    assert!(beam.is_alive());
    beam.resume().unwrap();
    assert_eq!(text(&beam, "1 + 1").await, "2");
}

async fn a_stopped_node_ends_in_order(otp: Otp) {
    let mut beam = otp.beam().start().await.unwrap();
    let status = beam.stop().await.unwrap();
    assert!(status.success(), "{status}");
    assert!(!beam.is_alive());
}

async fn a_node_without_a_port_mapper_does_not_start(otp: Otp) {
    let error = otp
        .beam()
        .name(unique_name("lone"))
        .start()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Gone { .. }), "{error}");
    assert!(error.to_string().contains("econnrefused"), "{error}");
}

#[tokio::test]
async fn a_port_mapper_goes_with_its_value() {
    let otp = Otp::release(25).unwrap();
    let epmd: Epmd = otp.epmd().start().await.unwrap();
    let address = epmd.address();
    drop(epmd);
    let refused = async || tokio::net::TcpStream::connect(address).await.is_err();
    eventually("the port mapper to be gone", DEADLINE, refused).await;
}

#[tokio::test]
async fn a_release_that_is_not_installed_is_an_error() {
    let error = Otp::release(3).unwrap_err();
    assert!(error.to_string().contains("OTP 3 "), "{error}");
}

#[tokio::test]
#[should_panic(expected = "waited 20ms for the moon")]
async fn a_condition_that_never_holds_names_itself() {
    eventually("the moon", Duration::from_millis(20), async || false).await;
}

async fn text(beam: &Beam, source: &str) -> String {
    beam.expression(source).text().await.unwrap()
}

async fn ping(from: &Beam, to: &Beam) -> String {
    text(from, &format!("net_adm:ping('{}')", to.name())).await
}
