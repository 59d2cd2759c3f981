//! What calls and casts of functions of OTP come to.

use std::time::Duration;

use beam_node::{Cause, Class, Code, DownReason, Error, Event, Limits, Node};
use beam_term::Term;
use interop::{Beam, Otp, eventually, on_each_release};
use num_bigint::BigInt;
use tokio::join;

use crate::cluster::{Cluster, DEADLINE, HIDDEN_AND_VISIBLE, event, rust_name, seen, sees};

on_each_release! {
    every_way_a_call_can_end_is_seen_as_what_it_is,
    a_call_in_time_and_one_out_of_time_share_a_link,
    calls_that_cannot_be_sent_did_not_run,
    what_a_node_would_not_decode_does_not_cost_the_link,
    casts_run_and_answer_nothing,
    many_calls_at_once_get_their_own_answers,
}

const MODULE: &str = "-module(rlb_callee).
-export([give/1, raise/2, nested/0, die/0, die/1, wait/0, tell/2]).
give(Term) -> Term.
raise(Class, Reason) -> erlang:raise(Class, Reason, []).
nested() -> rlb_no_such_module:f().
die() -> exit(self(), kill), wait().
die(Reason) -> exit(self(), Reason), wait().
wait() -> receive never -> ok end.
tell(Name, Message) -> Name ! Message, exit(on_purpose).
";

async fn every_way_a_call_can_end_is_seen_as_what_it_is(otp: Otp) {
    let (cluster, beam) = start(otp).await;
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        let call = async |function: &str, arguments: &str| -> Result<Term, Error> {
            let arguments = arguments.parse::<Term>().unwrap();
            let arguments = arguments.as_list().unwrap().to_vec();
            node.call(beam.name(), ("rlb_callee", function), arguments)
                .await
        };

        for term in [
            "ok",
            "[1,2,3]",
            "#{a => [1,<<\"x\">>],{} => 1.5}",
            "[]",
            "\"text\"",
        ] {
            let returned = call("give", &format!("[{term}]")).await.unwrap();
            assert_eq!(returned, term.parse().unwrap());
        }
        for (class, name) in [
            (Class::Error, "error"),
            (Class::Throw, "throw"),
            (Class::Exit, "exit"),
        ] {
            for reason in ["oops", "{some,<<\"reason\">>}", "normal"] {
                let error = call("raise", &format!("[{name},{reason}]"))
                    .await
                    .unwrap_err();
                assert_eq!(error.code, Code::InternalServerError);
                let exception = error.exception().unwrap_or_else(|| panic!("{error}"));
                assert_eq!(exception.class, class, "{error}");
                assert_eq!(exception.reason, reason.parse().unwrap());
                assert!(error.may_have_run());
            }
        }
        let error = node
            .call::<Term, _>(beam.name(), ("erlang", "atom_to_list"), (1,))
            .await
            .unwrap_err();
        let exception = error.exception().unwrap();
        assert_eq!(exception.reason, Term::atom("badarg"));
        let frame = &exception.stack.as_list().unwrap()[0].as_tuple().unwrap()[..2];
        assert_eq!(frame, [Term::atom("erlang"), Term::atom("atom_to_list")]);

        // What is not there is told apart from a called function that misses another.
        for (function, arguments) in [("nothing", "[]"), ("give", "[1,2]"), ("nothing", "[1,2,3]")]
        {
            let error = call(function, arguments).await.unwrap_err();
            assert!(error.is_undefined(), "{error}");
            assert!(!error.may_have_run());
        }
        let error = call("nested", "[]").await.unwrap_err();
        assert!(!error.is_undefined(), "{error}");
        assert_eq!(error.exception().unwrap().reason, Term::atom("undef"));

        let error = call("die", "[]").await.unwrap_err();
        assert!(
            matches!(error.cause(), Cause::Killed(reason) if *reason == Term::atom("killed")),
            "{error}"
        );
        let error = call("die", "[by_signal]").await.unwrap_err();
        assert!(
            matches!(error.cause(), Cause::Killed(reason) if *reason == Term::atom("by_signal")),
            "{error}"
        );

        let error = node
            .call::<i64, _>(beam.name(), ("rlb_callee", "give"), ("text",))
            .await
            .unwrap_err();
        assert_eq!(error.code, Code::InternalServerError);
        assert!(matches!(error.cause(), Cause::Decode(_)), "{error}");

        let bye = async {
            while node.calling() == 0 {
                tokio::task::yield_now().await;
            }
            node.disconnect(beam.name());
        };
        let (result, ()) = join!(call("wait", "[]"), bye);
        let error = result.unwrap_err();
        assert_eq!(error.code, Code::ServiceUnavailable);
        assert!(matches!(error.cause(), Cause::ConnectionLost), "{error}");
        assert_eq!(node.calling(), 0);
        sees(&beam, node.name(), false).await;
    }
}

async fn a_call_in_time_and_one_out_of_time_share_a_link(otp: Otp) {
    let (cluster, beam) = start(otp).await;
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        let patience = Duration::from_millis(100);
        let late = node
            .call::<Term, _>(beam.name(), ("rlb_callee", "wait"), ())
            .timeout(patience);
        let error = late.await.unwrap_err();
        assert_eq!(error.code, Code::RequestTimeout);
        assert!(
            matches!(error.cause(), Cause::Timeout(after) if *after == patience),
            "{error}"
        );
        assert!(error.may_have_run());
        assert_eq!(node.calling(), 0);
        // The node of OTP was told that nobody waits any more: no process there is monitored from
        // here.
        let monitored =
            "[P || P <- processes(), {monitored_by, By} <- [process_info(P, monitored_by)],
            lists:any(fun(Pid) -> is_pid(Pid) andalso node(Pid) =/= node() end, By)]";
        let none = async || beam.expression(monitored).text().await.unwrap() == "[]";
        eventually("the monitor to be taken away", DEADLINE, none).await;
        let sum: i64 = node
            .call(beam.name(), ("erlang", "+"), (1, 2))
            .await
            .unwrap();
        assert_eq!(sum, 3);
    }
}

async fn what_a_node_would_not_decode_does_not_cost_the_link(otp: Otp) {
    let knows_records = otp.number() >= 29;
    let (cluster, beam) = start(otp).await;
    let integer = Term::from(BigInt::from(1) << (8 * 524_280));
    let local = Term::from_bytes(&b"\x83ylocal"[..]).unwrap();
    let record = Term::from_bytes(&b"\x83C\0\0\0\0\0w\x06shapesw\x05empty"[..]).unwrap();
    let largest = Term::from((BigInt::from(1) << (8 * 524_280)) - 1);
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        let mut events = node.events();
        let give = async |term: &Term| -> Result<Term, Error> {
            node.call(beam.name(), ("rlb_callee", "give"), (term,))
                .await
        };
        let given = integer.clone();
        node.export("demo", "integer", move || {
            let given = given.clone();
            async move { given }
        })
        .unwrap();
        let given = record.clone();
        node.export("demo", "record", move || {
            let given = given.clone();
            async move { given }
        })
        .unwrap();
        let returned = async |function: &str| {
            let source = format!("is_tuple(erpc:call(N, demo, {function}, []))");
            seen(&beam, &node, &source).await
        };

        assert!(give(&largest).await.unwrap() == largest);
        for term in [&integer, &local, &record] {
            let result = give(&Term::list([Term::from(1), term.clone()])).await;
            if knows_records && term == &record {
                assert!(result.is_ok(), "{result:?}");
            } else {
                let error = result.unwrap_err();
                assert_eq!(error.code, Code::BadRequest, "{error}");
                assert!(!error.may_have_run());
            }
        }
        let failed = returned("integer").await;
        assert!(failed.contains("badreturn"), "{failed}");
        let sent = returned("record").await;
        assert!(
            sent.contains(if knows_records { "false" } else { "badreturn" }),
            "{sent}"
        );
        assert_eq!(give(&Term::from(1)).await.unwrap(), Term::from(1));

        // It was one connection all the time.
        node.disconnect(beam.name());
        let down = |event| match event {
            Event::Down { reason, .. } => Some(reason),
            _ => None,
        };
        let reason = event(&mut events, down).await;
        assert!(matches!(reason, DownReason::Disconnected), "{reason:?}");
        sees(&beam, node.name(), false).await;
    }
}

async fn calls_that_cannot_be_sent_did_not_run(otp: Otp) {
    let (cluster, beam) = start(otp).await;
    for visible in HIDDEN_AND_VISIBLE {
        let limits = Limits {
            calls_per_peer: 1,
            ..Limits::default()
        };
        let node = cluster
            .node(&rust_name("rust"))
            .visible(visible)
            .limits(limits);
        let node = node.start().await.unwrap();
        let call = async |to: &str| node.call::<Term, _>(to, ("rlb_callee", "wait"), ()).await;

        let error = call(&rust_name("nobody")).await.unwrap_err();
        assert_eq!(error.code, Code::ServiceUnavailable);
        assert!(!error.may_have_run());
        let error = call("nobody").await.unwrap_err();
        assert_eq!(error.code, Code::BadRequest);
        let error = node
            .call::<Term, _>(beam.name(), ("erlang", "abs"), (f64::NAN,))
            .await
            .unwrap_err();
        assert_eq!(error.code, Code::BadRequest);
        assert!(matches!(error.cause(), Cause::Encode(_)), "{error}");

        node.connect(beam.name()).await.unwrap();
        let second = async {
            while node.calling() == 0 {
                tokio::task::yield_now().await;
            }
            let error = call(beam.name()).await.unwrap_err();
            node.disconnect(beam.name());
            error
        };
        let (_, error) = join!(call(beam.name()), second);
        assert_eq!(error.code, Code::TooManyRequests);
        assert!(
            matches!(error.cause(), Cause::Limit("calls_per_peer")),
            "{error}"
        );
        assert!(!error.may_have_run());
        sees(&beam, node.name(), false).await;
    }
}

async fn casts_run_and_answer_nothing(otp: Otp) {
    let (cluster, beam) = start(otp).await;
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        let session = beam.session();
        session.eval("register(rlb_inbox, self())").await.unwrap();
        // What a cast function raises, and whether it is there at all, is not reported.
        let inbox = Term::atom("rlb_inbox");
        node.cast(beam.name(), ("rlb_callee", "nothing"), ())
            .await
            .unwrap();
        for number in 0..3 {
            node.cast(
                beam.name(),
                ("rlb_callee", "tell"),
                (&inbox, (node.name().as_atom(), number)),
            )
            .await
            .unwrap();
        }
        let received =
            "lists:sort([receive {From, Number} -> {From, Number} end || _ <- [1, 2, 3]])";
        let name = node.name();
        let expected = format!("[{{'{name}',0}},{{'{name}',1}},{{'{name}',2}}]");
        assert_eq!(session.expression(received).text().await.unwrap(), expected);
        let error = node
            .cast(rust_name("nobody"), ("a", "b"), ())
            .await
            .unwrap_err();
        assert_eq!(error.code, Code::ServiceUnavailable);
        session.eval("unregister(rlb_inbox)").await.unwrap();
    }
}

async fn many_calls_at_once_get_their_own_answers(otp: Otp) {
    let (cluster, beam) = start(otp).await;
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..1000_u64 {
            let call = give(node.clone(), beam.name().to_owned(), number);
            calls.spawn(async move { (number, call.await.unwrap()) });
        }
        while let Some(call) = calls.join_next().await {
            let (number, answer) = call.unwrap();
            assert_eq!(number, answer);
        }
    }
}

async fn give(node: Node, to: String, number: u64) -> Result<u64, Error> {
    node.call(&to, ("rlb_callee", "give"), (number,))
        .timeout(DEADLINE)
        .await
}

async fn start(otp: Otp) -> (Cluster, Beam) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("otp").start().await.unwrap();
    beam.define_module(MODULE).await.unwrap();
    (cluster, beam)
}
